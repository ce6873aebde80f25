"""Webhooks and feeds."""
