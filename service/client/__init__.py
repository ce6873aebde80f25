"""The Python client of the API."""

from service.client.client import Client, ProblemError

__all__ = ["Client", "ProblemError"]
