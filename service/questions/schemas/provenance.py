"""API structs of the provenance of an aggregate."""

from datetime import datetime

import msgspec

from service.models import Fit, Implication, QuestionRevision, QuestionSet
from service.questions.provenance import Chain, Share
from service.questions.schemas.aggregates import AggregateOut
from service.questions.schemas.questions import ResolutionOut


class ShareOut(msgspec.Struct):
    """A forecast that counts, with its share of the weight; the shares add up to 1."""

    id: int
    forecaster_id: int
    forecaster: str
    bot: bool
    probability: float
    created_at: datetime
    share: float

    @classmethod
    def of(cls, share: Share) -> "ShareOut":
        """From a forecast with its share."""
        entry = share.entry
        row = entry.forecast
        return cls(
            row.id,
            row.account_id,
            entry.account_name,
            entry.bot,
            row.probability,
            row.created_at,
            share.share,
        )


class SourceFit(msgspec.Struct):
    """The fit whose posterior weighted the forecasts; `/fits/{id}` gives its details."""

    id: int
    fingerprint: str
    data_hash: str
    seed: int
    resolutions: int
    forecasts: int
    forecasters: int
    finished_at: datetime

    @classmethod
    def of(cls, row: Fit | None) -> "SourceFit | None":
        """From the row; None without one."""
        if row is None:
            return None
        values = {name: getattr(row, name) for name in cls.__struct_fields__[:-1]}
        return cls(**values, finished_at=row.created_at)


class SourceRevision(msgspec.Struct):
    """The wording of the question at that time."""

    number: int
    content_hash: str
    title: str
    polarity: str
    why: str
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, row: QuestionRevision) -> "SourceRevision":
        """From the row."""
        return cls(*(getattr(row, name) for name in cls.__struct_fields__))


class SourceImplication(msgspec.Struct):
    """The implication that the question tests, and its place in the document."""

    slug: str
    section: str
    paraphrase: str
    hedge: str
    premise: str
    premise_note: str

    @classmethod
    def of(cls, row: Implication | None) -> "SourceImplication | None":
        """From the row; None without one."""
        return cls(*(getattr(row, name) for name in cls.__struct_fields__)) if row else None


class SourceDocument(msgspec.Struct):
    """The document from which the set was written; null where the set omits it."""

    set: str
    title: str | None
    date: str | None
    sha256: str | None
    origin: str | None

    @classmethod
    def of(cls, row: QuestionSet) -> "SourceDocument":
        """From the set."""
        return cls(row.slug, *(row.document.get(name) for name in cls.__struct_fields__[1:]))


class ProvenanceOut(msgspec.Struct):
    """The path from an aggregate to the document, and to the evidence once it is resolved.

    `fit` is null if the aggregate uses the prior. `forecasts` lists at most 200 forecasts that
    count, largest share first; `forecasts_left_out` is the number of the others.
    """

    question_id: int
    as_of: datetime
    aggregate: AggregateOut
    fit: SourceFit | None
    forecasts: list[ShareOut]
    forecasts_left_out: int
    revision: SourceRevision
    implication: SourceImplication | None
    document: SourceDocument
    resolution: ResolutionOut | None

    @classmethod
    def of(cls, chain: Chain) -> "ProvenanceOut":
        """From the chain."""
        view = chain.view
        return cls(
            question_id=view.id,
            as_of=chain.aggregate.as_of,
            aggregate=AggregateOut.of(view.id, chain.aggregate),
            fit=SourceFit.of(chain.fit),
            forecasts=[ShareOut.of(share) for share in chain.shares],
            forecasts_left_out=chain.left_out,
            revision=SourceRevision.of(view.revision),
            implication=SourceImplication.of(chain.implication),
            document=SourceDocument.of(chain.in_set),
            resolution=ResolutionOut.of(view.resolved),
        )
