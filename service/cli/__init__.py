"""The `credence` command: one module per noun, imported when one of its commands is called."""

from typing import Final

import click

from service.cli.group import Commands, Lazy

COMMANDS: Final = {
    "init": (
        "installation:init",
        "Migrate, load the shipped sets and create the first administrator.",
    ),
    "serve": (
        "installation:serve",
        "Serve the API and the pages, with a worker as a child process.",
    ),
    "demo": (
        "demo:demo",
        "Fill a throwaway database with a lively example and serve it on this machine.",
    ),
    "worker": ("installation:worker", "Run the background jobs (refits) until stopped."),
    "jobs": (
        "jobs:jobs",
        "Say what the workers do, what waits for them, and what became of the latest fit.",
    ),
    "account": ("accounts:account", "Accounts and their tokens."),
    "questions": ("questions:question_sets", "Sets of questions."),
    "import": (
        "exchange:import_forecasts",
        "Import forecasts from elsewhere as a set of their own.",
    ),
    "export": (
        "exchange:export_folder",
        "Export forecasts as a folder with forecasts.csv and questions.csv.",
    ),
    "scores": ("scores:scores", "Scores, which are derived from the facts."),
    "verify": (
        "verification:verify",
        "Check that forecasts, withdrawals and resolutions are what was stored, and in that order.",
    ),
    "backup": (
        "backup:back_up",
        "Write one consistent moment of the database to FILE, while the service goes on.",
    ),
    "restore": (
        "backup:restore",
        "Put a backup into the database of the settings, which must be new; all or nothing.",
    ),
    "fit": (
        "forecasting:fit",
        "Fit the model to everything resolved by now; exits 1 when the fit is refused or fails.",
    ),
    "aggregate": (
        "forecasting:aggregate",
        "Aggregate a folder of forecasts: a row for every question without an outcome.",
    ),
    "backtest": (
        "forecasting:backtest",
        "Compare the model with every pool on a folder's resolved questions, without leaks.",
    ),
}
"""The module and the name of each command, and the first line of its help."""


@click.group(
    "credence",
    cls=Commands,
    lazy={
        name: Lazy(f"service.cli.{place.partition(':')[0]}", place.partition(":")[2], summary)
        for name, (place, summary) in COMMANDS.items()
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="credence-forecasts")
def main() -> None:
    """Credence: from a brief to resolvable questions, pooled forecasts and scores.

    The database is CREDENCE_DATABASE_URL (default: sqlite:///credence.db in this folder).
    """
    from service.settings import Settings, SettingsError  # noqa: PLC0415
    from service.web import request_logging  # noqa: PLC0415  # listing the commands needs neither of these

    try:
        kind = Settings.from_environment().log_format
    except SettingsError:
        kind = "text"  # a command that needs the settings says what is wrong with them
    request_logging.configure(kind)
