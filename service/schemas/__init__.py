"""Every struct that the API takes or gives, a file a noun."""
