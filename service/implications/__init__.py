"""What a document implies, and what its questions say of it."""
