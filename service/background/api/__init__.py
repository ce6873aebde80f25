"""The API of background work: one module per resource."""

from litestar import Router

from service.background.api import exports, jobs, tasks

router = Router(
    path="/",
    route_handlers=[
        exports.Exports,
        jobs.Jobs,
        tasks.Tasks,
    ],
)
