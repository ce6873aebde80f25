"""The application factory, which wires all parts of the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import swagger_ui
from litestar import Litestar, Response, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.plugins.prometheus import PrometheusConfig
from litestar.routes import HTTPRoute
from litestar.static_files import create_static_files_router
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service import pages
from service.accounts import api as accounts
from service.accounts.last_used import LastUsed
from service.background import api as background
from service.background import metrics
from service.background.api import health
from service.comments import api as comments
from service.curation import api as curation
from service.curation.drafting import DraftingQueue
from service.database.engine import Database
from service.fits import api as fits
from service.implications import api as implications
from service.metaculus import api as metaculus
from service.metaculus.schemas import Refusal
from service.models.unreadable import Unreadable
from service.notifications import api as notifications
from service.providers import (
    provide_actor,
    provide_aggregator,
    provide_reading,
    provide_submissions,
    provide_visitor,
    provide_writing,
)
from service.questions import api as questions
from service.questions.aggregates import Aggregator
from service.questions.submissions import Submissions
from service.scoring import api as scoring
from service.scoring.dependencies import provide_scope
from service.settings import Settings
from service.web import caching, request_logging, security
from service.web.body_timeout import BodyTimeout
from service.web.chart_rendering import ChartRenderer
from service.web.dependencies import AppRequest, StrictRequest
from service.web.etags import EntityTags
from service.web.markdown import MarkdownRenderer
from service.web.openapi import Documentation, DocumentedAnswers, operation_id
from service.web.openapi import start as start_documentation
from service.web.problems import ProblemDetails, translate
from service.web.query_strings import check_parameters
from service.web.rate_limits import RequestRateLimiter

DOCUMENTATION: Final = Path(swagger_ui.__file__).parent / "static"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
PLAIN: Final = ["^/api/", "^/metrics", "^/healthz", "^/readyz"]
"""Paths that are not compressed; deployments that want compression use a proxy."""


def answer_error(
    request: AppRequest, error: Exception
) -> Response[ProblemDetails] | Response[Refusal] | Response[None]:
    """Return errors of the API as problem+json, others as a page."""
    if request.url.path.startswith(f"{metaculus.PREFIX}/"):
        return metaculus.refuse(request, error)
    if request.url.path.startswith(("/api/", "/healthz", "/readyz")):
        return translate(request, error)
    return pages.show_error(request, error)


async def add_headers(message: Message, scope: Scope) -> None:
    """Add the common headers to every response, including errors and files."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if "Allow" in headers:
            headers["Allow"] = _allowed(scope, headers["Allow"])
        caching.add_headers(scope, message["status"], headers)
        headers[request_logging.HEADER] = request_logging.asked()


def _allowed(scope: Scope, header: str) -> str:
    """The sorted methods of a path, with HEAD wherever GET is allowed.

    If several controllers share a path, the framework's OPTIONS response lists only the methods of
    the first.
    """
    registered = scope["litestar_app"].state.methods.get(scope.get("path_template"))
    methods = registered or {name.strip() for name in header.split(",")} - {""}
    return ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))


def answering_heads(handler: ASGIApp) -> ASGIApp:
    """Handle HEAD like GET, without the body (RFC 9110, section 9.3.2)."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await handler(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        # Pass a copy, so that the server still sees the method HEAD.
        await handler({**scope, "method": "GET"}, receive, without_body)

    return answer


@asynccontextmanager
async def open_services(app: Litestar) -> AsyncIterator[None]:
    """Open the services that live as long as the application, with its current settings."""
    settings: Settings = app.state.settings
    database, aggregator = Database(settings.url), Aggregator(settings.interval_level)
    drawer = ChartRenderer()
    app.state.update(
        database=database,
        aggregator=aggregator,
        submissions=Submissions(database, aggregator),
        drawer=drawer,
        renderer=MarkdownRenderer(),
        turns=DraftingQueue(),
        pace=RequestRateLimiter(settings.requests_per_minute),
    )
    try:
        yield
    finally:
        drawer.close()
        await database.close()


def create_app(settings: Settings) -> Litestar:
    """Wire the service for these settings; services open when the application starts."""
    api = Router(
        path="/api/v1",
        route_handlers=[
            accounts.router,
            questions.router,
            comments.router,
            scoring.router,
            implications.router,
            notifications.router,
            curation.router,
            fits.router,
            background.router,
        ],
        security=[{"token": []}],
        middleware=[EntityTags()],
    )
    counted = PrometheusConfig(
        app_name="credence", prefix="credence", group_path=True, exclude=["^/metrics$"]
    )
    app = Litestar(
        route_handlers=[
            accounts.doors,
            api,
            metaculus.router,
            pages.site(Provide(provide_visitor)),
            health.healthz,
            health.readyz,
            metrics.Metrics,
            start_documentation,
            create_static_files_router(
                "/documentation", [DOCUMENTATION], include_in_schema=False, name="documentation"
            ),
        ],
        lifespan=[open_services],
        state=State({"settings": settings}),
        dependencies={
            "actor": Provide(provide_actor),
            "reading": Provide(provide_reading),
            "writing": Provide(provide_writing),
            "aggregator": Provide(provide_aggregator),
            "submissions": Provide(provide_submissions),
            "within": Provide(provide_scope),
        },
        guards=[security.same_origin, check_parameters],
        exception_handlers={Exception: answer_error},
        type_encoders={Unreadable: lambda _: None},
        template_config=pages.template_config(),
        compression_config=CompressionConfig(backend="gzip", gzip_compress_level=6, exclude=PLAIN),
        middleware=[
            request_logging.RequestIds(settings.log_requests),
            *([security.SchemeOfProxy()] if settings.client_address_header else []),
            counted.middleware,
            BodyTimeout(settings.body_timeout_seconds),
            LastUsed(),
        ],
        plugins=[DocumentedAnswers()],
        request_class=StrictRequest,
        request_max_body_size=settings.max_body_bytes,
        before_send=[add_headers],
        openapi_config=_openapi(),
        logging_config=None,
        debug=False,
    )
    app.state.methods = {
        route.path_format: route.methods for route in app.routes if isinstance(route, HTTPRoute)
    }
    app.asgi_handler = answering_heads(app.asgi_handler)
    return app


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Credence",
        version=version("credence-forecasts"),
        description=(
            "Questions, forecasts, aggregates with their credible intervals, resolutions and "
            "scores. Errors are problem+json (RFC 9457). Lists return `{items, next}`; pass "
            "`next` as `cursor` to get the next page."
        ),
        path="/schema",
        use_handler_docstrings=True,
        operation_id_creator=operation_id,
        render_plugins=[Documentation(path="/")],
        components=Components(
            security_schemes={
                "token": SecurityScheme(
                    type="http", scheme="bearer", description="A token of `credence account create`"
                )
            }
        ),
        tags=[
            Tag("Sets", "Documents and their implications"),
            Tag("Questions", "Questions that will resolve Yes or No"),
            Tag("Forecasts", "Probabilities stated by people and bots"),
            Tag("Receipts", "Proofs of recorded facts"),
            Tag("Comments", "Comments on questions"),
            Tag("Aggregates", "Pooled probabilities with their credible intervals"),
            Tag("Resolutions", "Outcomes of questions"),
            Tag("Audit", "Actions of curators and administrators"),
            Tag("Scores", "Scores, leaderboards and calibration"),
            Tag("Exports", "Data exports"),
            Tag("Webhooks", "Webhooks and their deliveries"),
            Tag("Fits", "The model's fits and their diagnostics"),
            Tag("Jobs", "Background tasks and workers"),
            Tag("Accounts", "Accounts, their tokens and sessions, and invitations"),
            Tag("Metaculus", "Endpoints for bots written for Metaculus's client"),
            Tag("Health", "Health checks"),
        ],
    )
