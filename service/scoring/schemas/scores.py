"""API structs of scores and their breakdowns."""

import math
from datetime import UTC, datetime

import msgspec

from forecasting.scores import ScoreTerms
from service.models import Score


class ScoreOut(msgspec.Struct):
    """The scores of a forecaster or a pooling method on a question.

    `method` is null for a forecaster; `bayes` is the published aggregate, the others are the
    classic pools. Brier and log: lower is better, averages while a forecast was active. Baseline
    and peer: higher is better, weighted by coverage, the share of the question's life with an
    active forecast. `weight` is the weight of the question in a mean over questions.
    """

    forecaster_id: int | None
    forecaster: str | None
    method: str | None
    weight: float
    coverage: float
    brier: float | None
    log: float | None
    baseline: float | None
    peer: float | None
    spot_probability: float | None
    spot_brier: float | None
    spot_log: float | None
    spot_baseline: float | None
    spot_peer: float | None

    @classmethod
    def of(cls, row: Score, name: str | None) -> "ScoreOut":
        """From the row and its forecaster's name."""
        values = {field: getattr(row, field) for field in cls.__struct_fields__[2:]}
        return cls(forecaster_id=row.account_id, forecaster=name, **values)


class ScoreTermOut(msgspec.Struct):
    """A term of a score breakdown: an interval in which one forecast was active and counted.

    Summed over the terms, `share`, `baseline` and `peer` are the coverage, the baseline score and
    the peer score; `brier` and `log` summed and divided by the summed `share` are those scores.
    `others` is the mean number of other active forecasters. The times are null for questions
    without a scheduled close.
    """

    probability: float
    starts_at: datetime | None
    ends_at: datetime | None
    share: float
    brier: float
    log: float
    baseline: float
    peer: float
    others: float

    @classmethod
    def of(cls, terms: ScoreTerms, index: int) -> "ScoreTermOut":
        """From one of the terms."""
        columns = ("probability", "share", "brier", "log", "baseline", "peer", "others")
        return cls(
            starts_at=_moment(terms.start[index]),
            ends_at=_moment(terms.end[index]),
            **{column: float(getattr(terms, column)[index]) for column in columns},
        )


def _moment(seconds: float) -> datetime | None:
    return None if math.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)
