"""Accounts: who may use the service, and how they sign in."""
