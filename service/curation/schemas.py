"""JSON bodies of curators' requests and responses."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from questions.lint import Finding, Severity
from service.curation.editing import Revised
from service.models import Visibility
from service.questions.schemas.questions import QuestionDetail
from service.web.openapi import example_body
from service.web.schemas import Id, Moment, NewOutcome, StoredText


class NewResolution(msgspec.Struct, forbid_unknown_fields=True):
    """The outcome of a question, as a curator reports it."""

    outcome: NewOutcome
    occurred_at: Moment | None = None
    evidence_url: StoredText = ""
    note: StoredText = ""


class NewQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """A question to add to a set; `question` has the same fields as in a set's file."""

    question: dict[str, Any]
    reason: StoredText = ""


class NewClosing(msgspec.Struct, forbid_unknown_fields=True):
    """An early close: the revision it is based on, and the reason."""

    based_on: Id
    reason: StoredText


class NewReopening(NewClosing, kw_only=True):
    """A reopening: the revision it is based on, the reason, and the later close."""

    closes_at: Moment


class NewRevision(NewClosing, kw_only=True):
    """An edit: `changes` maps the fields to change, as in a set's file, to new values."""

    changes: dict[str, Any]


class FindingOut(msgspec.Struct):
    """A lint finding for a question: rule, severity, problem, and suggested fix."""

    rule: str
    severity: Severity
    sentence: str
    fix: str

    @classmethod
    def of(cls, finding: Finding) -> "FindingOut":
        """From the lint's finding."""
        return cls(finding.rule, finding.severity, finding.sentence, finding.fix)


class EditedQuestion(QuestionDetail):
    """A question after an edit, with its lint findings."""

    findings: list[FindingOut]

    @classmethod
    def after(cls, detail: QuestionDetail, findings: Sequence[Finding]) -> "EditedQuestion":
        """From the question and the findings."""
        return cls(
            **{name: getattr(detail, name) for name in detail.__struct_fields__},
            findings=[FindingOut.of(finding) for finding in findings],
        )


class RevisionOut(msgspec.Struct):
    """A revision of a question; `revised_by` is null for revisions from the set's file.

    `changed` names the fields that differ from the previous revision.
    """

    number: int
    title: str
    created_at: datetime
    content_hash: str
    revised_by: str | None
    reason: str
    changed: list[str]

    @classmethod
    def of(cls, one: Revised) -> "RevisionOut":
        """From the revision with its author and changes."""
        row = one.revision
        return cls(
            row.number, row.title, row.created_at, row.content_hash, one.by, row.reason, one.changed
        )


class NewVisibility(msgspec.Struct, forbid_unknown_fields=True):
    """When forecasters may see others' forecasts, and the reason."""

    visibility: Visibility
    reason: StoredText
    reveal_at: Moment | None = None


example_body(
    NewResolution(
        "yes",
        datetime(2026, 11, 20, 12, tzinfo=UTC),
        "https://example.org/report",
        "The report's first table says so.",
    )
)
example_body(
    NewQuestion(
        {
            "slug": "battery-record",
            "implication": "battery-pace",
            "polarity": "supports",
            "why": "A record year would be the high pace that the document expects.",
            "kind": "binary",
            "title": "Will America add more than 20 GW of batteries before January 1, 2028?",
            "background": "It added 15 GW in 2025.",
            "background_as_of": "2026-11-01",
            "criteria": "This question resolves **Yes** if the first yearly report says so.",
            "fine_print": "Revisions after the first report do not count.",
            "domain": "storage",
            "window_starts_at": "2027-01-01T00:00:00Z",
            "deadline_at": "2028-01-01T00:00:00Z",
            "opens_at": "2026-11-01T00:00:00Z",
            "closes_at": "2027-12-01T00:00:00Z",
            "resolves_by": "2028-03-01T00:00:00Z",
        },
        reason="The document expects it.",
    )
)
example_body(NewRevision(1, "To say why.", changes={"why": "It would be the first such year."}))
example_body(NewClosing(1, "The report came early."))
example_body(
    NewReopening(1, "The report was withdrawn.", closes_at=datetime(2027, 4, 1, tzinfo=UTC))
)
example_body(
    NewVisibility(Visibility.after_forecast, "So that everyone thinks for themselves first.")
)
