"""The `credence` command: a file a noun, each imported when one of its commands is called."""

from typing import Final

import click

from service import logs
from service.cli.command import Commands
from service.settings import Settings, SettingsError

WHERE: Final = {
    "init": "installation:init",
    "serve": "installation:serve",
    "worker": "installation:worker",
    "jobs": "jobs:jobs",
    "account": "accounts:account",
    "questions": "questions:question_sets",
    "import": "exchange:import_forecasts",
    "export": "exchange:export_folder",
    "scores": "scores:scores",
    "verify": "verification:verify",
    "backup": "backup:back_up",
    "restore": "backup:restore",
    "fit": "forecasting:fit",
    "aggregate": "forecasting:aggregate",
    "backtest": "forecasting:backtest",
}
"""The file and the name of each command."""


@click.group(
    "credence",
    cls=Commands,
    where={name: f"service.cli.{place}" for name, place in WHERE.items()},
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
