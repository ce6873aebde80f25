"""The API of scoring: one module per resource."""
