"""The `credence` command: a file a noun."""

import click

from service import logs
from service.cli.accounts import account
from service.cli.backup import back_up, restore
from service.cli.command import Commands
from service.cli.exchange import export_folder, import_forecasts
from service.cli.forecasting import aggregate, backtest, fit
from service.cli.installation import init, serve, worker
from service.cli.jobs import jobs
from service.cli.questions import question_sets
from service.cli.scores import scores
from service.cli.verification import verify
from service.settings import Settings, SettingsError


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
    try:
        kind = Settings.from_environment().log_format
    except SettingsError:
        kind = "text"  # a command that needs the settings says what is wrong with them
    logs.configure(kind)


for command in (
    init,
    serve,
    worker,
    jobs,
    account,
    question_sets,
    import_forecasts,
    export_folder,
    scores,
    verify,
    back_up,
    restore,
    fit,
    aggregate,
    backtest,
):
    main.add_command(command)
