"""Dependencies of handlers for questions: the aggregator and the submission queue."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import PathParameter, SkipValidation

from service.models import LARGEST_ID
from service.questions.aggregates import Aggregator
from service.questions.submissions import Submissions

AggregatorDep = NamedDependency[SkipValidation[Aggregator]]


SubmissionsDep = NamedDependency[SkipValidation[Submissions]]
QuestionId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the question's id")]
