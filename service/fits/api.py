"""The model's fits and their health."""

from typing import Annotated

from litestar import Controller, Router, get
from litestar.params import PathParameter
from litestar.response import Response

from service.fits import fits
from service.fits.schemas import FitOut
from service.models import LARGEST_ID
from service.web.dependencies import CurrentActor, ReadSession
from service.web.parameters import DEFAULT_LIMIT, Cursor, Limit, decode_id_cursor, paginate
from service.web.schemas import Page

FitId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the fit's id")]


class Fits(Controller):
    """Fits."""

    path = "/fits"
    tags = ("Fits",)

    @get(summary="List the fits")
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[FitOut]:
        """Every fit, newest first: accepted, refused (with the reason) or failed."""
        del actor
        rows = await fits.listing(reading, before=decode_id_cursor(cursor), limit=limit + 1)
        return paginate(rows, limit, FitOut.of, lambda row: row.id)

    @get("/{fit_id:int}", summary="Get a fit")
    async def one(self, actor: CurrentActor, reading: ReadSession, fit_id: FitId) -> FitOut:
        """A fit with its diagnostics, seed, versions and data counts."""
        del actor
        return FitOut.of(await fits.get(reading, fit_id))

    @get(
        "/{fit_id:int}/inference-data",
        summary="Download a posterior",
        media_type="application/x-netcdf",
    )
    async def inference_data(
        self, actor: CurrentActor, reading: ReadSession, fit_id: FitId
    ) -> Response[bytes]:
        """The posterior draws as netCDF, for `arviz.from_netcdf`.

        The dimensions are chain, draw, domain and, for curators only, forecaster (ids of accounts).
        """
        return Response(
            await fits.inference_data(reading, actor, fit_id),
            media_type="application/x-netcdf",
            headers={"Content-Disposition": f'attachment; filename="fit-{fit_id}.nc"'},
        )


router = Router(path="/", route_handlers=[Fits])
