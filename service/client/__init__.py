"""The Python client of the API, which needs httpx and msgspec alone."""

from service.client.client import Client, ProblemError
from service.client.schemas import TaskOut

__all__ = ["Client", "ProblemError", "TaskOut"]
