"""The API of curation: one module per resource."""

from litestar import Router

from service.curation.api import audit, questions, resolutions, sets

router = Router(
    path="/",
    route_handlers=[
        questions.Editing,
        sets.SetEditing,
        resolutions.Resolutions,
        audit.Audit,
    ],
)
