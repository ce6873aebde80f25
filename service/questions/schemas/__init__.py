"""The JSON bodies of questions: one module per resource."""
