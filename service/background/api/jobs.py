"""Background work: the workers and the pending jobs."""

from litestar import Controller, get

from service.background import heartbeats
from service.background.schemas.jobs import JobsOut
from service.models import Role
from service.web.dependencies import AppRequest, CurrentActor, ReadSession
from service.web.openapi import MAY_REFUSE


class Jobs(Controller):
    """Background work."""

    path = "/jobs"
    tags = ("Jobs",)

    @get(summary="Get the state of background work (curators)", responses=MAY_REFUSE)
    async def state(
        self, request: AppRequest, actor: CurrentActor, reading: ReadSession
    ) -> JobsOut:
        """The workers with their jobs and progress, and the pending work.

        Results of fits are at `/fits`, those of tasks at `/tasks`.
        """
        actor.require(Role.curator, "look at background work")
        state = request.app.state
        return JobsOut.of(await heartbeats.background(reading, state.settings))
