"""Webhooks: subscriptions to events, and the deliveries derived from the facts.

Transactions that record facts do not create deliveries. Every few seconds the worker compares the
facts known at its last poll with those known now, and appends a delivery for each difference under
a key that names the fact. A poll may be repeated, or lost with its process: the next one finds the
same facts and the same keys.
"""

import base64
import logging
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import func, or_, select, union
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.accounts import actor_of
from service.clock import now
from service.exceptions import Conflict, Invalid, NotFound
from service.models import (
    Account,
    Aggregate,
    Outcome,
    Question,
    QuestionRevision,
    Resolution,
    Role,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
)
from service.models.unreadable import readable
from service.notifications.addresses import check_url
from service.permissions import Actor
from service.questions import questions, visibility
from service.questions.questions import State, View
from service.settings import Network
from service.text.validation import LONGEST_URL, check_line

log = logging.getLogger(__name__)

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # a prefix of all secrets, not a secret
MOST: Final = 10
SOON: Final = timedelta(hours=24)
OVERLAP: Final = timedelta(minutes=5)
"""Each poll reaches back this far before the last one: slow transactions may commit older facts."""
LONGEST_UNMOVED: Final = timedelta(minutes=1)
FAILURES_BEFORE_REST: Final = 30
"""A webhook is disabled after this many consecutive failures."""


class Event(StrEnum):
    """Events that a webhook can subscribe to."""

    opened = "question.opened"
    closing_soon = "question.closing_soon"
    closed = "question.closed"
    resolved = "question.resolved"
    unresolved = "question.unresolved"
    moved = "aggregate.moved"


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of a question; `key` identifies the fact regardless of when it is observed."""

    event: Event
    key: str
    at: datetime
    view: View
    resolution: Resolution | None = None


async def register(
    session: AsyncSession,
    actor: Actor,
    *,
    url: str,
    events: Sequence[Event],
    set_slug: str | None = None,
    moved_by: float = 0.05,
    private: Sequence[Network] = (),
) -> Webhook:
    """Register a webhook for future events; its `secret` is to be shown once.

    Args:
        url: http or https, without credentials; see `addresses.check_url`.
        events: at least one.
        set_slug: only of this set's questions.
        moved_by: an aggregate has moved once its probability differs by more than this from the
            last delivered value; between 0 and 1.

    Raises:
        Invalid: a URL, event list or threshold that is not allowed.
        Conflict: the account already has `MOST` webhooks.
    """
    actor.require(Role.forecaster, "register a webhook")
    url = check_line(url, "url", longest=LONGEST_URL)
    check_url(url, private)
    if not events:
        raise Invalid("events must name at least one event", field="events")
    if not 0 < moved_by < 1:
        raise Invalid("moved_by must be between 0 and 1", field="moved_by")
    set_id = None if set_slug is None else (await questions.find_set(session, set_slug)).id
    # Locked so that concurrent requests cannot exceed the limit.
    await session.execute(
        select(Account.id).where(Account.id == actor.id).with_for_update(key_share=True)
    )
    existing = await session.scalar(
        select(func.count()).where(Webhook.account_id == actor.id, Webhook.removed_at.is_(None))
    )
    if (existing or 0) >= MOST:
        raise Conflict(f"you have {MOST} webhooks, which is the most; remove one first")
    at = now()
    row = Webhook(
        account_id=actor.id,
        set_id=set_id,
        url=url,
        events=sorted(set(events)),
        moved_by=moved_by,
        secret=SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode(),
        failures=0,
        looked_at=at,
        disabled_at=None,
        removed_at=None,
        created_at=at,
    )
    session.add(row)
    await session.flush()
    return row


async def get(session: AsyncSession, actor: Actor, webhook_id: int) -> Webhook:
    """A webhook of the actor; NotFound for unknown ids and for those of other accounts."""
    row = await session.get(Webhook, webhook_id)
    if row is None or row.account_id != actor.id or row.removed_at is not None:
        raise NotFound(f"you have no webhook {webhook_id}")
    return row


async def listing(
    session: AsyncSession, actor: Actor, *, after: int, limit: int
) -> Sequence[Webhook]:
    """The actor's webhooks after an id."""
    rows = await session.scalars(
        select(Webhook)
        .where(Webhook.account_id == actor.id, Webhook.removed_at.is_(None), Webhook.id > after)
        .order_by(Webhook.id)
        .limit(limit)
    )
    return rows.all()


async def remove(session: AsyncSession, actor: Actor, webhook_id: int) -> None:
    """Remove a webhook; its pending deliveries are abandoned."""
    row = await get(session, actor, webhook_id)
    row.removed_at = now()


async def enable(session: AsyncSession, actor: Actor, webhook_id: int) -> Webhook:
    """Enable a webhook that was disabled for failing; events in between are not delivered."""
    row = await get(session, actor, webhook_id)
    if row.disabled_at is not None:
        row.disabled_at, row.failures, row.looked_at = None, 0, now()
    return row


async def deliveries(
    session: AsyncSession, actor: Actor, webhook_id: int, *, before: int | None, limit: int
) -> list[tuple[WebhookDelivery, list[WebhookAttempt]]]:
    """The deliveries of an actor's webhook, newest first, with all attempts."""
    await get(session, actor, webhook_id)
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    rows = (await session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit))).all()
    tried: dict[int, list[WebhookAttempt]] = {row.id: [] for row in rows}
    for attempt in await session.scalars(
        select(WebhookAttempt)
        .where(WebhookAttempt.delivery_id.in_(tried))
        .order_by(WebhookAttempt.id)
    ):
        tried[attempt.delivery_id].append(attempt)
    return [(row, tried[row.id]) for row in rows]


async def redeliver(
    session: AsyncSession, actor: Actor, webhook_id: int, delivery_id: int
) -> tuple[WebhookDelivery, list[WebhookAttempt]]:
    """Deliver again at the worker's next poll; NotFound for an unknown webhook or delivery."""
    webhook = await get(session, actor, webhook_id)
    row = await session.get(WebhookDelivery, delivery_id)
    if row is None or row.webhook_id != webhook_id:
        raise NotFound(f"webhook {webhook_id} has no delivery {delivery_id}")
    if webhook.disabled_at is not None:
        raise Conflict(f"webhook {webhook_id} is disabled; enable it first")
    row.due_at, row.attempts = now(), 0
    tried = await session.scalars(
        select(WebhookAttempt)
        .where(WebhookAttempt.delivery_id == delivery_id)
        .order_by(WebhookAttempt.id)
    )
    return row, list(tried)


async def active(session: AsyncSession) -> list[tuple[Webhook, Account]]:
    """Every active webhook, with its owner."""
    rows = await session.execute(
        select(Webhook, Account)
        .join(Account, Account.id == Webhook.account_id)
        .where(
            Webhook.removed_at.is_(None),
            Webhook.disabled_at.is_(None),
            Account.deactivated_at.is_(None),
        )
        .order_by(Webhook.id)
    )
    return [(webhook, account) for webhook, account in rows]


async def note(session: AsyncSession, at: datetime) -> int:
    """Append the deliveries due for facts since the last poll; returns their number.

    Without new deliveries, the time of the poll is recorded only once a minute, to save writes. An
    exception for one webhook counts as a failure of that webhook alone and is retried at the next
    poll; after `FAILURES_BEFORE_REST` failures the webhook is disabled.
    """
    subscribed = await active(session)
    if not subscribed:
        return 0
    since = min((one.looked_at for one, _ in subscribed if readable(one)), default=at) - OVERLAP
    happened = await _happened(session, since, at)
    moved = await _published_since(session, since, at)
    count = 0
    for webhook, owner in subscribed:
        try:
            async with session.begin_nested():
                noted = await _note_one(session, webhook, actor_of(owner), happened, moved, at)
        except (OperationalError, InterfaceError):  # a database failure, not the webhook's
            raise
        except IntegrityError:  # another worker recorded the same events
            continue
        except Exception:
            log.exception("the events of webhook %d could not be recorded", webhook.id)
            record_failure(webhook, at)
            continue
        count += noted
        if count or at - webhook.looked_at > LONGEST_UNMOVED:
            webhook.looked_at = at
    await session.flush()
    return count


def record_failure(webhook: Webhook, at: datetime) -> None:
    """Count a failure, and disable a webhook after too many in a row."""
    webhook.failures += 1
    if webhook.failures >= FAILURES_BEFORE_REST:
        webhook.disabled_at = at


async def _note_one(
    session: AsyncSession,
    webhook: Webhook,
    owner: Actor,
    happened: Sequence[Happening],
    moved: Sequence[tuple[View, Aggregate]],
    at: datetime,
) -> int:
    if not readable(webhook):
        raise ValueError("a value of the webhook cannot be decoded")
    fresh = [one for one in happened if one.event in webhook.events]
    if Event.moved in webhook.events:
        fresh += await _moved(session, webhook, owner, moved, at)
    return await _append(session, webhook, fresh, at) if fresh else 0


async def _append(
    session: AsyncSession, webhook: Webhook, happened: Iterable[Happening], at: datetime
) -> int:
    missing = {
        one.key: one
        for one in happened
        if one.at > webhook.created_at
        and webhook.set_id in {None, one.view.question.set_id}
        and not one.view.revision.draft
    }
    existing = await session.scalars(
        select(WebhookDelivery.key).where(
            WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.key.in_(missing)
        )
    )
    for key in existing:
        del missing[key]
    values = await _aggregates(session, missing.values())
    session.add_all(
        WebhookDelivery(
            webhook_id=webhook.id,
            key=key,
            event=one.event,
            question_id=one.view.id,
            payload=_payload(one, values.get(one.view.id), at),
            attempts=0,
            due_at=at,
            created_at=at,
        )
        for key, one in missing.items()
    )
    return len(missing)


async def _happened(session: AsyncSession, since: datetime, at: datetime) -> list[Happening]:
    """Events of questions between two times, as known at each.

    States that began and ended in between are omitted. Every resolution is included, except those
    of questions that were created already resolved.
    """
    revision = QuestionRevision
    touched = union(
        select(revision.question_id).where(
            or_(
                revision.created_at.between(since, at),
                revision.opens_at.between(since, at),
                revision.closes_at.between(since, at + SOON),
            )
        ),
        select(Resolution.question_id).where(Resolution.created_at.between(since, at)),
    )
    ids = list(await session.scalars(touched))
    before = {
        view.id: view
        for view in await questions.views(
            session, questions.views_query(since).where(Question.id.in_(ids))
        )
    }
    after = await questions.views(
        session, questions.views_query(at).where(Question.id.in_(ids)).order_by(Question.id)
    )
    resolutions = await session.scalars(
        select(Resolution)
        .where(Resolution.created_at.between(since, at), Resolution.question_id.in_(before))
        .order_by(Resolution.id)
    )
    views = {view.id: view for view in after if _readable(view)}
    events: list[Happening] = []
    for view in views.values():
        try:
            events += _differences(before.get(view.id), view, since, at)
        except Exception:
            log.exception("the events of question %d cannot be derived", view.id)
    return events + [
        _resolution_event(views[row.question_id], row)
        for row in resolutions
        if row.question_id in views and readable(row)
    ]


def _readable(view: View) -> bool:
    """Whether the rows of a question can be decoded; failures count against no webhook."""
    parts = (view.question, view.revision, view.resolution, view.policy)
    if readable(*(part for part in parts if part is not None)):
        return True
    log.warning(
        "question %d holds a value that cannot be decoded; its events are not delivered", view.id
    )
    return False


def _resolution_event(view: View, row: Resolution) -> Happening:
    event = Event.unresolved if row.outcome == Outcome.unresolved else Event.resolved
    return Happening(event, f"{event}:{row.id}", row.created_at, view, row)


def _differences(
    before: View | None, after: View, since: datetime, at: datetime
) -> Iterable[Happening]:
    revision, closes = after.revision, after.revision.closes_at
    was = before.state(since) if before else State.draft
    state = after.state(at)
    if state is State.open and was in {State.draft, State.upcoming, State.closed}:
        opened_at = max(revision.opens_at, revision.created_at)
        which = closes if was is State.closed else revision.opens_at
        yield Happening(Event.opened, f"{Event.opened}:{after.id}:{which}", opened_at, after)
    if closes is None:
        return
    if state is State.open and closes - at <= SOON:
        soon_at = max(closes - SOON, revision.created_at, revision.opens_at)
        key = f"{Event.closing_soon}:{after.id}:{closes}"
        if soon_at > since:
            yield Happening(Event.closing_soon, key, soon_at, after)
    if state is State.closed and was in {State.upcoming, State.open}:
        closed_at = max(closes, revision.created_at)
        yield Happening(Event.closed, f"{Event.closed}:{after.id}:{closes}", closed_at, after)


async def _published_since(
    session: AsyncSession, since: datetime, at: datetime
) -> list[tuple[View, Aggregate]]:
    """The latest aggregate of each question with one published between two times."""
    latest = (
        select(func.max(Aggregate.id))
        .where(Aggregate.created_at.between(since, at))
        .group_by(Aggregate.question_id)
    )
    rows = (await session.scalars(select(Aggregate).where(Aggregate.id.in_(latest)))).all()
    query = questions.views_query(None).where(Question.id.in_([row.question_id for row in rows]))
    views = {view.id: view for view in await questions.views(session, query) if _readable(view)}
    return [
        (views[row.question_id], row) for row in rows if row.question_id in views and readable(row)
    ]


async def _moved(
    session: AsyncSession,
    webhook: Webhook,
    owner: Actor,
    published: Sequence[tuple[View, Aggregate]],
    at: datetime,
) -> list[Happening]:
    """Aggregates visible to the owner that moved far from the value last known to the webhook."""
    hidden = await visibility.hidden(session, owner, [view for view, _ in published], at)
    seen = {view.id: (view, row) for view, row in published if view.id not in hidden}
    known = await _last_known(session, webhook, list(seen))
    return [
        Happening(Event.moved, f"{Event.moved}:{row.id}", row.created_at, view)
        for view, row in seen.values()
        if abs(row.probability - known.get(view.id, row.probability)) > webhook.moved_by
    ]


async def _last_known(
    session: AsyncSession, webhook: Webhook, ids: Sequence[int]
) -> dict[int, float]:
    """The last delivered probability of each question, else the one at the webhook's creation.

    For a question newer than the webhook, the first published aggregate.
    """
    earliest = select(func.min(Aggregate.id)).where(Aggregate.question_id.in_(ids))
    earlier = select(func.max(Aggregate.id)).where(
        Aggregate.question_id.in_(ids), Aggregate.created_at <= webhook.created_at
    )
    known: dict[int, float] = {}
    for chosen in (earliest, earlier):
        rows = await session.scalars(
            select(Aggregate).where(Aggregate.id.in_(chosen.group_by(Aggregate.question_id)))
        )
        known |= {row.question_id: row.probability for row in rows}
    delivered = select(func.max(WebhookDelivery.id)).where(
        WebhookDelivery.webhook_id == webhook.id,
        WebhookDelivery.event == Event.moved,
        WebhookDelivery.question_id.in_(ids),
    )
    deliveries = await session.scalars(
        select(WebhookDelivery).where(
            WebhookDelivery.id.in_(delivered.group_by(WebhookDelivery.question_id))
        )
    )
    known |= {row.question_id: row.payload["aggregate"]["probability"] for row in deliveries}
    return known


async def _aggregates(session: AsyncSession, happened: Iterable[Happening]) -> dict[int, Aggregate]:
    """The published aggregates behind `moved` events, by question."""
    ids = [int(one.key.rpartition(":")[2]) for one in happened if one.event is Event.moved]
    rows = await session.scalars(select(Aggregate).where(Aggregate.id.in_(ids)))
    return {row.question_id: row for row in rows}


def _payload(one: Happening, moved: Aggregate | None, at: datetime) -> dict[str, Any]:
    view, resolution = one.view, one.resolution
    payload: dict[str, Any] = {
        "type": one.event,
        "timestamp": one.at,
        "question": {
            "id": view.id,
            "set": view.set_slug,
            "slug": view.question.slug,
            "title": view.revision.title,
            "state": view.state(at),
            "opens_at": view.revision.opens_at,
            "closes_at": view.revision.closes_at,
        },
    }
    if one.event is Event.resolved and resolution is not None:
        payload["resolution"] = {
            "outcome": resolution.outcome,
            "occurred_at": resolution.occurred_at,
        }
    if one.event is Event.moved and moved is not None:
        names = ("probability", "lower", "upper", "level", "forecasters")
        payload["aggregate"] = {name: getattr(moved, name) for name in names}
    plain: dict[str, Any] = msgspec.to_builtins(payload)
    return plain
