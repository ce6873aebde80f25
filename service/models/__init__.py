"""The tables, by feature. Facts are appended, never edited; what can be derived is not stored."""

from service.models.accounts import (
    Account,
    Allowance,
    BrowserSession,
    Invitation,
    Role,
    Scope,
    Token,
)
from service.models.background import Act, IdempotentRequest, Task, TaskKind, TaskPiece, Worker
from service.models.base import LARGEST_ID, Base, Utc
from service.models.comments import Comment, CommentRemoval, CommentRevision
from service.models.fits import Fit, FitStatus, ForecasterSummary
from service.models.forecasts import (
    Aggregate,
    Cause,
    Forecast,
    Linked,
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
from service.models.scoring import FrozenLeaderboard, FrozenStanding, Score
from service.models.webhooks import Webhook, WebhookAttempt, WebhookDelivery

__all__ = [
    "LARGEST_ID",
    "Account",
    "Act",
    "Aggregate",
    "Allowance",
    "Base",
    "BrowserSession",
    "Cause",
    "Comment",
    "CommentRemoval",
    "CommentRevision",
    "Fit",
    "FitStatus",
    "Forecast",
    "ForecasterSummary",
    "FrozenLeaderboard",
    "FrozenStanding",
    "IdempotentRequest",
    "Implication",
    "Invitation",
    "Linked",
    "Outcome",
    "Question",
    "QuestionRevision",
    "QuestionSet",
    "Resolution",
    "RevisionTag",
    "Role",
    "Scope",
    "Score",
    "SetPolicy",
    "Task",
    "TaskKind",
    "TaskPiece",
    "Token",
    "Utc",
    "Visibility",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "Withdrawal",
    "Worker",
]
