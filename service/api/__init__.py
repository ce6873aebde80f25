"""The API under /api/v1: one thin controller file a noun."""
