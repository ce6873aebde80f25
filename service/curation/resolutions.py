"""Resolving and unresolving: one transaction appends the resolution, scores and aggregate."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.exceptions import Conflict, Invalid
from service.models import Account, Cause, Outcome, Resolution, Role
from service.permissions import Actor
from service.questions import hash_chain, questions
from service.questions.aggregates import Aggregator
from service.questions.hash_chain import Head
from service.questions.questions import State, View
from service.scoring import scores
from service.text.validation import LONGEST_URL, check_line, check_passage, optional_reason


async def resolve(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_id: int,
    *,
    outcome: Outcome,
    occurred_at: datetime | None = None,
    evidence_url: str = "",
    note: str = "",
) -> View:
    """Resolve a question and score it.

    Args:
        outcome: yes, no, ambiguous or annulled; only the first two are scored.
        occurred_at: when the outcome occurred; later forecasts are not scored. Default: now.
        evidence_url: http or https URL of the evidence; may be empty.
        note: a note for forecasters.
    """
    actor.require(Role.curator, "resolve a question")
    if outcome is Outcome.unresolved:
        raise Invalid("outcome must be yes, no, ambiguous or annulled", field="outcome")
    evidence_url = check_line(evidence_url, "evidence_url", longest=LONGEST_URL, optional=True)
    if evidence_url and not evidence_url.startswith(("https://", "http://")):
        raise Invalid("evidence_url must start with https:// or http://", field="evidence_url")
    note = check_passage(note, "note", optional=True)
    await questions.lock(session, [question_id])
    head = await hash_chain.head(session, question_id)
    at = await hash_chain.moment(session, head, question_id, actor.id, now())
    view = await questions.get(session, question_id, actor=actor)
    await _require_resolvable(session, view, at)
    occurred_at = occurred_at or at
    if occurred_at > at:
        raise Invalid("occurred_at must not be in the future", field="occurred_at")
    if occurred_at < view.revision.opens_at:
        raise Invalid(
            f"occurred_at must not be before the question opened, "
            f"{view.revision.opens_at.isoformat()}",
            field="occurred_at",
        )
    await _append(session, head, view, actor, outcome, occurred_at, evidence_url, note, at)
    view = await questions.get(session, question_id)
    stands = await scores.score(session, [view])
    await aggregator.publish(session, [view], cause=Cause.resolution, at=at, stands=stands)
    return view


async def unresolve(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_id: int,
    *,
    reason: str = "",
) -> View:
    """Take a resolution back: its scores no longer count, and the question is live again.

    Args:
        reason: why, for forecasters.
    """
    actor.require(Role.curator, "take a resolution back")
    reason = optional_reason(reason)
    await questions.lock(session, [question_id])
    head = await hash_chain.head(session, question_id)
    at = await hash_chain.moment(session, head, question_id, actor.id, now())
    view = await questions.get(session, question_id, actor=actor)
    if view.resolved is None:
        raise Conflict(f"question {question_id} is not resolved", current={"state": view.state(at)})
    resolution = view.resolved
    await _append(
        session, head, view, actor, Outcome.unresolved, resolution.occurred_at, "", reason, at
    )
    view = await questions.get(session, question_id)
    await aggregator.publish(session, [view], cause=Cause.unresolution, at=at)
    return view


async def count(session: AsyncSession) -> int:
    """The number of resolutions and unresolutions; it never decreases."""
    return int(await session.scalar(select(func.count()).select_from(Resolution)) or 0)


async def _require_resolvable(session: AsyncSession, view: View, at: datetime) -> None:
    state, resolution = view.state(at), view.resolved
    if resolution is not None:
        curator = await session.get_one(Account, resolution.account_id)
        raise Conflict(
            f"question {view.id} was already resolved: {resolution.outcome}, by {curator.name} at "
            f"{resolution.created_at.isoformat()}; take that back first",
            current={
                "state": state,
                "outcome": resolution.outcome,
                "by": curator.name,
                "resolved_at": resolution.created_at,
            },
        )
    if state in {State.draft, State.upcoming}:
        raise Conflict(
            f"question {view.id} is {state}; it can be resolved once it has opened",
            current={"state": state},
        )


async def _append(
    session: AsyncSession,
    head: Head,
    view: View,
    actor: Actor,
    outcome: Outcome,
    occurred_at: datetime,
    evidence_url: str,
    note: str,
    at: datetime,
) -> None:
    values = {
        "question_id": view.id,
        "number": view.resolution.number + 1 if view.resolution else 1,
        "outcome": outcome,
        "occurred_at": occurred_at,
        "evidence_url": evidence_url,
        "note": note,
        "account_id": actor.id,
        "created_at": at,
    }
    session.add(Resolution(**hash_chain.append_link(Resolution, head, values)))
    await session.flush()
