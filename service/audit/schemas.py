"""API structs of the audit log."""

from datetime import datetime
from typing import Any

import msgspec

from service.audit.audit_log import Entry


class EntryOut(msgspec.Struct):
    """A recorded action; `by` is null for the file of a set and for the command line.

    `subject_id` is the affected account. `details` contains the state before and after, or the
    evidence.
    """

    at: datetime
    action: str
    by: str | None
    by_id: int | None
    set: str | None
    question_id: int | None
    comment_id: int | None
    subject_id: int | None
    reason: str
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> "EntryOut":
        """From the entry."""
        return cls(
            entry.place.at,
            entry.action,
            entry.by,
            entry.by_id,
            entry.set_slug,
            entry.question_id,
            entry.comment_id,
            entry.subject_id,
            entry.reason,
            entry.details,
        )
