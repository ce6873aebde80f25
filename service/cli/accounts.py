"""`credence account`."""

import click

from service import accounts, invitations, tokens
from service.cli.command import with_database
from service.database import Database
from service.models import Role
from service.settings import Settings


@click.group(epilog="Example: credence account create alice --role curator")
def account() -> None:
    """Accounts and their tokens."""


@account.command("create", epilog="Example: credence account create alice --role curator")
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="What the account may do; each role may do all that those before it may.",
)
@click.option("--bot", is_flag=True, help="The account is a program.")
@click.option("--token", "only_token", is_flag=True, help="Print only the token.")
def create_account(name: str, *, role: str, bot: bool, only_token: bool) -> None:
    """Create an account and print its token, once."""

    async def work(database: Database, _settings: Settings) -> tuple[accounts.Actor, str]:
        async with database.write() as session:
            actor = await accounts.create(session, name, Role(role), bot=bot)
            _, token = await tokens.issue(session, actor.id, "first")
            return actor, token

    actor, token = with_database(work)
    if not only_token:
        click.echo(
            f"created the {actor.role} {actor.name!r} (forecaster {actor.id}); "
            "its token, shown this once:"
        )
    click.echo(token)


@account.command("invite", epilog="Example: credence account invite --for administrator")
@click.option("--for", "name", help="Let this account set its password, its first or a new one.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="Let whoever has the invitation make an account of this role.",
)
@click.option("--uses", default=1, show_default=True, help="How many accounts may be made.")
def invite(*, name: str | None, role: str | None, uses: int) -> None:
    """Print an invitation to /join, once; it ends after seven days."""
    if (name is None) == (role is None):
        raise click.UsageError("say either --for NAME or --role ROLE")

    async def work(database: Database, _settings: Settings) -> str:
        async with database.write() as session:
            if role is not None:
                _, secret = await invitations.invite(session, None, Role(role), uses=uses)
            else:
                owner = await accounts.named(session, name or "")
                _, secret = await invitations.invite_back(session, None, owner.id)
            return secret

    click.echo(with_database(work))


@account.command("revoke", epilog="Example: credence account revoke alice")
@click.argument("name")
def revoke_tokens(name: str) -> None:
    """Revoke every token of an account; its forecasts stay."""

    async def work(database: Database, _settings: Settings) -> int:
        async with database.write() as session:
            return await tokens.revoke_all(session, name)

    click.echo(f"revoked {with_database(work)} tokens of {name!r}")
