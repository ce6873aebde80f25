"""The JSON bodies of background: one module per resource."""
