"""The API of questions: one module per resource."""

from litestar import Router

from service.questions.api import aggregates, forecasts, questions, receipts

router = Router(
    path="/",
    route_handlers=[
        questions.Questions,
        questions.list_reminders,
        forecasts.QuestionForecasts,
        forecasts.BulkForecasts,
        receipts.Receipts,
        receipts.Heads,
        aggregates.Aggregates,
    ],
)
