"""Template rendering: the environment and the context shared by every page."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template
from litestar.response.base import ASGIResponse
from litestar.template import TemplateConfig
from litestar.types import Receive, Scope, Send

from service.models import Role
from service.pages.filters import FILTERS
from service.permissions import Actor
from service.scoring.leaderboards import LOWER_IS_BETTER
from service.web.chart_rendering import bundle_version
from service.web.dependencies import AppRequest
from service.web.markdown import MarkdownRenderer, marking

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
BUNDLE: Final = f"/charts/vega-{bundle_version()}.js"


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """Configure the templates: values are escaped, and an undefined name is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.tests["lower_is_better"] = LOWER_IS_BETTER.__contains__
    environment.filters["may"] = lambda actor, role: actor.may(Role(role))
    environment.globals.update(static=static, navigation=navigation, bundle=BUNDLE)
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))


def page(
    request: AppRequest, actor: Actor, template: str, *, status: int = 200, **shown: Any
) -> Template:
    """Render a page for an actor; `shown` may include `trust` and `told`.

    The confirmation `told` appears at the top unless `told_in` names the part that shows it.
    """
    around = {
        "actor": actor,
        "path": request.url.path,
        "level": request.app.state.settings.interval_level,
        "banner": request.app.state.settings.banner,
        "trust": None,
        "told": None,
        "told_in": None,
        "carried": {},
    }
    return Page(template, context=around | shown, status_code=status)


class Page(Template):
    """A template whose Markdown texts are rendered by worker processes before sending."""

    def to_asgi_response(self, *told: Any, **more: Any) -> Any:
        """Render the template with placeholders for Markdown, filled in when it is sent."""
        with marking() as marks:
            answer = super().to_asgi_response(*told, **more)
        renderer: MarkdownRenderer = more["request"].app.state.renderer

        async def send_filled(scope: Scope, receive: Receive, send: Send) -> None:
            await _fill(answer, renderer, marks)
            await answer(scope, receive, send)

        return send_filled if marks else answer


async def _fill(answer: ASGIResponse, renderer: MarkdownRenderer, marks: dict[str, str]) -> None:
    answer.body = (await renderer.fill(answer.body.decode(), marks)).encode()
    answer.content_length = len(answer.body)
    answer.headers["content-length"] = str(answer.content_length)


def confirmed(path: str, done: str, **more: Any) -> Redirect:
    """Redirect to a page that shows a confirmation, in view and focused."""
    return Redirect(f"{path}?{urlencode({'done': done} | more)}#done", status_code=303)


def navigation(actor: Actor) -> list[tuple[str, str]]:
    """Return the entries of the main navigation."""
    places = [
        ("/", "Home"),
        ("/questions", "Questions"),
        ("/leaderboard", "Leaderboard"),
        ("/calibration", "Calibration"),
        ("/model", "Model"),
    ]
    if actor.may(Role.curator):
        places.append(("/curate", "Curate"))
    if actor.may(Role.administrator):
        places.append(("/accounts", "Accounts"))
    return places


@cache
def static(name: str) -> str:
    """Return the URL of a static file, versioned by its content."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"
