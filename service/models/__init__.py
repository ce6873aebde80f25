"""The tables, by feature. Facts are append-only; derivable state is not stored."""

from service.models.accounts import (
    Account,
    Allowance,
    BrowserSession,
    Invitation,
    Role,
    Token,
    TokenScope,
)
from service.models.background import (
    AuditEvent,
    IdempotentRequest,
    Task,
    TaskKind,
    TaskPiece,
    Worker,
)
from service.models.base import LARGEST_ID, Base, Utc
from service.models.comments import Comment, CommentRemoval, CommentRevision
from service.models.fits import Fit, FitStatus, ForecasterSummary
from service.models.forecasts import (
    Aggregate,
    Cause,
    ChainedFact,
    Forecast,
    Outcome,
    Resolution,
    Withdrawal,
)
from service.models.questions import (
    Implication,
    Question,
    QuestionRevision,
    QuestionSet,
    RevisionTag,
    SetPolicy,
    Visibility,
)
from service.models.scoring import FrozenEntry, FrozenLeaderboard, Score
from service.models.webhooks import Webhook, WebhookAttempt, WebhookDelivery

__all__ = [
    "LARGEST_ID",
    "Account",
    "Aggregate",
    "Allowance",
    "AuditEvent",
    "Base",
    "BrowserSession",
    "Cause",
    "ChainedFact",
    "Comment",
    "CommentRemoval",
    "CommentRevision",
    "Fit",
    "FitStatus",
    "Forecast",
    "ForecasterSummary",
    "FrozenEntry",
    "FrozenLeaderboard",
    "IdempotentRequest",
    "Implication",
    "Invitation",
    "Outcome",
    "Question",
    "QuestionRevision",
    "QuestionSet",
    "Resolution",
    "RevisionTag",
    "Role",
    "Score",
    "SetPolicy",
    "Task",
    "TaskKind",
    "TaskPiece",
    "Token",
    "TokenScope",
    "Utc",
    "Visibility",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "Withdrawal",
    "Worker",
]
