"""Background work: the worker, tasks, health and metrics."""
