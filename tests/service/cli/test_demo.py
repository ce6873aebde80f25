"""The demonstration: it has life on every page, on any day, and leaves one's own database alone."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from service.database.engine import Database
from service.demo.population import populate
from service.questions import questions
from service.questions.questions import State

pytestmark = pytest.mark.slow

YEARS_AHEAD = [0, 1, 5]


async def _states(database: Database) -> dict[str, set[str]]:
    """The slugs of the questions in each state."""
    async with database.read() as session:
        views = await questions.views(session, questions.views_query(None))
    at = datetime.now(UTC)
    return {
        state: {view.question.slug for view in views if view.state(at) is state} for state in State
    }


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("years", YEARS_AHEAD)
def test_on_any_day_there_are_questions_in_every_state(settings, on_database, years: int) -> None:
    async def fill(database: Database) -> dict[str, set[str]]:
        await populate(database, settings, "any password")
        return await _states(database)

    with time_machine.travel(datetime.now(UTC) + timedelta(days=365 * years)):
        states = on_database(fill)
    assert {"ferries-carry-12000", "tunnel-opens", "night-ferry-starts"} <= states[State.open]
    assert "bridge-referendum" in states[State.upcoming]
    assert "harbour-fees-raised" in states[State.closed]
    assert "pier-museum" in states[State.draft]
    assert len(states[State.resolved]) > 100
    assert {"storm-closes-the-port", "ferry-company-sold"} <= states[State.resolved]
