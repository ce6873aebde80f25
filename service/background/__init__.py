"""The worker, its tasks and its health."""
