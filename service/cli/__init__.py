"""The `credence` command: a file a noun."""

import logging

import click

from service.cli.accounts import account
from service.cli.command import Commands
from service.cli.exchange import export_folder, import_forecasts
from service.cli.forecasting import aggregate, backtest, fit
from service.cli.installation import init, serve, worker
from service.cli.questions import question_sets
from service.cli.scores import scores
from service.cli.verification import verify


@click.group(
    "credence",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="credence-forecasts")
def main() -> None:
    """Credence: from a brief to resolvable questions, pooled forecasts and scores.

    The database is CREDENCE_DATABASE_URL (default: sqlite:///credence.db in this folder).
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # HTTPX would log the addresses of webhooks, which may hold their owners' secrets.
    for loud in ("alembic", "arviz", "dbos", "httpx"):
        logging.getLogger(loud).setLevel(logging.WARNING)


for command in (
    init,
    serve,
    worker,
    account,
    question_sets,
    import_forecasts,
    export_folder,
    scores,
    verify,
    fit,
    aggregate,
    backtest,
):
    main.add_command(command)
