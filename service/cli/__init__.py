"""The `credence` command: one module per resource, imported on demand."""

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
        "Show the state of workers, queued tasks and the latest fit.",
    ),
    "account": ("accounts:account", "Accounts and their tokens."),
    "questions": ("questions:question_sets", "Sets of questions."),
    "import": (
        "exchange:import_forecasts",
        "Import forecasts from another platform as a new set.",
    ),
    "export": (
        "exchange:export_folder",
        "Export forecasts as a folder with forecasts.csv and questions.csv.",
    ),
    "scores": ("scores:scores", "Rebuild scores from forecasts and resolutions."),
    "verify": (
        "verification:verify",
        "Verify the hash chains of forecasts, withdrawals and resolutions.",
    ),
    "backup": (
        "backup:back_up",
        "Write a consistent snapshot of the database to FILE while the service runs.",
    ),
    "restore": (
        "backup:restore",
        "Restore a backup into the configured database, which must be empty.",
    ),
    "fit": (
        "forecasting:fit",
        "Fit the model to all resolved questions; exits 1 if the fit is rejected or fails.",
    ),
    "aggregate": (
        "forecasting:aggregate",
        "Aggregate a folder of forecasts: one row per question without an outcome.",
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
        kind = "text"  # commands that need the settings report their errors
    request_logging.configure(kind)
