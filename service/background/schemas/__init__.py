"""JSON bodies of background work: one module per resource."""
