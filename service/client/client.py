"""A client of the API with typed responses, automatic paging and safe retries.

    with Client("http://127.0.0.1:8000", token) as credence:
        for question in credence.questions(state="open"):
            credence.submit(question.id, 0.37, rationale="As in earlier years.")

It raises ProblemError for requests that the service rejects; docs/api.md lists the error types.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

import httpx
import msgspec

from service.client.schemas import (
    BAYES,
    AccountOut,
    AggregateOut,
    AggregatePoint,
    CalibrationOut,
    CommentOut,
    EntrantFilter,
    FitOut,
    ForecasterOut,
    ForecastOut,
    ImplicationOut,
    NewComment,
    NewForecast,
    NewForecastOn,
    NewOutcome,
    NewResolution,
    Order,
    Page,
    ProblemDetails,
    QuestionDetail,
    QuestionOut,
    ScoreKind,
    ScoreOut,
    SeenPage,
    SetDetail,
    SetOut,
    StandingOut,
    State,
    Submitted,
    SubmittedMany,
    WithdrawnOut,
)

Answer = TypeVar("Answer")
Item = TypeVar("Item")

LARGEST_PAGE: Final = 200
LONGEST_PAUSE_SECONDS: Final = 60.0
RETRY_STATUSES: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""Statuses that mean that nothing was stored and that the client should retry later."""


class ProblemError(Exception):
    """The service rejected a request; `problem` describes the error (RFC 9457)."""

    def __init__(self, problem: ProblemDetails) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem


class Client:
    """A connection to one service with the account of a token; a context manager.

    Requests without a response, or with a response to retry later (429, 503), are retried after a
    pause. This is safe because every method that writes sends a new Idempotency-Key with its
    request and reuses it for the retries.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        timeout_seconds: float = 30.0,
        attempts: int = 4,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Open a client.

        Args:
            address: the address of the service, such as https://credence.example.org.
            token: an API token.
            timeout_seconds: the maximum duration of one attempt.
            attempts: the maximum number of attempts for a request.
            transport: the transport of httpx; None: HTTP.
            pause: the function that waits for a number of seconds.
        """
        self._http = httpx.Client(
            base_url=f"{address.rstrip('/')}/api/v1",
            headers={
                "Authorization": f"Bearer {token}",
                "User-Agent": f"credence-forecasts/{version('credence-forecasts')}",
            },
            timeout=timeout_seconds,
            transport=transport,
        )
        self._attempts, self._pause = attempts, pause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def account(self) -> AccountOut:
        """The account of the token."""
        return self.get("/account", AccountOut)

    def sets(self) -> Iterator[SetOut]:
        """Every set."""
        return self.every("/sets", Page[SetOut])

    def set(self, slug: str, *, as_of: datetime | None = None) -> SetDetail:
        """A set with its document and a summary of its implications."""
        return self.get(f"/sets/{slug}", SetDetail, as_of=as_of)

    def implications(
        self, slug: str, *, as_of: datetime | None = None, since: datetime | None = None
    ) -> Iterator[ImplicationOut]:
        """The implications of a set's document with their estimates."""
        path = f"/sets/{slug}/implications"
        return self.every(path, Page[ImplicationOut], as_of=as_of, since=since)

    def questions(
        self,
        *,
        set: str | None = None,  # noqa: A002  # the name in the API
        state: State | str | None = None,
        tag: str | None = None,
        q: str | None = None,
        sort: Order | str = Order.id,
    ) -> Iterator[QuestionOut]:
        """The questions that match all filters, each with its present aggregate."""
        return self.every(
            "/questions", Page[QuestionOut], set=set, state=state, tag=tag, q=q, sort=sort
        )

    def question(self, question_id: int) -> QuestionDetail:
        """A question with its texts, dates, sources and present aggregate."""
        return self.get(f"/questions/{question_id}", QuestionDetail)

    def forecasts(self, question_id: int, *, mine: bool = False) -> Iterator[ForecastOut]:
        """The visible forecasts on a question, newest first."""
        return self.every(f"/questions/{question_id}/forecasts", SeenPage[ForecastOut], mine=mine)

    def submit(
        self,
        question_id: int,
        probability: float,
        *,
        rationale: str = "",
        expires_at: datetime | None = None,
        key: str | None = None,
    ) -> Submitted:
        """Submit a forecast, a probability in [0, 1]; returns it with the resulting aggregate."""
        body = NewForecast(probability, rationale, expires_at)
        return self.write("POST", f"/questions/{question_id}/forecasts", Submitted, body, key=key)

    def submit_many(
        self, forecasts: Sequence[NewForecastOn], *, key: str | None = None
    ) -> SubmittedMany:
        """Submit 1 to 500 forecasts; none of them is stored if any is invalid."""
        return self.write("POST", "/forecasts", SubmittedMany, list(forecasts), key=key)

    def withdraw(self, question_id: int, *, key: str | None = None) -> WithdrawnOut:
        """Withdraw my active forecast."""
        path = f"/questions/{question_id}/forecasts/current"
        return self.write("DELETE", path, WithdrawnOut, key=key)

    def aggregate(
        self, question_id: int, *, method: str = BAYES, as_of: datetime | None = None
    ) -> AggregateOut:
        """The aggregate by a method, now or as known at a moment."""
        path = f"/questions/{question_id}/aggregate"
        return self.get(path, AggregateOut, method=method, as_of=as_of)

    def aggregate_history(
        self, question_id: int, *, as_of: datetime | None = None
    ) -> Iterator[AggregatePoint]:
        """The published aggregates, oldest first."""
        path = f"/questions/{question_id}/aggregate/history"
        return self.every(path, SeenPage[AggregatePoint], as_of=as_of)

    def resolve(
        self,
        question_id: int,
        outcome: NewOutcome,
        *,
        occurred_at: datetime | None = None,
        evidence_url: str = "",
        note: str = "",
        key: str | None = None,
    ) -> QuestionDetail:
        """Resolve and score a question; forecasts from `occurred_at` on do not count."""
        path = f"/questions/{question_id}/resolution"
        body = NewResolution(outcome, occurred_at, evidence_url, note)
        return self.write("POST", path, QuestionDetail, body, key=key)

    def unresolve(
        self, question_id: int, *, reason: str = "", key: str | None = None
    ) -> QuestionDetail:
        """Reverse a resolution, as a curator."""
        path = f"/questions/{question_id}/resolution"
        return self.write("DELETE", path, QuestionDetail, key=key, reason=reason)

    def comments(self, question_id: int) -> Iterator[CommentOut]:
        """The comments on a question and their replies, newest first."""
        return self.every(f"/questions/{question_id}/comments", Page[CommentOut])

    def comment(
        self,
        question_id: int,
        text: str,
        *,
        parent_id: int | None = None,
        forecast_id: int | None = None,
        private: bool = False,
        key: str | None = None,
    ) -> CommentOut:
        """Comment on a question in Markdown."""
        body = NewComment(text, parent_id, forecast_id, private)
        return self.write("POST", f"/questions/{question_id}/comments", CommentOut, body, key=key)

    def scores(self, question_id: int, *, as_of: datetime | None = None) -> Iterator[ScoreOut]:
        """The scores of forecasters and pools on a resolved question."""
        return self.every(f"/questions/{question_id}/scores", Page[ScoreOut], as_of=as_of)

    def leaderboard(
        self,
        *,
        score: ScoreKind = "peer",
        set: str | None = None,  # noqa: A002  # the name in the API
        tag: str | None = None,
        who: EntrantFilter | str = EntrantFilter.everyone,
        least_questions: int = 1,
        pools: bool = False,
        imported: bool | None = None,
        as_of: datetime | None = None,
    ) -> Iterator[StandingOut]:
        """The leaderboard, best first; the API describes when it includes imported forecasters."""
        return self.every(
            "/leaderboard",
            Page[StandingOut],
            score=score,
            set=set,
            tag=tag,
            who=who,
            least_questions=least_questions,
            pools=pools,
            imported=imported,
            as_of=as_of,
        )

    def calibration(
        self,
        of: str | int = "aggregate",
        *,
        set: str | None = None,  # noqa: A002  # the name in the API
        tag: str | None = None,
        horizon_days: int = 0,
        as_of: datetime | None = None,
    ) -> CalibrationOut:
        """The reliability of the aggregate, of a pool, or of a forecaster by their id."""
        return self.get(
            "/calibration",
            CalibrationOut,
            of=of,
            set=set,
            tag=tag,
            horizon_days=horizon_days,
            as_of=as_of,
        )

    def forecaster(self, forecaster_id: int) -> ForecasterOut:
        """A forecaster, with the model's estimates if they are visible to me."""
        return self.get(f"/forecasters/{forecaster_id}", ForecasterOut)

    def fits(self) -> Iterator[FitOut]:
        """The model's fits, newest first."""
        return self.every("/fits", Page[FitOut])

    def get(self, path: str, kind: type[Answer], **params: Any) -> Answer:
        """Read a resource by its path below /api/v1; parameters that are None are omitted."""
        return self._ask("GET", path, kind, params)

    def every(self, path: str, kind: type[Page[Item]], **params: Any) -> Iterator[Item]:
        """Iterate over a list by its path below /api/v1; pages are requested as needed."""
        params = {"limit": LARGEST_PAGE, **params}
        while True:
            page = self._ask("GET", path, kind, params)
            yield from page.items
            if page.next is None:
                return
            params["cursor"] = page.next

    def write(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        body: Any = None,
        *,
        key: str | None = None,
        **params: Any,
    ) -> Answer:
        """Send a write to a path below /api/v1 with an Idempotency-Key (None: a new one).

        Use it only for endpoints that accept such a key, listed in docs/api.md, because the request
        may be sent more than once.
        """
        return self._ask(method, path, kind, params, body, key or str(uuid4()))

    def _ask(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        params: dict[str, Any],
        body: Any = None,
        key: str | None = None,
    ) -> Answer:
        headers = {"Idempotency-Key": key} if key else {}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        request = self._http.build_request(
            method, path, params=_plain(params), headers=headers, content=content
        )
        answer = self._sent(request)
        if not answer.is_success:
            raise ProblemError(_problem(answer))
        return msgspec.json.decode(answer.content, type=kind)

    def _sent(self, request: httpx.Request) -> httpx.Response:
        """Send a request, with retries up to the maximum number of attempts."""
        for attempt in range(1, self._attempts):
            try:
                answer = self._http.send(request)
            except httpx.TransportError:
                self._pause(_backoff(attempt))
                continue
            if answer.status_code not in RETRY_STATUSES:
                return answer
            self._pause(_retry_after(answer) or _backoff(attempt))
        return self._http.send(request)


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in params.items()
        if value is not None
    }


def _problem(answer: httpx.Response) -> ProblemDetails:
    """The problem in a response; for responses from elsewhere, such as a proxy, the status."""
    try:
        return msgspec.json.decode(answer.content, type=ProblemDetails)
    except msgspec.DecodeError:
        reason, path = answer.reason_phrase, answer.request.url.path
        return ProblemDetails("about:blank", reason, answer.status_code, reason, path)


def _backoff(attempt: int) -> float:
    return min(0.25 * 2.0**attempt, LONGEST_PAUSE_SECONDS)


def _retry_after(answer: httpx.Response) -> float | None:
    """The pause in seconds that the response asks for, None if it does not."""
    seconds = answer.headers.get("Retry-After", "")
    return min(float(seconds), LONGEST_PAUSE_SECONDS) if seconds.isdecimal() else None
