"""An example of every body that the API takes and of every problem that it answers with."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec

from service.accounts.schemas import (
    AccountChange,
    NewAccount,
    NewInvitation,
    NewToken,
    NewTokenByPassword,
    PasswordChange,
    Registration,
    Renewal,
)
from service.comments.schemas import NewComment, NewText, Restoration
from service.exceptions import FieldError
from service.implications.schemas import NewVisibility
from service.models import Role, Scope, Visibility
from service.notifications.schemas import NewWebhook
from service.notifications.webhooks import Event
from service.questions.schemas.forecasts import NewForecast, NewForecastOn
from service.questions.schemas.questions import (
    NewClosing,
    NewQuestion,
    NewReopening,
    NewResolution,
    NewRevision,
)
from service.scoring.schemas.forecasters import NewShowing
from service.scoring.schemas.leaderboards import NewLeaderboard
from service.web.problems import ProblemDetails

PASSWORD: Final = "correct horse battery staple"  # noqa: S105  # an example, and nobody's

BODIES: Final[tuple[msgspec.Struct, ...]] = (
    Registration("ann", PASSWORD, invitation="cri_SECRET"),
    Renewal("cri_SECRET", PASSWORD),
    PasswordChange(PASSWORD, "a longer and better one"),
    NewToken("laptop", Scope.forecast, datetime(2027, 6, 1, tzinfo=UTC)),
    NewTokenByPassword("laptop", Scope.forecast, name="ann", password=PASSWORD),
    NewAccount("robot", Role.forecaster, bot=True, owner_id=1),
    AccountChange(Role.curator),
    NewInvitation(Role.forecaster, uses=20),
    NewForecast(0.37, "As in earlier years.", datetime(2027, 6, 1, tzinfo=UTC)),
    NewForecastOn(0.37, question_id=1),
    NewComment("The river stood *higher* in 2024.", parent_id=1),
    NewText("The river stood *higher* in 2023."),
    Restoration("It was on topic after all."),
    NewShowing(shows_record=True),
    NewLeaderboard("Spring cup", score="peer", tag="energy", least_questions=10),
    NewResolution(
        "yes",
        datetime(2026, 11, 20, 12, tzinfo=UTC),
        "https://example.org/report",
        "The report's first table says so.",
    ),
    NewQuestion(
        {
            "slug": "battery-record",
            "implication": "battery-pace",
            "polarity": "supports",
            "why": "A record year would be the high pace that the document expects.",
            "kind": "binary",
            "title": "Will America add more than 20 GW of batteries before January 1, 2028?",
            "background": "It added 15 GW in 2025.",
            "background_as_of": "2026-11-01",
            "criteria": "This question resolves **Yes** if the first yearly report says so.",
            "fine_print": "Revisions after the first report do not count.",
            "domain": "storage",
            "window_starts_at": "2027-01-01T00:00:00Z",
            "deadline_at": "2028-01-01T00:00:00Z",
            "opens_at": "2026-11-01T00:00:00Z",
            "closes_at": "2027-12-01T00:00:00Z",
            "resolves_by": "2028-03-01T00:00:00Z",
        },
        reason="The document expects it.",
    ),
    NewRevision(1, "To say why.", changes={"why": "It would be the first such year."}),
    NewClosing(1, "The report came early."),
    NewReopening(1, "The report was withdrawn.", closes_at=datetime(2027, 4, 1, tzinfo=UTC)),
    NewVisibility(Visibility.after_forecast, "So that everyone thinks for themselves first."),
    NewWebhook("https://example.org/hook", [Event.resolved, Event.moved], moved_by=0.1),
)
_PLAIN: Final = {type(body).__name__: msgspec.to_builtins(body) for body in BODIES}


def of_body(kind: str) -> Any:
    """The example of a body, by the name of its struct; None if there is none."""
    return _PLAIN.get(kind)


def of_problem(status: int) -> Any:
    """An example of the problem that answers with a status."""
    return msgspec.to_builtins(PROBLEMS[status])


def _problem(
    status: HTTPStatus, slug: str, detail: str, instance: str, **more: Any
) -> ProblemDetails:
    return ProblemDetails(
        f"urn:credence:{slug}", status.phrase, status, detail, f"/api/v1{instance}", **more
    )


PROBLEMS: Final = {
    problem.status: problem
    for problem in (
        _problem(
            HTTPStatus.BAD_REQUEST,
            "bad-request",
            "the body is not JSON: JSON is malformed: expected ',' or '}' (byte 21)",
            "/questions/1/forecasts",
        ),
        _problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthenticated",
            "send the header Authorization: Bearer TOKEN",
            "/questions/1",
        ),
        _problem(
            HTTPStatus.FORBIDDEN,
            "forbidden",
            "a forecaster may not resolve a question; it takes the role curator or a higher one",
            "/questions/1/resolution",
        ),
        _problem(HTTPStatus.NOT_FOUND, "not-found", "there is no question 9999", "/questions/9999"),
        _problem(
            HTTPStatus.CONFLICT,
            "conflict",
            "question 1 was already resolved: yes, by carl at 2026-11-20T12:00:00+00:00; "
            "take that back first",
            "/questions/1/resolution",
            current={"state": "resolved", "outcome": "yes", "by": "carl"},
        ),
        _problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "request-entity-too-large",
            "Request body exceeded maximum size of 2000000 bytes",
            "/forecasts",
        ),
        _problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "send the body as Content-Type: application/json",
            "/forecasts",
        ),
        _problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid",
            "probability: must be at most 1",
            "/questions/1/forecasts",
            errors=[FieldError("probability", "must be at most 1")],
        ),
        _problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            "too many requests; slow down",
            "/questions",
        ),
        _problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "service-unavailable",
            "The database is busy or away; nothing was stored; try again in a moment.",
            "/questions/1/forecasts",
        ),
    )
}
