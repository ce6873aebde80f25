"""Populate the demonstration database with months of simulated forecasts and resolutions."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import cycle, groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from questions.load import find_sets, read_set
from service import clock
from service.accounts import accounts, passwords
from service.background import tasks
from service.clock import now
from service.comments import comments
from service.curation import editing, resolutions
from service.database.engine import Database
from service.demo.town import SLUG, WEEKS, harbour_plan
from service.exchange import imports, platforms
from service.exchange.exports import Export, Format, PersonalExport
from service.models import (
    Cause,
    Outcome,
    Question,
    Role,
    Visibility,
    WebhookAttempt,
    WebhookDelivery,
)
from service.notifications import webhooks
from service.notifications.webhooks import Event
from service.permissions import Actor
from service.questions import forecasts, hash_chain, questions
from service.questions.aggregates import Aggregator
from service.questions.questions import View
from service.scoring import leaderboards
from service.scoring.scores import ScoreFilter
from service.settings import SHIPPED_SETS, Settings

DATA: Final = Path(__file__).parent / "replication_surveys"
SEED: Final = 20270131
DAY: Final = timedelta(days=1)
BUSY_DAYS: Final = 40
"""Longest period of forecasts on a question, up to its close or the present."""

FORECASTERS: Final = (
    "Ada Okafor",
    "Bruno Keller",
    "Chen Li",
    "Dara Singh",
    "Elif Demir",
    "Farid Rahimi",
    "Grace Holm",
    "Hugo Marín",
    "Ivana Novák",
    "Jun Watanabe",
)
BOTS: Final = ("baserate", "last-week")
CURATOR: Final = "Ines Curator"
ADMINISTRATOR: Final = "Root"
VIEWER: Final = "Vera Viewer"

HASTY: Final = 50
"""Draws of a rejected fit: fewer than its diagnostics require."""

NEVER_FORECAST: Final = frozenset({"night-ferry-starts", "bridge-referendum", "pier-museum"})
EARLY: Final = (Outcome.yes, Outcome.no, Outcome.annulled)
"""Outcomes of shipped questions that resolve early."""

CLOSED: Final = {
    "storm-closes-the-port": Outcome.ambiguous,
    "ferry-company-sold": Outcome.annulled,
    "tunnel-breakthrough": Outcome.yes,
}
RATIONALES: Final = (
    "",
    "",
    "",
    "Ten years of data say so; **nothing** has changed since.",
    "The base rate is about one in four, and I see no reason to leave it.",
    "Two reports this week agree:\n\n- the gazette of Monday,\n- the port's own count.",
    "I moved because the last announcement came with a date and a budget.",
)
DISCUSSION: Final = (
    ("How do you count a crossing that turns back?", "The fine print leaves that to the gazette."),
    (
        "The reference class matters here: of eleven such plans, *four* kept their first date.",
        "Three of these had no tunnel at all.",
    ),
)


def labelled(name: str) -> str:
    """Return the name of a simulated account, marked as such."""
    return f"{name} (simulated)"


@dataclass(frozen=True, slots=True)
class Crowd:
    """The accounts of the demonstration."""

    people: Sequence[Actor]
    bots: Sequence[Actor]
    curator: Actor
    administrator: Actor


@dataclass(frozen=True, slots=True)
class Opinion:
    """A simulated forecast to be submitted."""

    at: datetime
    forecaster: Actor
    view: View
    probability: float
    rationale: str


async def populate(
    database: Database,
    settings: Settings,
    password: str,
    *,
    report: Callable[[str], None] = lambda _: None,
    fit: Callable[[Settings], Awaitable[object]] | None = None,
) -> None:
    """Fill a migrated, empty database.

    Args:
        database: the database to fill.
        settings: the settings of the service that will use it.
        password: the password of every account that can sign in.
        report: called with a line at the start of each step.
        fit: fits the model to all resolved questions; called first with settings for a run that
            is too short to be accepted, during the simulation, and then with `settings`. None
            skips fitting.
    """
    chance = random.Random(SEED)  # noqa: S311  # a simulation that repeats itself
    aggregator = Aggregator(settings.interval_level)
    present = now()
    begins = present - (7 * (WEEKS + 2)) * DAY
    report("Loading the sets of questions")
    with clock.at(begins):
        crowd = await _crowd(database, await passwords.digest(password))
        async with database.write() as session:
            await questions.load(session, harbour_plan(present))
    async with database.write() as session:
        for path in find_sets(SHIPPED_SETS):
            await questions.load(session, read_set(path))
        views = await questions.views(session, questions.views_query(None).order_by(Question.id))
    report("Importing the real forecasts of 103 replications")
    await _import(database, aggregator)
    async with asyncio.TaskGroup() as beside:
        if fit is not None:
            beside.create_task(_fit_in_haste(fit, settings))
        report(f"Simulating {len(FORECASTERS)} people and {len(BOTS)} bots")
        truths = {view.id: chance.gauss(-0.3, 1.3) for view in views}
        opinions = [
            opinion
            for view in views
            if view.question.slug not in NEVER_FORECAST
            for opinion in _opinions(crowd, view, truths[view.id], present, chance)
        ]
        await _play(database, aggregator, crowd, opinions, _endings(views, truths, present, chance))
        report("Adding comments, webhooks, a frozen leaderboard and an export")
        await _furnish(database, crowd, views)
    if fit is not None:
        report("Fitting the model to what has resolved")
        await fit(settings)


async def _fit_in_haste(fit: Callable[[Settings], Awaitable[object]], settings: Settings) -> None:
    await fit(replace(settings, fit_draws=HASTY, fit_tune=HASTY))


async def _crowd(database: Database, digest: str) -> Crowd:
    async with database.write() as session:

        async def made(name: str, role: Role = Role.forecaster, *, bot: bool = False) -> Actor:
            return await accounts.create(
                session, labelled(name), role, bot=bot, password_hash=None if bot else digest
            )

        people = [await made(name) for name in FORECASTERS]
        bots = [await made(name, bot=True) for name in BOTS]
        await made(VIEWER, Role.viewer)
        return Crowd(
            people,
            bots,
            await made(CURATOR, Role.curator),
            await made(ADMINISTRATOR, Role.administrator),
        )


def _opinions(
    crowd: Crowd, view: View, truth: float, present: datetime, chance: random.Random
) -> Iterator[Opinion]:
    """Simulate forecasts on an open question: near the truth, with individual errors."""
    opens = view.revision.opens_at
    ends = min(view.revision.closes_at or present, present)
    if view.revision.draft or ends <= opens:
        return
    begins = max(opens, ends - BUSY_DAYS * DAY)
    error = {one.id: 0.3 + 0.12 * number for number, one in enumerate(crowd.people)}
    for forecaster in chance.sample(crowd.people, chance.randint(4, len(crowd.people))):
        for _ in range(chance.choice([1, 1, 2, 3])):
            at = begins + (ends - begins) * chance.uniform(0.01, 0.99)
            believed = truth + chance.gauss(0, error[forecaster.id])
            rationale = chance.choice(RATIONALES)
            yield Opinion(at, forecaster, view, _probability(believed), rationale)
    for number, bot in enumerate(crowd.bots):
        at = begins + (ends - begins) * 0.01
        yield Opinion(at, bot, view, _probability(0.4 * number * truth - 0.2), "")


def _probability(log_odds: float) -> float:
    """Round a probability as people do: to whole per cent, to tenths in the tails."""
    probability = 1 / (1 + math.exp(-log_odds))
    tail = min(probability, 1 - probability)
    return min(max(round(probability, 2 if tail > 0.05 else 3), 0.001), 0.999)  # noqa: PLR2004  # five per cent


def _endings(
    views: Sequence[View],
    truths: Mapping[int, float],
    present: datetime,
    chance: random.Random,
) -> list[tuple[datetime, View, Outcome]]:
    """Choose when and how questions resolve: all closed ones, and a few early."""
    found = []
    early = iter(EARLY)
    for view in (view for view in views if not view.revision.draft):
        closes, slug = view.revision.closes_at, view.question.slug
        outcome = CLOSED.get(slug)
        happens = chance.random() < 1 / (1 + math.exp(-truths[view.id]))
        if closes and closes < present - 7 * DAY:
            outcome = outcome or (Outcome.yes if happens else Outcome.no)
            found.append((closes + DAY / 2, view, outcome))
        elif view.set_slug != SLUG and view.id % 9 == 0:
            outcome = next(early, None)
            if outcome and view.revision.opens_at < present - 2 * DAY:
                found.append((present - DAY / 2, view, outcome))
    return found


async def _play(
    database: Database,
    aggregator: Aggregator,
    crowd: Crowd,
    opinions: Iterable[Opinion],
    endings: Iterable[tuple[datetime, View, Outcome]],
) -> None:
    """Apply forecasts and resolutions in order of time, one transaction per day."""
    early = {view.id: at for at, view, _ in endings}
    acts: list[tuple[datetime, Opinion | tuple[View, Outcome]]] = [
        (one.at, one) for one in opinions if one.at < early.get(one.view.id, now())
    ]
    acts += [(at, (view, outcome)) for at, view, outcome in endings]
    acts.sort(key=lambda act: act[0])
    for _, day in groupby(acts, key=lambda act: act[0].date()):
        async with database.write() as session:
            for at, act in day:
                with clock.at(at):
                    if isinstance(act, Opinion):
                        await _forecast(session, aggregator, act)
                    else:
                        await _resolve(session, aggregator, crowd.curator, *act)


async def _forecast(session: AsyncSession, aggregator: Aggregator, opinion: Opinion) -> None:
    view = opinion.view
    draft = forecasts.Draft(view.id, opinion.probability, opinion.rationale)
    heads = {view.id: await hash_chain.head(session, view.id)}
    said = [(opinion.forecaster, draft)]
    ((row, _),) = await forecasts.append(session, said, heads, opinion.at)
    await aggregator.publish_one(
        session, opinion.forecaster, view, cause=Cause.forecast, at=row.created_at
    )


async def _resolve(
    session: AsyncSession, aggregator: Aggregator, curator: Actor, view: View, outcome: Outcome
) -> None:
    await resolutions.resolve(
        session,
        aggregator,
        curator,
        view.id,
        outcome=outcome,
        occurred_at=now() - DAY / 4,
        evidence_url="https://gazette.example/",
        note="Simulated for this demonstration.",
    )


async def _furnish(database: Database, crowd: Crowd, views: Sequence[View]) -> None:
    """Add comments, webhooks, a frozen leaderboard and an export."""
    open_ones = sorted(
        (view for view in views if view.set_slug == SLUG and view.state(now()) == "open"),
        key=attrgetter("id"),
    )
    async with database.write() as session:
        for view, (remark, answer) in zip(open_ones, DISCUSSION, strict=False):
            first = await comments.write(session, crowd.people[0], view.id, text=remark)
            await comments.write(
                session, crowd.people[3], view.id, text=answer, parent_id=first.comment.id
            )
        private = "For the curators: should *one day* say in which time zone?"
        await comments.write(session, crowd.people[1], open_ones[0].id, text=private, private=True)
        taken_back = await comments.write(
            session, crowd.people[2], open_ones[0].id, text="I misread the question."
        )
        await comments.remove(session, crowd.people[2], taken_back.comment.id)
        await editing.decide_visibility(
            session,
            crowd.curator,
            "power-systems",
            visibility=Visibility.after_forecast,
            reason="People should say first what they think themselves.",
        )
        board = leaderboards.Criteria(scope=ScoreFilter(set_slug=SLUG), least_questions=5)
        await leaderboards.freeze(session, crowd.curator, "Half a year of harbour questions", board)
        await _tell_webhook(session, crowd.people[2])
        mine = Export(what=PersonalExport.forecasts, form=Format.csv, account_id=crowd.people[4].id)
        written = await tasks.ask_for_export(session, crowd.people[4], mine)
    await tasks.run(database, written.id, kept=DAY)


async def _tell_webhook(session: AsyncSession, owner: Actor) -> None:
    """Register a webhook whose deliveries are complete, so that no worker sends anything."""
    with clock.at(now() - 12 * DAY):
        await webhooks.register(
            session, owner, url="https://hooks.example/credence", events=[Event.resolved]
        )
    await webhooks.note(session, now())
    deliveries = (await session.scalars(select(WebhookDelivery))).all()
    for status, delivery in zip(cycle((200, 503)), deliveries, strict=False):
        delivery.due_at, delivery.attempts = None, 1
        session.add(
            WebhookAttempt(
                delivery_id=delivery.id, status=status, error="", created_at=delivery.created_at
            )
        )


async def _import(database: Database, aggregator: Aggregator) -> None:
    export = platforms.read(DATA)
    async with database.write() as session:
        await imports.import_panel(
            session, aggregator, export.panel, "replication-surveys", origin=export.origin
        )
