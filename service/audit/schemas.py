"""The audit log, as the API gives it."""

from datetime import datetime
from typing import Any

import msgspec

from service.audit.audit_log import Entry


class EntryOut(msgspec.Struct):
    """Something that was done; `by` is null for a set's file or somebody at the command line.

    `subject_id` is the account that it was done to. `details` says what was before and after, or
    what the evidence was.
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
