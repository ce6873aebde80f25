"""The JSON bodies of scoring: one module per resource."""
