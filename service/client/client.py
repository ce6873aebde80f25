"""A client of the API: typed answers, lists without pages, repetitions that are safe.

    with Client("http://127.0.0.1:8000", token) as credence:
        for question in credence.questions(state="open"):
            credence.submit(question.id, 0.37, rationale="As in earlier years.")

It raises ProblemError for what the service refuses; docs/api.md says of what types that can be.
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
COME_AGAIN: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""Nothing was stored, and the answer says when to try again."""


class ProblemError(Exception):
    """What the service refused; `problem` is what it said of it (RFC 9457)."""

    def __init__(self, problem: ProblemDetails) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem


class Client:
    """Speaks to one service as the account that a token opens; a context manager.

    A request that found no answer, or was told to come again (429, 503), is sent again after a
    pause, if it may be: reading always, and writing under an Idempotency-Key, which every method
    that writes takes a new one of.
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
            address: where the service is, such as https://credence.example.org.
            token: an API token.
            timeout_seconds: how long one attempt may take.
            attempts: how often a request is sent at most.
            transport: what sends; None: HTTP.
            pause: what waits for so many seconds.
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
        """Let go of the connections."""
        self._http.close()

    def account(self) -> AccountOut:
        """The account that the token opens."""
        return self.get("/account", AccountOut)

    def sets(self) -> Iterator[SetOut]:
        """Every set."""
        return self.every("/sets", Page[SetOut])

    def set(self, slug: str, *, as_of: datetime | None = None) -> SetDetail:
        """A set with its document, and where the document's implications stand."""
        return self.get(f"/sets/{slug}", SetDetail, as_of=as_of)

    def implications(
        self, slug: str, *, as_of: datetime | None = None, since: datetime | None = None
    ) -> Iterator[ImplicationOut]:
        """What a set's document says may follow, with what forecasters believe of it."""
        path = f"/sets/{slug}/implications"
        return self.every(path, Page[ImplicationOut], as_of=as_of, since=since)

    def questions(
        self,
        *,
        set: str | None = None,  # noqa: A002  # as the API calls it
        state: State | str | None = None,
        tag: str | None = None,
        q: str | None = None,
        sort: Order | str = Order.id,
    ) -> Iterator[QuestionOut]:
        """The questions that all of these leave, each with its present aggregate."""
        return self.every(
            "/questions", Page[QuestionOut], set=set, state=state, tag=tag, q=q, sort=sort
        )

    def question(self, question_id: int) -> QuestionDetail:
        """A question with its texts, dates, sources and present aggregate."""
        return self.get(f"/questions/{question_id}", QuestionDetail)

    def forecasts(self, question_id: int, *, mine: bool = False) -> Iterator[ForecastOut]:
        """The forecasts on a question that one sees, the newest first."""
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
        """Store a forecast, a probability in [0, 1]; the aggregate that it led to comes back."""
        told = NewForecast(probability, rationale, expires_at)
        return self.write("POST", f"/questions/{question_id}/forecasts", Submitted, told, key=key)

    def submit_many(
        self, forecasts: Sequence[NewForecastOn], *, key: str | None = None
    ) -> SubmittedMany:
        """Store 1 to 500 forecasts, or none if any of them cannot be stored."""
        return self.write("POST", "/forecasts", SubmittedMany, list(forecasts), key=key)

    def withdraw(self, question_id: int, *, key: str | None = None) -> WithdrawnOut:
        """End one's standing forecast."""
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
        """The aggregates as they were published, the oldest first."""
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
        told = NewResolution(outcome, occurred_at, evidence_url, note)
        return self.write("POST", path, QuestionDetail, told, key=key)

    def unresolve(
        self, question_id: int, *, reason: str = "", key: str | None = None
    ) -> QuestionDetail:
        """Take a resolution back, as a curator."""
        path = f"/questions/{question_id}/resolution"
        return self.write("DELETE", path, QuestionDetail, key=key, reason=reason)

    def comments(self, question_id: int) -> Iterator[CommentOut]:
        """The comments on a question and their answers, the newest first."""
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
        """Say something of a question in Markdown."""
        told = NewComment(text, parent_id, forecast_id, private)
        return self.write("POST", f"/questions/{question_id}/comments", CommentOut, told, key=key)

    def scores(self, question_id: int, *, as_of: datetime | None = None) -> Iterator[ScoreOut]:
        """What forecasters and pools earned on a resolved question."""
        return self.every(f"/questions/{question_id}/scores", Page[ScoreOut], as_of=as_of)

    def leaderboard(
        self,
        *,
        score: ScoreKind = "peer",
        set: str | None = None,  # noqa: A002  # as the API calls it
        tag: str | None = None,
        who: EntrantFilter | str = EntrantFilter.everyone,
        least_questions: int = 1,
        pools: bool = False,
        imported: bool | None = None,
        as_of: datetime | None = None,
    ) -> Iterator[StandingOut]:
        """Everyone who was scored, best first; imported forecasters as the API says."""
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
        set: str | None = None,  # noqa: A002  # as the API calls it
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
        """A forecaster, and what the model makes of them if one sees that."""
        return self.get(f"/forecasters/{forecaster_id}", ForecasterOut)

    def fits(self) -> Iterator[FitOut]:
        """The model's fits, the newest first."""
        return self.every("/fits", Page[FitOut])

    def get(self, path: str, kind: type[Answer], **params: Any) -> Answer:
        """Read anything, by its path below /api/v1; parameters that are None are left out."""
        return self._ask("GET", path, kind, params)

    def every(self, path: str, kind: type[Page[Item]], **params: Any) -> Iterator[Item]:
        """Every item of a list, by its path below /api/v1, asked for page by page as it is read."""
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
        """Write anything, by its path below /api/v1, under an Idempotency-Key (None: a new one).

        Only for what takes such a key, as docs/api.md lists: it may be sent more than once.
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
        """What is answered, after as many attempts as it takes and is allowed."""
        for attempt in range(1, self._attempts):
            try:
                answer = self._http.send(request)
            except httpx.TransportError:
                self._pause(_backoff(attempt))
                continue
            if answer.status_code not in COME_AGAIN:
                return answer
            self._pause(_told(answer) or _backoff(attempt))
        return self._http.send(request)


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in params.items() if value is not None}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in told.items()
    }


def _problem(answer: httpx.Response) -> ProblemDetails:
    """What an answer says of itself; of one that is not the service's own, its status."""
    try:
        return msgspec.json.decode(answer.content, type=ProblemDetails)
    except msgspec.DecodeError:
        said, path = answer.reason_phrase, answer.request.url.path
        return ProblemDetails("about:blank", said, answer.status_code, said, path)


def _backoff(attempt: int) -> float:
    return min(0.25 * 2.0**attempt, LONGEST_PAUSE_SECONDS)


def _told(answer: httpx.Response) -> float | None:
    """For how long to wait, in seconds, if the answer says so."""
    said = answer.headers.get("Retry-After", "")
    return min(float(said), LONGEST_PAUSE_SECONDS) if said.isdecimal() else None
