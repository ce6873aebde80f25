"""Dependency providers: the current actor, sessions, and services of the application."""

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import tokens
from service.exceptions import Unauthenticated
from service.pages.visitors import VISITOR, signed_in
from service.permissions import Actor
from service.questions.aggregates import Aggregator
from service.questions.submissions import Submissions
from service.web.dependencies import AppRequest, CurrentActor


async def provide_actor(request: AppRequest) -> Actor:
    """The actor of an API request, identified by a token and never by a cookie."""
    async with request.app.state.database.autocommit() as session:
        actor = await tokens.authenticate(session, request.headers.get("Authorization"))
    return _admit(request, actor)


async def provide_visitor(request: AppRequest) -> Actor:
    """The actor of a page request, identified by a browser session.

    Anonymous visitors may read if the settings allow it; submitting a form requires signing in.
    """
    try:
        actor = await signed_in(request)
    except Unauthenticated:
        if request.method != "GET" or request.app.state.settings.readers != "everyone":
            raise
        return VISITOR
    return _admit(request, actor)


def _admit(request: AppRequest, actor: Actor) -> Actor:
    """Admit an authenticated actor within their rate limit."""
    request.app.state.pace.count(actor.id)
    request.state.credential = actor.credential
    return actor


async def provide_reading(request: AppRequest, actor: CurrentActor) -> AsyncIterator[AsyncSession]:
    """A read transaction for an authenticated actor."""
    del actor
    await _receive_body(request)
    async with request.app.state.database.read() as session:
        yield session


async def provide_writing(request: AppRequest, actor: CurrentActor) -> AsyncIterator[AsyncSession]:
    """A write transaction, committed before the response is sent and rolled back on any error."""
    del actor
    await _receive_body(request)
    async with request.app.state.database.write() as session:
        yield session


async def _receive_body(request: AppRequest) -> None:
    """Read the whole body before the transaction, so that slow clients keep no transaction open."""
    if request.method not in {"GET", "HEAD"}:
        await request.body()


async def provide_aggregator(request: AppRequest) -> Aggregator:
    """The process's aggregator, which caches loaded posteriors."""
    aggregator: Aggregator = request.app.state.aggregator
    return aggregator


async def provide_submissions(request: AppRequest) -> Submissions:
    """The process's submission queue."""
    submissions: Submissions = request.app.state.submissions
    return submissions
