"""The router of all pages and static files."""

from litestar import Router
from litestar.di import Provide
from litestar.static_files import create_static_files_router

from service.pages import (
    account,
    accounts,
    charts,
    comments,
    curation,
    drafting,
    forecasters,
    home,
    leaderboard,
    listing,
    model,
    questions,
    reminders,
    sets,
    sign_in,
    tasks,
    webhooks,
    welcome,
)
from service.pages.rendering import STATIC


def site(visitor: Provide) -> Router:
    """Return the router of the pages; `visitor` provides the actor or denies access."""
    return Router(
        path="/",
        route_handlers=[
            home.home,
            listing.listing,
            leaderboard.Leaderboards,
            forecasters.profile,
            model.model_health,
            sign_in.SignIn,
            welcome.Welcome,
            account.Account,
            accounts.Accounts,
            webhooks.Webhooks,
            tasks.Tasks,
            reminders.Reminders,
            curation.Curation,
            drafting.Drafting,
            sets.Sets,
            questions.Questions,
            comments.Comments,
            charts.Charts,
            charts.bundle,
            create_static_files_router("/static", [STATIC], include_in_schema=False, name="static"),
        ],
        dependencies={"actor": visitor},
        include_in_schema=False,
    )
