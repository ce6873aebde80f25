"""Implications of documents, and the estimates derived from their questions."""
