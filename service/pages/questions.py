"""A question's page, its card and the forms to forecast on it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import uuid4

import msgspec
from litestar import Controller, Response, get, post
from litestar.enums import MediaType
from litestar.params import FromQuery, PathParameter, QueryParameter
from litestar.response import Redirect, Template
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting import pooling
from service.clock import now
from service.comments import comments
from service.curation import editing
from service.exceptions import Conflict, Invalid, Problem
from service.fits import health
from service.models import LARGEST_ID, Cause, Forecast, Implication, QuestionSet, Role
from service.pages.filters import count, day
from service.pages.forms import ByField, Form, chance, read_form
from service.pages.receipts import receipt
from service.pages.rendering import confirmed, page
from service.permissions import Actor
from service.questions import forecasts, history, questions, reminders
from service.questions.aggregates import AggregateEstimate, Aggregator
from service.questions.dependencies import AggregatorDep, SubmissionsDep
from service.questions.forecasts import Draft, Entry
from service.questions.history import QuestionHistory
from service.questions.questions import State, View
from service.text.formatting import percent, percent_number, stated_percent
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession

WEEK: Final = timedelta(days=7)
MOST_REVISIONS: Final = 50
MOST_COMMENTS: Final = 200
MOST_RATIONALES: Final = 12
LOOKED_THROUGH: Final = 200
EMBEDDABLE: Final = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors *"
"""The content policy of a card: any site may frame it, and it runs nothing."""

CAUSES: Final = {
    Cause.forecast: "a new forecast",
    Cause.withdrawal: "a forecast was withdrawn",
    Cause.fit: "the model learned from new resolutions",
    Cause.revision: "the question was revised",
    Cause.resolution: "the question was resolved",
    Cause.unresolution: "its resolution was withdrawn",
    Cause.imported: "imported forecasts",
}
CONFIRMATIONS: Final = {
    "forecast": "Your forecast is saved, and the community forecast includes it.",
    "withdrawn": "Your forecast is withdrawn; your earlier forecasts stay on record.",
    "commented": "Your comment is posted.",
    "removed": "The comment has been removed.",
}

STANDING_TIMES: Final = {
    "": "until the question closes",
    "7": "a week",
    "30": "a month",
    "90": "three months",
}

QuestionId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]
Pools = Annotated[list[str] | None, QueryParameter(name="pool")]


class Questions(Controller):
    """Pages and forms of one question."""

    path = "/questions/{question_id:int}"

    @get()
    async def one(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        pool: Pools = None,
        probability: FromQuery[str | None] = None,
        rationale: FromQuery[str] = "",
        done: FromQuery[str] = "",
        comment: FromQuery[int | None] = None,
    ) -> Template:
        """Show the question, the community forecast, its history and the form to forecast.

        With `probability`, preview its effect on the aggregate without any script; a confirmation
        about a `comment` (`done`) appears beside that comment.
        """
        view = await questions.get(reading, question_id, actor=actor)
        form = Form(ByField(rationale=rationale))
        preview = None
        if probability is not None:
            form.given["probability"] = probability
            try:
                preview = await aggregator.preview(reading, actor, view, chance(probability))
            except Invalid as error:
                form.refuse(error)
        return await question_page(
            request,
            actor,
            reading,
            aggregator,
            view,
            form,
            pools=[one for one in pool or [] if one in pooling.POOLS],
            preview=preview if preview and preview.hidden is None else None,
            told=CONFIRMATIONS.get(done),
            comment=comment,
        )

    @get("/card")
    async def card(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
    ) -> Template:
        """Show the question as a card, which other sites may embed if reading is public."""
        view = await questions.get(reading, question_id, actor=actor)
        readings = await aggregator.current(reading, actor, [view])
        story = await history.load(reading, actor, view)
        answer = page(
            request,
            actor,
            "card.html",
            at=now(),
            view=view,
            reading=readings[view.id],
            story=story,
            history_said=history_said(story, readings[view.id]),
        )
        answer.headers["Content-Security-Policy"] = EMBEDDABLE
        return answer

    @get("/preview", media_type=MediaType.HTML)
    async def preview(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        probability: FromQuery[str],
    ) -> Template | Response[None]:
        """Render the effect of a forecast on the aggregate as a fragment; stores nothing."""
        actor.require(Role.forecaster, "forecast")
        view = await questions.get(reading, question_id, actor=actor)
        if view.state(now()) is not State.open:
            raise Conflict("only open questions accept forecasts")
        preview = await aggregator.preview(reading, actor, view, chance(probability))
        if preview.hidden:
            return Response(None, status_code=204)
        readings = await aggregator.current(reading, actor, [view])
        return page(request, actor, "preview.html", preview=preview, reading=readings[view.id])

    @post("/forecasts", status_code=303)
    async def submit(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        submissions: SubmissionsDep,
        question_id: QuestionId,
    ) -> Redirect | Template:
        """Store a forecast, once per idempotency key of the form."""
        form = await read_form(request)
        try:
            draft = Draft(
                question_id,
                chance(form.text("probability")),
                form.text("rationale"),
                _expiry(form.text("stands")),
            )
            await submissions.submit(
                actor,
                [draft],
                lambda stored: msgspec.json.encode(stored[0].forecast.id),
                key=form.text("key") or None,
                request=msgspec.json.encode([question_id, form.given]),
            )
        except Problem as problem:
            form.refuse(problem)
            view = await questions.get(reading, question_id, actor=actor)
            return await question_page(
                request, actor, reading, aggregator, view, form, status=problem.status
            )
        return confirmed(f"/questions/{question_id}", "forecast")

    @post("/withdrawal", status_code=303)
    async def withdraw(
        self,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
    ) -> Redirect:
        """Withdraw the reader's active forecast."""
        view, row, _ = await forecasts.withdraw(writing, actor, question_id)
        await aggregator.publish_one(
            writing, actor, view, cause=Cause.withdrawal, at=row.created_at
        )
        return confirmed(f"/questions/{question_id}", "withdrawn")


async def question_page(
    request: AppRequest,
    actor: Actor,
    session: AsyncSession,
    aggregator: Aggregator,
    view: View,
    form: Form,
    *,
    status: int = 200,
    pools: list[str] | None = None,
    preview: AggregateEstimate | None = None,
    told: str | None = None,
    comment: int | None = None,
    commenting: Form | None = None,
) -> Template:
    """Render a question's page.

    Args:
        form: the forecast form as submitted.
        pools: the classic pools to show beside the aggregate.
        preview: the aggregate with the forecast in the form.
        told: the confirmation to show, beside `comment` if that is given.
        commenting: a rejected comment form.
    """
    at = now()
    state = view.state(at)
    reading = (await aggregator.current(session, actor, [view]))[view.id]
    story = await history.load(session, actor, view)
    entries, _ = await forecasts.listing(
        session, actor, view, mine=False, before=None, limit=LOOKED_THROUGH
    )
    mine = await _mine(session, actor, view) if actor.id else None
    before = story.at(at - WEEK)
    if "probability" not in form.given:
        form.given["probability"] = percent_number(mine.probability) if mine else ""
    implication_id = view.revision.implication_id
    may_forecast = state is State.open and actor.may(Role.forecaster)
    said = await comments.listing(session, actor, view, limit=MOST_COMMENTS)
    told_in: str | int | None = "forecast" if may_forecast else None
    if comment is not None:
        told_in = comment if any(one.comment.id == comment for one in said) else None
    return page(
        request,
        actor,
        "question.html",
        status=status,
        at=at,
        view=view,
        revision=view.revision,
        set=await session.get_one(QuestionSet, view.question.set_id),
        implication=await session.get(Implication, implication_id) if implication_id else None,
        state=state,
        reading=reading,
        hidden=reading.hidden,
        week=reading.probability - before.probability
        if before and reading.probability is not None
        else None,
        may_forecast=may_forecast,
        mine=mine,
        form=form,
        key=form.text("key") or uuid4().hex,
        standing_times=STANDING_TIMES,
        preview=preview,
        story=story,
        history_said=history_said(story, reading),
        spread_said=spread_said(story),
        pools=pools or [],
        pools_query=urlencode([("pool", one) for one in pools or []]),
        all_pools=list(pooling.POOLS),
        causes=CAUSES,
        revisions=await editing.revisions(session, view.id, after=0, limit=MOST_REVISIONS),
        comments=said,
        commenting=commenting or Form(),
        following=await reminders.unanswered(session, actor.id, at, limit=1) if mine else [],
        rationales=_newest_rationales(entries),
        receipt=await receipt(session, actor, view),
        trust=await health.model_health(session, aggregator),
        told=told,
        told_in=told_in,
    )


def _expiry(days: str) -> datetime | None:
    """Return when a forecast expires after so many days; None: when the question closes."""
    if days not in STANDING_TIMES:
        raise Invalid("choose one of the options", field="expires_at")
    return now() + timedelta(days=int(days)) if days else None


async def _mine(session: AsyncSession, actor: Actor, view: View) -> Forecast | None:
    """Return the reader's active forecast."""
    found = await forecasts.stands(session, [view.id], account_id=actor.id)
    standing = forecasts.standing_at(found[view.id], view, now())
    if not standing:
        return None
    (newest, *_), _ = await forecasts.listing(session, actor, view, mine=True, before=None, limit=1)
    return newest.forecast


def _newest_rationales(entries: Sequence[Entry]) -> list[Entry]:
    """Return the newest rationale of each forecaster, given forecasts newest first."""
    newest: dict[int, Entry] = {}
    for one in entries:
        if one.forecast.rationale.strip():
            newest.setdefault(one.forecast.account_id, one)
    return list(newest.values())[:MOST_RATIONALES]


def history_said(story: QuestionHistory, reading: AggregateEstimate) -> str:
    """Describe the history chart in words."""
    if not story.points or reading.probability is None:
        return "Your own forecasts over time." if story.mine else ""
    first = story.points[0]
    probabilities = [one.probability for one in story.points]
    return (
        f"The community forecast started at {percent(first.probability)} on {day(first.at)} and "
        f"is {percent(reading.probability)}, between {percent(reading.lower)} and "
        f"{percent(reading.upper)}; it has ranged from {percent(min(probabilities))} to "
        f"{percent(max(probabilities))}. The band is the interval"
        f"{', the dots are your forecasts' if story.mine else ''}."
    )


def spread_said(story: QuestionHistory) -> str:
    """Describe the histogram in words."""
    if story.extremes is None:
        return ""
    least, most = (stated_percent(one) for one in story.extremes)
    if least == most:
        return f"{count(story.forecasters, 'forecast')} of {least}."
    fullest = max(story.bins, key=lambda one: one.forecasters)
    return (
        f"{count(story.forecasters, 'forecast')} from {least} to {most}, most often between "
        f"{percent(fullest.lower)} and {percent(fullest.upper)}."
    )


def history_data(
    view: View, story: QuestionHistory, reading: AggregateEstimate, level: float
) -> dict[str, Any]:
    """Return the data of the history chart, extended to the present."""
    ends = min(view.ends_at, reading.as_of) if view.ends_at else reading.as_of
    points = [msgspec.to_builtins(one) for one in story.points if one.at < ends]
    if points:
        last = {
            end: getattr(reading, end) for end in ("probability", "lower", "upper", "forecasters")
        }
        points.append(last | {"at": ends.isoformat()})
    held = view.resolved
    begins = min([view.revision.opens_at, *(one.at for one in story.points[:1])])
    return {
        "points": points,
        "pools": [msgspec.to_builtins(one) for one in story.pools],
        "mine": [msgspec.to_builtins(one) for one in story.mine],
        "opens": begins.isoformat(),
        "ends": max(ends, begins + timedelta(hours=1)).isoformat(),
        "level": level,
        "resolution": {"at": held.occurred_at.isoformat(), "outcome": held.outcome}
        if held
        else None,
    }
