"""Whether the process runs, and whether it can serve."""

import logging

from litestar import get
from litestar.response import Response
from sqlalchemy.exc import SQLAlchemyError

from service.dependencies import AppRequest
from service.schemas.fits import Health

log = logging.getLogger(__name__)


@get("/healthz", tags=["Health"], summary="Is the process alive?", opt={"public": True})
async def healthz() -> Health:
    """Always ok while the process answers."""
    return Health("ok")


@get("/readyz", tags=["Health"], summary="Can the service serve?", opt={"public": True})
async def readyz(request: AppRequest) -> Response[Health]:
    """Ok when the database answers with the schema that this version needs."""
    try:
        current = await request.app.state.database.schema_is_current()
    except (SQLAlchemyError, OSError) as error:
        log.warning("not ready: %s", error)
        return Response(Health("unavailable", "the database does not answer"), status_code=503)
    if not current:
        reason = "the database has another schema version; run `credence init`"
        return Response(Health("unavailable", reason), status_code=503)
    return Response(Health("ok"))
