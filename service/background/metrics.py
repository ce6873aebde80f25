"""Metrics for Prometheus: request counters, and the state derived from the rows."""

import logging
from datetime import datetime, timedelta
from typing import Final

from litestar import get
from litestar.datastructures import State
from litestar.plugins.prometheus import PrometheusController
from litestar.response import Response
from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from service.background import heartbeats, tasks
from service.background.tasks import Status
from service.clock import now
from service.fits import health
from service.fits.health import ModelHealth
from service.models import Fit, FitStatus, TaskKind, Webhook, WebhookDelivery
from service.web.dependencies import AppRequest

log = logging.getLogger(__name__)

LIVE: Final = (Status.queued, Status.running, Status.failed)
FAILED_WITHIN: Final = timedelta(days=1)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(f"credence_{name}", about, labels, multiprocess_mode="mostrecent")


DATABASE_UP: Final = _gauge("database_up", "1 if the database answered this request, else 0")
FITS: Final = _gauge("fits", "Stored fits, by status", "status")
FITTED: Final = _gauge(
    "fit_timestamp_seconds", "Unix time of the last fit with this status; 0: never", "status"
)
FIT: Final = _gauge("fit_in_force", "Id of the fit that aggregates use; 0: the prior")
UNREADABLE: Final = _gauge(
    "fit_unreadable", "1 if the posterior of the latest accepted fit cannot be read, else 0"
)
FIT_AGE: Final = _gauge("fit_age_seconds", "Seconds since the fit in force was accepted; 0: none")
FIT_BEHIND: Final = _gauge("fit_behind", "1 if resolutions await a fit, else 0")
JOBS: Final = _gauge(
    "jobs",
    "Background jobs, by kind and status; failed: refits, 1 if the latest was not "
    "accepted; tasks, within a day",
    "kind",
    "status",
)
WAITS: Final = _gauge(
    "jobs_waited_seconds",
    "Seconds that the oldest queued job of a kind has waited; 0: none",
    "kind",
)
DUE: Final = _gauge("deliveries_due", "Webhook deliveries that are due")
WAITED: Final = _gauge("deliveries_waited_seconds", "Seconds that the oldest of them has been due")
DISABLED: Final = _gauge("webhooks_disabled", "Webhooks disabled after failures")


class Metrics(PrometheusController):
    """Metrics to scrape: requests of this process, and the state of the whole installation."""

    include_in_schema = False

    @get(opt={"public": True})
    async def get(self, request: AppRequest) -> Response[bytes]:
        """Respond with the current state and the counters of this process."""
        try:
            request.app.state.database.require_file()
            async with request.app.state.database.read() as session:
                await _measure(session, request.app.state)
            DATABASE_UP.set(1)
        except (SQLAlchemyError, OSError) as error:
            log.warning("metrics from the database are missing: %s", error)
            DATABASE_UP.set(0)
        answer: Response[bytes] = await super().get.fn(self)
        return answer


async def _measure(session: AsyncSession, state: State) -> None:
    at = now()
    stored = dict.fromkeys(FitStatus, (0, 0.0))
    for status, count, last in await session.execute(
        select(Fit.status, func.count(), func.max(Fit.created_at)).group_by(Fit.status)
    ):
        stored[FitStatus(status)] = count, last.timestamp()
    for status, (count, seconds) in stored.items():
        FITS.labels(status).set(count)
        FITTED.labels(status).set(seconds)
    judged = await health.model_health(session, state.aggregator, reread=True)
    fit = judged.in_force
    FIT.set(fit.id if fit else 0)
    UNREADABLE.set(judged.unreadable is not None)
    FIT_AGE.set((at - fit.created_at).total_seconds() if fit else 0)
    FIT_BEHIND.set(judged.behind)
    await _measure_jobs(session, judged, heartbeats.patience(state.settings), at)
    waiting, first = (
        await session.execute(
            select(func.count(), func.min(WebhookDelivery.due_at)).where(
                WebhookDelivery.due_at <= at
            )
        )
    ).one()
    DUE.set(waiting)
    WAITED.set((at - first).total_seconds() if first else 0)
    disabled = select(func.count()).where(Webhook.disabled_at.is_not(None))
    DISABLED.set(await session.scalar(disabled) or 0)


async def _measure_jobs(
    session: AsyncSession, judged: ModelHealth, patience: timedelta, at: datetime
) -> None:
    """Queued, running and failed jobs, derived from the rows, hence also without a worker."""
    counts = {(kind, status): 0 for kind in ("refit", *TaskKind) for status in LIVE}
    waited = dict.fromkeys(("refit", *TaskKind), 0.0)
    running = await heartbeats.refitting(session, patience)
    counts["refit", Status.running] = running
    counts["refit", Status.failed] = bool(
        judged.latest and judged.latest.status != FitStatus.accepted
    )
    if judged.waiting_since is not None and not running:
        counts["refit", Status.queued] = 1
        waited["refit"] = (at - judged.waiting_since).total_seconds()
    for one in await tasks.tallies(session, at, FAILED_WITHIN):
        counts[one.kind, one.status] = one.count
        if one.status is Status.queued:
            waited[one.kind] = (at - one.first_at).total_seconds()
    for (kind, status), count in counts.items():
        JOBS.labels(kind, status).set(count)
    for kind, seconds in waited.items():
        WAITS.labels(kind).set(max(seconds, 0))
