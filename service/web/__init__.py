"""Shared infrastructure of the HTTP endpoints."""
