"""What handlers are given of questions: the aggregator and the queue of submissions."""

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from service.questions.aggregates import Aggregator
from service.questions.submissions import Submissions

Pooling = NamedDependency[SkipValidation[Aggregator]]


Submitting = NamedDependency[SkipValidation[Submissions]]
