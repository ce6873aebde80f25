"""Background work: the workers, and what waits for them."""

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

    @get(summary="Say what runs in the background (curators)", responses=MAY_REFUSE)
    async def state(
        self, request: AppRequest, actor: CurrentActor, reading: ReadSession
    ) -> JobsOut:
        """The workers, what each does and how far it is, and what waits.

        What became of fits is at `/fits`, of tasks at `/tasks`.
        """
        actor.require(Role.curator, "look at background work")
        state = request.app.state
        return JobsOut.of(await heartbeats.background(reading, state.settings))
