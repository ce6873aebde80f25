"""`credence account`."""

from typing import Final

import click

from service.accounts import accounts, invitations, tokens
from service.cli.command import with_database
from service.cli.group import echo
from service.database.engine import Database
from service.models import Account, Role
from service.permissions import Actor
from service.settings import Settings

LISTED: Final = 500
LOCAL: Final = "http://127.0.0.1:8000"
"""The default address of `credence serve`."""


@click.group(epilog="Example: credence account create alice --role curator")
def account() -> None:
    """Accounts and their tokens."""


@account.command("create", epilog="Example: credence account create alice --role curator")
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="Role of the account; each role includes the permissions of the roles before it.",
)
@click.option("--bot", is_flag=True, help="Mark the account as a bot.")
@click.option("--token", "only_token", is_flag=True, help="Print only the token.")
def create_account(name: str, *, role: str, bot: bool, only_token: bool) -> None:
    """Create an account and print its token, once."""

    async def work(database: Database, _settings: Settings) -> tuple[Actor, str]:
        async with database.write() as session:
            actor = await accounts.add(session, None, name, Role(role), bot=bot)
            _, token = await tokens.issue(session, actor.id, "first")
            return actor, token

    actor, token = with_database(work)
    if not only_token:
        echo(
            f"created the {actor.role} {actor.name!r} (forecaster {actor.id}); "
            "its token, shown only once:"
        )
    echo(token)


@account.command("invite", epilog="Example: credence account invite --for alice")
@click.option("--for", "name", help="Let this account set its first password or a new one.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="Let the holder of the invitation create an account with this role.",
)
@click.option(
    "--uses", default=1, show_default=True, help="Number of accounts that may be created."
)
def invite(*, name: str | None, role: str | None, uses: int) -> None:
    """Print an invitation link, once; it expires after seven days.

    The link starts with CREDENCE_BASE_URL.
    """
    if (name is None) == (role is None):
        raise click.UsageError("give either --for NAME or --role ROLE")

    async def work(database: Database, settings: Settings) -> tuple[str, str]:
        async with database.write() as session:
            if role is not None:
                _, secret = await invitations.invite(session, None, Role(role), uses=uses)
            else:
                owner = await accounts.named(session, name or "")
                _, secret = await invitations.invite_back(session, None, owner.id)
            return settings.site, secret

    site, secret = with_database(work)
    echo(invitations.link(site or LOCAL, secret))
    if not site:
        echo(
            f"To use it from another machine, replace {LOCAL} with the server's address; "
            "with CREDENCE_BASE_URL set, links begin with it.",
            err=True,
        )


@account.command("list", epilog="Example: credence account list --role administrator")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="List only accounts with this role.",
)
@click.option("--deactivated", is_flag=True, help="List only deactivated accounts.")
@click.option("--imported", is_flag=True, help="Include imported forecasters, omitted by default.")
def list_accounts(*, role: str | None, deactivated: bool, imported: bool) -> None:
    """List accounts, one per line: id, role, kind, creation date and name."""

    async def work(database: Database, _settings: Settings) -> None:
        after = 0
        async with database.read() as session:
            while rows := await accounts.listing(
                session, None, after=after, limit=LISTED, imported=imported
            ):
                for row in rows:
                    if role in {None, row.role} and not (deactivated and not row.deactivated_at):
                        echo(_line(row))
                after = rows[-1].id
            left_out = 0 if imported else await accounts.count_imported(session)
            if left_out:
                who = "imported forecaster is" if left_out == 1 else "imported forecasters are"
                echo(f"{left_out:,} {who} not listed; --imported lists them", err=True)

    with_database(work)


def _line(row: Account) -> str:
    kind = "imported" if row.imported else "bot" if row.bot else "person"
    shut = f" (deactivated {row.deactivated_at:%Y-%m-%d})" if row.deactivated_at else ""
    return f"{row.id:>6}  {row.role:<13}  {kind:<8}  {row.created_at:%Y-%m-%d}  {row.name}{shut}"


@account.command("deactivate", epilog="Example: credence account deactivate alice")
@click.argument("name")
def deactivate(name: str) -> None:
    """Deactivate an account: ends its sessions and tokens and its bots' tokens.

    Its forecasts remain.
    """

    async def work(database: Database, _settings: Settings) -> None:
        async with database.write() as session:
            await accounts.deactivate(session, None, (await accounts.named(session, name)).id)

    with_database(work)
    echo(f"{name!r} is deactivated")


@account.command("activate", epilog="Example: credence account activate alice")
@click.argument("name")
def activate(name: str) -> None:
    """Reactivate an account; its earlier sessions and tokens stay revoked."""

    async def work(database: Database, _settings: Settings) -> None:
        async with database.write() as session:
            await accounts.reactivate(session, None, (await accounts.named(session, name)).id)

    with_database(work)
    echo(f"{name!r} is active")


@account.command("revoke", epilog="Example: credence account revoke alice")
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke every token and session of an account; its forecasts remain."""

    async def work(database: Database, _settings: Settings) -> tuple[int, int]:
        async with database.write() as session:
            return await tokens.shut(session, await accounts.named(session, name))

    revoked, ended = with_database(work)
    echo(f"ended {revoked} tokens and {ended} sessions of {name!r}")
