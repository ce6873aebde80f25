"""Metrics for Prometheus: requests as they are counted, and the state as the rows have it."""

import logging
from typing import Final

from litestar import get
from litestar.plugins.prometheus import PrometheusController
from litestar.response import Response
from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from service import trust
from service.clock import now
from service.dependencies import AppRequest
from service.models import Fit, FitStatus, Webhook, WebhookDelivery

log = logging.getLogger(__name__)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(f"credence_{name}", about, labels, multiprocess_mode="mostrecent")


DATABASE_UP: Final = _gauge("database_up", "1 if the database answered this request, else 0")
FITS: Final = _gauge("fits", "Fits that were stored, by what became of them", "status")
FIT: Final = _gauge("fit_in_force", "Id of the fit that aggregates use; 0: the prior")
FIT_AGE: Final = _gauge("fit_age_seconds", "Seconds since the fit in force was accepted; 0: none")
FIT_BEHIND: Final = _gauge("fit_behind", "1 if resolutions wait to be learned from, else 0")
DUE: Final = _gauge("deliveries_due", "Webhook deliveries that are due")
WAITED: Final = _gauge("deliveries_waited_seconds", "Seconds that the first of them has been due")
DISABLED: Final = _gauge("webhooks_disabled", "Webhooks that were disabled for failing")


class Metrics(PrometheusController):
    """What Prometheus scrapes: this process's requests, and the whole installation's state."""

    include_in_schema = False

    @get(opt={"public": True})
    async def get(self, request: AppRequest) -> Response[bytes]:
        """Read the state, and answer with it and what this process counted."""
        try:
            async with request.app.state.database.read() as session:
                await _measure(session)
            DATABASE_UP.set(1)
        except (SQLAlchemyError, OSError) as error:
            log.warning("the metrics lack the database's: %s", error)
            DATABASE_UP.set(0)
        answer: Response[bytes] = await super().get.fn(self)
        return answer


async def _measure(session: AsyncSession) -> None:
    at = now()
    stored = dict.fromkeys(FitStatus, 0)
    for status, count in await session.execute(
        select(Fit.status, func.count()).group_by(Fit.status)
    ):
        stored[FitStatus(status)] = count
    for status, count in stored.items():
        FITS.labels(status).set(count)
    judged = await trust.judge(session)
    fit = judged.in_force
    FIT.set(fit.id if fit else 0)
    FIT_AGE.set((at - fit.created_at).total_seconds() if fit else 0)
    FIT_BEHIND.set(judged.behind)
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
