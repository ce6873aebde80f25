"""The API of questions: one module per resource."""
