"""Background work: the workers, and what waits for them."""

from datetime import timedelta

from litestar import Controller, get

from service import workers
from service.api.documentation import MAY_REFUSE
from service.dependencies import AppRequest, Reading, Who
from service.models import Role
from service.schemas.jobs import JobsOut


class Jobs(Controller):
    """Background work."""

    path = "/jobs"
    tags = ("Jobs",)

    @get(summary="Say what runs in the background (curators)", responses=MAY_REFUSE)
    async def state(self, request: AppRequest, actor: Who, reading: Reading) -> JobsOut:
        """The workers and what each does, and what waits; what fits became of is at `/fits`."""
        actor.require(Role.curator, "look at background work")
        settings = request.app.state.settings
        waits = await workers.waiting(
            reading,
            quiet=timedelta(seconds=settings.fit_debounce_seconds),
            longest_wait=timedelta(seconds=settings.fit_longest_wait_seconds),
        )
        return JobsOut.of(await workers.listing(reading), waits)
