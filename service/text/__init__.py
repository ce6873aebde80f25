"""Texts: validation, names and the formats of figures."""
