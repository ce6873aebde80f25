"""A database with one of everything that tables can hold, and the pages that show it: fixtures.

The tests of the service and those of the pages share them by importing them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.posterior import FORMAT, Posterior
from questions.schema import Polarity, Premise
from questions.schema import Role as SourceRole
from service.accounts import accounts, passwords
from service.background.tasks import Status as TaskStatus
from service.curation import resolutions
from service.database.engine import Database
from service.exchange.exports import Export, Format, PersonalExport
from service.models import (
    Account,
    AuditEvent,
    BrowserSession,
    Cause,
    Comment,
    CommentRemoval,
    CommentRevision,
    Fit,
    FitStatus,
    FrozenEntry,
    FrozenLeaderboard,
    Implication,
    Invitation,
    Outcome,
    Question,
    QuestionRevision,
    QuestionSet,
    Resolution,
    Role,
    SetPolicy,
    Task,
    TaskKind,
    TaskPiece,
    Token,
    TokenScope,
    Visibility,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    Worker,
)
from service.notifications.webhooks import Event
from service.permissions import Actor
from service.questions import forecasts, hash_chain, questions
from service.questions.aggregates import Aggregator
from service.scoring import leaderboards
from service.scoring.leaderboards import Criteria

TODAY = datetime(2026, 11, 27, 12, tzinfo=UTC)
"""When the service's tests take place, whatever the day on which they run."""

ADDRESS = f"https://example.org/{'a' * 400}"
"""An address without a place to break, as people paste them."""
TEXTS = (
    f"see {ADDRESS}",
    "a" * 2000,
    f"| a | {'b' * 300} |\n|---|---|\n| {ADDRESS} | {'c' * 300} |\n",
    f"```\n{'code = ' * 60}\n```\n\n    {'indented' * 60}\n\n`{'span' * 100}`",
    f"# {'heading' * 60}\n\n> {'quoted' * 80}\n\n- {'item' * 90}\n\n![{'x' * 90}]({ADDRESS})",
    "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}" * 300,
    "\u0645\u0631\u062d\u0628\u0627 \u202e\u0628\u0627\u0644\u0639\u0627\u0644\u0645" * 100,
    "\u6f22\u5b57" * 900,
    "z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e" * 150,
    "<script>alert(1)</script>\"'&amp;{{ 7 * 7 }}{% raw %}",
    " \t ",
    "",
)
"""What a column of text can hold."""
CHANCES = (0.0, 1.0, 0.0004, 0.99996, 0.5, 0.125, 0.37)
PASSWORD = "correct horse battery"  # noqa: S105  # of accounts that these tests make


@pytest.fixture(scope="session")
def readable() -> Callable[[Litestar], Iterator[tuple[str, str]]]:
    """The path of every page that is read, with the names in it, from an application's routes."""

    def find(app: Litestar) -> Iterator[tuple[str, str]]:
        for route in app.routes:
            if isinstance(route, HTTPRoute) and any(
                one.fn.__module__.startswith("service.pages") and "GET" in one.http_methods
                for one in route.route_handlers
            ):
                yield route.path, ", ".join(re.findall(r"{(\w+):", route.path))

    return find


@pytest.fixture(scope="session")
def address_of() -> Callable[..., str]:
    """The address of a page from its path, a value (or a tuple of them) for it, and a query."""

    def fill(path: str, values: Any, query: str = "") -> str:
        for one in values if isinstance(values, tuple) else (values,):
            path = re.sub(r"{\w+:\w+}", str(one), path, count=1)
        return f"{path}?{query}" if query else path

    return fill


@pytest.fixture(scope="session")
def furnish_everything() -> Callable[..., Any]:
    """Store one of everything that tables can hold; what it gives fills the paths of pages."""
    return _furnish_everything


async def _furnish_everything(database: Database) -> dict[str, list[Any]]:
    """Questions in every state, every member of every stored enum, and texts of every kind.

    Rows are written past the checks of the service: a page must show whatever the tables hold.
    """
    at = datetime.now(UTC)
    digest = await passwords.digest(PASSWORD)
    aggregator = Aggregator(0.8)
    async with database.write() as session:
        people = {
            role: await accounts.create(session, role, role, password_hash=digest) for role in Role
        }
        speakers = [*people.values(), *await _store_accounts(session, people, at)]
        asked = await _store_sets(session, people[Role.curator], at)
        everything = await questions.views(session, questions.views_query(None))
        for view in everything:
            for number, who in enumerate(speakers):
                why = TEXTS[number % len(TEXTS)] if number % 2 else ""
                ends = at + timedelta(days=2) if number % 3 else None
                draft = forecasts.Draft(view.id, CHANCES[number % len(CHANCES)], why, ends)
                heads = {view.id: await hash_chain.head(session, view.id)}
                moment = at - timedelta(hours=len(speakers) - number)
                await forecasts.append(session, [(who, draft)], heads, moment)
            for number, cause in enumerate(Cause):
                moment = at - timedelta(days=9) + timedelta(hours=30 * number)
                await aggregator.publish(session, [view], cause=cause, at=moment)
            if view.id % 8 == asked["open"] % 8:
                await _comment(session, view.id, speakers, at)
    async with database.write() as session:
        await forecasts.withdraw(session, people[Role.curator], asked["open"])
        for outcome in Outcome:
            said = Outcome.yes if outcome is Outcome.unresolved else outcome
            told = (session, aggregator, people[Role.curator], asked[outcome])
            await resolutions.resolve(
                *told, outcome=said, occurred_at=at - timedelta(minutes=9), note=TEXTS[2]
            )
            if outcome is Outcome.unresolved:
                await resolutions.unresolve(*told, reason=TEXTS[0])
        for number, row in enumerate(await session.scalars(select(Resolution))):
            row.evidence_url = ("", ADDRESS, "javascript:alert(1)")[number % 3]
        owner = people[Role.forecaster]
        made = {
            "leaderboard_id": await _freeze_leaderboards(session, people[Role.curator], at),
            "webhook_id": await _store_webhooks(session, owner.id, asked["open"], at),
            "task_id": await _store_tasks(session, owner.id, at),
        }
        await _store_work(session, at)
        ids = list(await session.scalars(select(Account.id)))
        of_sets = select(QuestionSet.slug, Implication.slug).join(
            Implication, Implication.set_id == QuestionSet.id
        )
        return made | {
            "question_id": [view.id for view in everything],
            "slug": list(await session.scalars(select(QuestionSet.slug))),
            "slug, implication": [tuple(row) for row in await session.execute(of_sets)],
            "forecaster_id": ids,
            "account_id": ids,
        }


async def _store_accounts(
    session: AsyncSession, people: dict[Role, Actor], at: datetime
) -> list[Actor]:
    """People with names of every kind, bots, and what opens accounts; those who may forecast."""
    owner = await session.get_one(Account, people[Role.forecaster].id)
    await accounts.create(session, "machine", Role.forecaster, bot=True, owner=owner)
    made = [
        await accounts.create(session, f"other {number}", Role.forecaster)
        for number in range(len(TEXTS))
    ]
    for one, text in zip(made, TEXTS, strict=True):
        row = await session.get_one(Account, one.id)
        row.name, row.shows_record = f"{text[:97]}{one.id}", one.id % 2 == 0
    (await session.get_one(Account, made[-1].id)).deactivated_at = at
    ends = (None, at - timedelta(days=1), at + timedelta(days=1))
    for number, text in enumerate(TEXTS):
        for actor in people.values():
            session.add(
                Token(
                    account_id=actor.id,
                    digest=f"{actor.id}-{number}",
                    label=text,
                    scope=list(TokenScope)[number % len(TokenScope)],
                    created_at=at,
                    used_at=ends[number % 3],
                    expires_at=ends[number % 3],
                    revoked_at=ends[number % 3 - 2],
                )
            )
            session.add(
                BrowserSession(
                    account_id=actor.id,
                    digest=f"{actor.id}-{number}",
                    browser=text,
                    created_at=at,
                    used_at=at,
                )
            )
    for number, role in enumerate([*Role, None]):
        session.add(
            Invitation(
                digest=str(number),
                role=role,
                account_id=None if role else owner.id,
                inviter_id=number or None,
                uses=number + 1,
                used=number,
                created_at=at,
                expires_at=at + timedelta(days=number - 2),
                revoked_at=at if number == 3 else None,
            )
        )
    actions = {
        "account.created",
        "account.role_changed",
        "account.shut",
        "set.loaded",
        "future.deed",
    }
    for number, action in enumerate(sorted(actions | {"invitation.made", "invitation.used"})):
        details = {
            "role": {"before": "", "after": TEXTS[1]},
            "list": [1, None, {}],
            "text": TEXTS[0],
        }
        session.add(
            AuditEvent(
                action=action,
                account_id=number or None,
                subject_id=number or None,
                set_id=None,
                reason=TEXTS[number],
                details=details if number % 2 else {},
                created_at=at,
            )
        )
    return made


async def _store_sets(session: AsyncSession, curator: Actor, at: datetime) -> dict[str, int]:
    """Sets of every visibility with every kind of question; some of the questions by a name."""
    day = timedelta(days=1)
    policies = [(Visibility.always, None), (Visibility.after_forecast, None)]
    policies += [(Visibility.reveal_at, at + day), (Visibility.reveal_at, at - day)]
    named: dict[str, int] = {}
    for number, (visibility, reveal_at) in enumerate(policies):
        found = QuestionSet(
            slug=f"set-{number}",
            title=TEXTS[number],
            description=TEXTS[number + 1],
            defaults=TEXTS[number + 2],
            document={"title": TEXTS[1], "url": ADDRESS, "author": None, "pages": 7},
            waivers=[],
            created_at=at,
        )
        session.add(found)
        await session.flush()
        session.add(
            SetPolicy(
                set_id=found.id,
                number=1,
                visibility=visibility,
                reveal_at=reveal_at,
                account_id=curator.id if number else None,
                reason=TEXTS[number],
                created_at=at,
            )
        )
        implications = [
            Implication(
                set_id=found.id,
                position=place,
                slug=f"implication-{place}",
                section=("", "4", TEXTS[1])[place % 3],
                paraphrase=TEXTS[place],
                hedge=("asserted", "", "might", TEXTS[1])[place % 4],
                actors=[TEXTS[1]],
                premise=premise,
                premise_note=TEXTS[place],
                uncovered=TEXTS[place] if place % 2 else "",
            )
            for place, premise in enumerate(2 * get_args(Premise))
        ]
        session.add_all(implications)
        await session.flush()
        kinds: dict[str, dict[str, Any]] = {
            "draft": {"draft": True},
            "upcoming": {"opens_at": at + day},
            "open": {},
            "closed": {"closes_at": at - timedelta(seconds=1)},
            "endless": {"closes_at": None},
            "bare": {"background": "", "criteria": "", "fine_print": "", "why": "", "sources": []},
            "revealed-later": {"reveal_at": at + day},
            **{one: {} for one in Outcome},
            **{f"polarity-{one}": {"polarity": one} for one in get_args(Polarity)},
            **{f"text-{place}": {"text": text} for place, text in enumerate(TEXTS)},
        }
        if number:
            kinds = {name: kinds[name] for name in ("draft", "open", "closed", "revealed-later")}
        for place, (name, changes) in enumerate(kinds.items()):
            row = Question(set_id=found.id, slug=name, created_at=at - 9 * day)
            session.add(row)
            await session.flush()
            if not number:
                named[name] = row.id
            text = changes.get("text", TEXTS[place % 4])
            values = {
                "implication_id": implications[place % len(implications)].id if place % 5 else None,
                "polarity": "neutral",
                "why": text,
                "title": text,
                "background": text,
                "background_as_of": at.date() if place % 2 else None,
                "criteria": text,
                "fine_print": text,
                "sources": [
                    {"name": text, "url": url, "role": role}
                    for url, role in zip(
                        (ADDRESS, "", "javascript:alert(1)"), get_args(SourceRole), strict=True
                    )
                ],
                "domain": "a" * 90,
                "tags": ["t" * 100, "short"],
                "weight": 1.0,
                "draft": False,
                "opens_at": at - 8 * day,
                "closes_at": at + day * (place + 1),
                "resolves_by": at + 90 * day if place % 2 else None,
            }
            values |= {key: value for key, value in changes.items() if key != "text"}
            for version in (1, 2):
                revision = QuestionRevision(
                    question_id=row.id,
                    number=version,
                    content_hash="0" * 64,
                    account_id=curator.id if version > 1 else None,
                    reason=TEXTS[0] if version > 1 else "",
                    created_at=at - (9 - version) * day,
                    **values | ({"title": f"First: {text[:9]}"} if version == 1 else {}),
                )
                await questions.add_revision(session, revision)
    session.add(
        QuestionSet(
            slug="empty",
            title="",
            description="",
            defaults="",
            document={},
            waivers=[],
            created_at=at,
        )
    )
    await session.flush()
    return named


async def _comment(
    session: AsyncSession, question_id: int, people: Sequence[Actor], at: datetime
) -> None:
    """Comments of every text: private, answered, edited, taken back, removed and restored."""
    for number, text in enumerate(TEXTS):
        author, other = people[number % len(people)], people[0]
        parent = None
        for private in (False, True):
            row = Comment(
                question_id=question_id,
                account_id=author.id,
                parent_id=parent,
                forecast_id=None,
                private=private,
                created_at=at,
            )
            session.add(row)
            await session.flush()
            parent = row.id
            for version in range(1, 2 + number % 2):
                session.add(
                    CommentRevision(comment_id=row.id, number=version, text=text, created_at=at)
                )
            for version in range(number % 4):
                session.add(
                    CommentRemoval(
                        comment_id=row.id,
                        number=version + 1,
                        removed=version % 2 == 0,
                        account_id=(author if number % 3 else other).id,
                        reason=text,
                        created_at=at,
                    )
                )


async def _freeze_leaderboards(session: AsyncSession, curator: Actor, at: datetime) -> list[int]:
    """A board of today, and one of before, whose newer columns are empty."""
    today = await leaderboards.freeze(session, curator, "today", Criteria(pools=True))
    before = FrozenLeaderboard(
        name="before",
        version=1,
        criteria={"score": "spot_brier"},
        entrants=len(TEXTS),
        as_of=at,
        account_id=curator.id,
        created_at=at,
    )
    session.add(before)
    await session.flush()
    session.add_all(
        FrozenEntry(
            leaderboard_id=before.id,
            position=place + 1,
            rank=place // 2 + 1,
            account_id=None,
            method="recency_weighted_median" if place % 2 else None,
            name=text[:100],
            bot=False,
            questions=1,
            coverage=0.0,
            score=-0.0,
            ranked_by=0.0,
        )
        for place, text in enumerate(TEXTS)
    )
    return [today.id, before.id]


async def _store_webhooks(
    session: AsyncSession, account_id: int, question_id: int, at: datetime
) -> list[int]:
    """Webhooks in every state, with deliveries of every event in every state."""
    made = []
    for number, disabled in enumerate((None, at)):
        webhook = Webhook(
            account_id=account_id,
            set_id=None,
            url=ADDRESS,
            events=[*Event, "question.of_a_later_version"] if number else [],
            moved_by=0.05,
            secret="s" * 64,
            failures=99 * number,
            looked_at=at,
            disabled_at=disabled,
            created_at=at,
        )
        session.add(webhook)
        await session.flush()
        made.append(webhook.id)
        for place, event in enumerate([*Event, *Event, "question.of_a_later_version"]):
            delivery = WebhookDelivery(
                webhook_id=webhook.id,
                key=str(place),
                event=event,
                question_id=question_id,
                payload={"question": {"title": TEXTS[place % len(TEXTS)]}, "text": TEXTS[1]},
                attempts=place,
                due_at=at if place % 3 == 0 else None,
                created_at=at,
            )
            session.add(delivery)
            await session.flush()
            for status, error in ((200, ""), (503, ""), (None, TEXTS[1]))[: place % 4]:
                session.add(
                    WebhookAttempt(
                        delivery_id=delivery.id, status=status, error=error, created_at=at
                    )
                )
    return made


async def _store_tasks(session: AsyncSession, account_id: int, at: datetime) -> list[int]:
    """Tasks of each kind in each status."""
    asked = Export(what=PersonalExport.forecasts, form=Format.csv, account_id=account_id).asked()
    file = {"name": "n" * 200, "media_type": "text/csv", "bytes": 3, "sha256": "0" * 64, "rows": 0}
    times = {
        TaskStatus.queued: {},
        TaskStatus.running: {"started_at": at},
        TaskStatus.done: {"started_at": at, "ended_at": at},
        TaskStatus.failed: {"started_at": at, "ended_at": at, "error": TEXTS[1]},
        TaskStatus.expired: {"ended_at": at, "expires_at": at - timedelta(days=1)},
    }
    made = []
    for kind in TaskKind:
        result = file if kind is TaskKind.export else {"scores": 1, "mended": 0, "sha256": "0"}
        for status in TaskStatus:
            ends = {"expires_at": at + timedelta(days=1)} if kind is TaskKind.export else {}
            task = Task(
                kind=kind,
                account_id=account_id if kind is TaskKind.export else None,
                asked=asked if kind is TaskKind.export else {},
                key=None,
                after=0,
                attempts=0,
                done=1,
                total=0,
                result=result if status is TaskStatus.done else {},
                **{"error": ""} | (ends if status is TaskStatus.done else {}) | times[status],
                created_at=at,
            )
            session.add(task)
            await session.flush()
            session.add(TaskPiece(task_id=task.id, number=0, content=b"a,b"))
            made.append(task.id)
    return made


async def _store_work(session: AsyncSession, at: datetime) -> None:
    """Fits of every status, damaged ones and ones of before too, and workers."""
    posterior = Posterior.prior()
    whole = posterior.to_bytes()
    fits = [
        (FitStatus.accepted, whole, posterior.fingerprint, {"max_r_hat": 1.0, "divergences": 0}),
        (FitStatus.refused, None, "", {"max_r_hat": None}),
        (FitStatus.failed, None, "", {}),
        (FitStatus.accepted, whole[: len(whole) // 2], posterior.fingerprint, {}),
        (FitStatus.accepted, None, "", {}),
    ]
    for status, stored, fingerprint, diagnostics in fits:
        session.add(
            Fit(
                status=status,
                reason=TEXTS[1],
                resolutions=1,
                questions=1,
                forecasts=1,
                forecasters=1,
                data_hash="0" * 64,
                fingerprint=fingerprint,
                seed=1,
                priors={},
                versions={},
                diagnostics=diagnostics,
                started_at=at,
                created_at=at,
                format=FORMAT,
                posterior=stored,
            )
        )
        await session.flush()
    session.add_all(
        Worker(
            name=f"worker {number}",
            doing=doing,
            stage=TEXTS[1],
            drawn=number,
            draws=number,
            since=at,
            started_at=at,
            seen_at=at - timedelta(days=number),
        )
        for number, doing in enumerate(("", "a refit", TEXTS[1]))
    )
