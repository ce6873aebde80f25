"""What handlers are given: who asks, a session, and what lives as long as the application."""

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
    """Who asks the API: by their token, and never by a cookie."""
    async with request.app.state.database.autocommit() as session:
        actor = await tokens.authenticate(session, request.headers.get("Authorization"))
    return _admit(request, actor)


async def provide_visitor(request: AppRequest) -> Actor:
    """Who looks at a page: by their browser's session, or anyone where everyone may read.

    Whoever sends a form must have signed in.
    """
    try:
        actor = await signed_in(request)
    except Unauthenticated:
        if request.method != "GET" or request.app.state.settings.readers != "everyone":
            raise
        return VISITOR
    return _admit(request, actor)


def _admit(request: AppRequest, actor: Actor) -> Actor:
    """Let someone who is known pass, if they do not ask too often."""
    request.app.state.pace.count(actor.id)
    request.state.credential = actor.credential
    return actor


async def provide_reading(request: AppRequest, actor: CurrentActor) -> AsyncIterator[AsyncSession]:
    """A read transaction for someone who is known."""
    del actor
    await _receive_body(request)
    async with request.app.state.database.read() as session:
        yield session


async def provide_writing(request: AppRequest, actor: CurrentActor) -> AsyncIterator[AsyncSession]:
    """A write transaction: committed before the answer goes out, undone by any error."""
    del actor
    await _receive_body(request)
    async with request.app.state.database.write() as session:
        yield session


async def _receive_body(request: AppRequest) -> None:
    """Wait for the whole request before a transaction: a slow sender must hold none open."""
    if request.method not in {"GET", "HEAD"}:
        await request.body()


async def provide_aggregator(request: AppRequest) -> Aggregator:
    """The process's aggregator, which keeps the posteriors that it has read."""
    aggregator: Aggregator = request.app.state.aggregator
    return aggregator


async def provide_submissions(request: AppRequest) -> Submissions:
    """The process's queue of submissions."""
    submissions: Submissions = request.app.state.submissions
    return submissions
