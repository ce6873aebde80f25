"""`credence fit`, `aggregate` and `backtest`."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from forecasting.csv_io import Dialect
from forecasting.panel import Panel
from forecasting.posterior import Posterior
from service.cli.command import (
    reads_tables,
    require_folder_of,
    require_worker,
    sentences,
    with_database,
)
from service.cli.group import Sentence, echo
from service.database.engine import Database
from service.fits import batch
from service.settings import Settings


@click.command(epilog="Example: credence fit")
def fit() -> None:
    """Fit the model to all resolved questions; exits 1 if the fit is rejected or fails."""
    require_worker()
    from service.background.worker import Sampler, fit_once  # noqa: PLC0415  # the job engine is slow to import

    async def work(database: Database, settings: Settings) -> Any:
        sampler = Sampler()
        try:
            return await fit_once(database, settings, sampler)
        finally:
            sampler.close()

    made = with_database(work)
    if made.status != "accepted":
        raise Sentence(f"fit {made.id} was {made.status}: {made.reason}")
    echo(
        f"fit {made.id} accepted: {made.questions} questions, {made.forecasts} forecasts of "
        f"{made.forecasters} forecasters; fingerprint {made.fingerprint[:12]}"
    )


@click.command(epilog="Example: credence aggregate data/replication_surveys -o aggregates.csv")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The CSV to write."
)
@click.option(
    "--all-methods", is_flag=True, help="Write one row per method instead of only `bayes`."
)
@reads_tables
def aggregate(folder: Path, *, output: Path, all_methods: bool, dialect: Dialect) -> None:
    """Aggregate a folder of forecasts: one row per question without an outcome.

    The model learns from the folder's resolved questions.
    """
    with sentences():
        settings = Settings.from_environment()
        require_folder_of(output)
        panel = Panel.read(folder, dialect)
        posterior = _posterior(panel, settings)
        rows = batch.aggregate(
            panel, posterior, level=settings.interval_level, all_methods=all_methods
        )
        batch.write(output, rows)
    echo(f"{output}: {len(rows)} rows")


def _posterior(panel: Panel, settings: Settings) -> Posterior:
    """Fit to the folder's resolved questions; report a rejected fit and use the prior instead."""
    if np.isnan(panel.outcome).all():
        return Posterior.prior(seed=settings.fit_seed)
    from forecasting.fit import FitRefused, fit  # noqa: PLC0415  # PyMC is slow to import

    try:
        return fit(
            panel,
            seed=settings.fit_seed,
            chains=settings.fit_chains,
            draws=settings.fit_draws,
            tune=settings.fit_tune,
            progress=lambda line: echo(line, err=True),
        )
    except FitRefused as refusal:
        echo(f"credence: {refusal.reason}; using the prior instead", err=True)
        return Posterior.prior()


@click.command(
    epilog="Example: credence backtest data/replication_surveys -o table.csv --plot table.svg"
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the table here.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Also draw each pool's difference from the model here, as .svg or .png.",
)
@click.option(
    "--kind",
    type=click.Choice(["replay", "folds"]),
    help="As known at each time, or folds over questions; default: replay where possible.",
)
@click.option(
    "--folds", default=5, show_default=True, type=click.IntRange(2), help="Number of folds."
)
@click.option(
    "--seed", default=0, show_default=True, help="Random seed of folds, fits and resampling."
)
@reads_tables
def backtest(
    folder: Path,
    *,
    output: Path | None,
    plot: Path | None,
    kind: str | None,
    folds: int,
    seed: int,
    dialect: Dialect,
) -> None:
    """Compare the model with every pool on a folder's resolved questions, without leaks.

    Scores are means over the same questions; the difference's interval resamples questions.
    """
    from forecasting import backtest as run  # noqa: PLC0415  # slow to import
    from forecasting import charts  # noqa: PLC0415  # likewise

    with sentences():
        for path in (output, plot):
            if path is not None:
                require_folder_of(path)
        if plot is not None and plot.suffix.lower() not in charts.KINDS:
            raise Sentence(f"{plot}: a plot ends in {' or '.join(charts.KINDS)}")
        panel = Panel.read(folder, dialect)
        try:
            done = run(
                panel,
                seed=seed,
                folds=folds,
                kind=kind,
                progress=lambda line: echo(line, err=True),
            )
        except ValueError as error:
            raise Sentence(str(error)) from error
        rows = done.rows()
        echo(f"{done.kind}, {rows[0].questions} questions, {done.refused} refused fits")
        echo(f"{'method':<28}{'log':>8}{'brier':>8}{'slope':>8}{'behind bayes by':>18}  95%")
        for row in rows:
            echo(
                f"{row.method:<28}{row.log:8.4f}{row.brier:8.4f}{row.slope:8.2f}"
                f"{row.behind:18.4f}  [{row.lower:.4f}, {row.upper:.4f}]"
            )
        if output is not None:
            done.write(output)
        if plot is not None:
            charts.write(charts.behind(rows), plot)
