"""Editing, resolving and drafting questions."""
