"""The API of background: one module per resource."""
