"""Liveness and readiness."""

import asyncio
import logging
from typing import Final

from litestar import get
from litestar.response import Response
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from service.clock import now
from service.database.engine import Database
from service.fits import health
from service.fits.schemas import Health, Readiness
from service.questions.aggregates import Aggregator
from service.web.dependencies import AppRequest

PATIENCE_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


@get("/healthz", tags=["Health"], summary="Is the process alive?", opt={"public": True})
async def healthz() -> Health:
    """Always ok while the process responds; does not query the database."""
    return Health("ok")


@get("/readyz", tags=["Health"], summary="Can the service serve?", opt={"public": True})
async def readyz(request: AppRequest) -> Response[Readiness]:
    """Ok if the database responds and has the schema that this version needs, else 503.

    The service is ready even without a recent fit: `fit_age_seconds` (null: the prior is in force),
    `behind` (resolutions await a fit) and `warning` describe the state of the model.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            ready = await _ready(request.app.state.database, request.app.state.aggregator)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("not ready: %s", error)
        ready = Readiness("unavailable", "the database does not answer")
    return Response(ready, status_code=200 if ready.status == "ok" else 503)


async def _ready(database: Database, aggregator: Aggregator) -> Readiness:
    try:
        database.require_file()
    except OperationalError:
        reason = "the database file was removed or replaced; put it back, or restart the service"
        return Readiness("unavailable", reason)
    if not await database.schema_is_current():
        reason = "the database has another schema version; run `credence init`"
        return Readiness("unavailable", reason)
    async with database.read() as session:
        judged = await health.model_health(session, aggregator, reread=True)
    fit = judged.in_force
    age = (now() - fit.created_at).total_seconds() if fit else None
    return Readiness("ok", "", age, judged.behind, judged.warning)
