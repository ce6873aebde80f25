"""Whatever happens later, an answer as known at a moment stays; scores are rebuilt to the byte."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from forecasting.posterior import FORMAT, Posterior
from service.clock import now
from service.database.engine import Database
from service.models import Fit, FitStatus
from service.questions.aggregates import BAYES
from service.scoring import scores

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2027, 1, 1, tzinfo=UTC)
LIFE = 10 * DAY
BETWEEN_EXAMPLES = 100 * DAY
BELIEFS = (Posterior.prior(), Posterior.prior(seed=2))

who = st.sampled_from(["ann", "bob", "bot"])
which = st.sampled_from(["rain", "snow"])
EVENTS = st.one_of(
    st.tuples(
        st.just("submit"),
        which,
        who,
        st.sampled_from([0.0, 0.03, 0.4, 0.75, 1.0]),
        st.sampled_from([None, 30 * HOUR, 3 * DAY]),
    ),
    st.tuples(st.just("withdraw"), which, who),
    st.tuples(st.just("close"), which),
    st.tuples(st.just("reopen"), which, st.sampled_from([2 * DAY, 9 * DAY])),
    st.tuples(
        st.just("resolve"),
        which,
        st.sampled_from(["yes", "no", "ambiguous", "annulled"]),
        st.sampled_from([None, HOUR, 3 * DAY]),
    ),
    st.tuples(st.just("unresolve"), which),
    st.tuples(
        st.just("revise"),
        which,
        st.sampled_from([{"weight": 0.5}, {"weight": 2.0}, {"tags": ["wet"]}, {"title": "Rain?"}]),
    ),
    st.tuples(st.just("fit"), st.sampled_from(BELIEFS)),
)
GAPS = st.sampled_from([timedelta(0), HOUR, 25 * HOUR, 2 * DAY])
LIVES = st.lists(st.tuples(GAPS, EVENTS), min_size=8, max_size=12)
EVENTFUL: list[tuple[timedelta, Any]] = [
    (HOUR, ("submit", "rain", "ann", 0.75, 30 * HOUR)),
    (HOUR, ("withdraw", "rain", "bob")),
    (HOUR, ("submit", "snow", "bob", 0.03, None)),
    (2 * DAY, ("fit", BELIEFS[1])),
    (HOUR, ("close", "snow")),
    (HOUR, ("reopen", "snow", 9 * DAY)),
    (HOUR, ("submit", "snow", "ann", 0.4, None)),
    (25 * HOUR, ("resolve", "snow", "yes", 30 * HOUR)),
    (HOUR, ("resolve", "rain", "no", None)),
    (timedelta(0), ("fit", BELIEFS[0])),
    (HOUR, ("unresolve", "snow")),
    (HOUR, ("revise", "snow", {"weight": 2.0, "tags": ["wet"]})),
    (HOUR, ("submit", "snow", "bot", 1.0, None)),
    (25 * HOUR, ("resolve", "snow", "no", HOUR)),
    (HOUR, ("unresolve", "rain")),
    (HOUR, ("resolve", "rain", "yes", 2 * DAY)),
]
"""Everything that can happen, and a question that is resolved again, otherwise, as of earlier."""


class Life:
    """Two questions, three forecasters and a curator, through the API."""

    def __init__(self, people: dict[str, Any], curator: Any, ids: dict[str, int], fit: Any) -> None:
        self.people, self.curator, self.ids, self.fit = people, curator, ids, fit
        self.done: Counter[str] = Counter()

    def happen(self, kind: str, *told: Any) -> None:
        """Let something happen, if the service allows it now."""
        if kind == "fit":
            self.fit(*told)
            self.done[kind] += 1
            return
        answer = getattr(self, kind)(self.ids[told[0]], *told[1:])
        assert answer.status_code < 300 or answer.status_code in {409, 422}, answer.text
        self.done[kind] += answer.status_code < 300

    def submit(self, one: int, who: str, said: float, stands: timedelta | None) -> Any:
        expires_at = (now() + stands).isoformat() if stands else None
        return self.people[who].forecast(one, said, expires_at=expires_at)

    def withdraw(self, one: int, who: str) -> Any:
        return self.people[who]("DELETE", f"/questions/{one}/forecasts/current")

    def close(self, one: int) -> Any:
        return self._edit(one, "closing")

    def reopen(self, one: int, longer: timedelta) -> Any:
        self.close(one)
        return self._edit(one, "reopening", closes_at=(now() + longer).isoformat())

    def revise(self, one: int, changes: dict[str, Any]) -> Any:
        return self._edit(one, "revisions", changes=changes)

    def resolve(self, one: int, outcome: str, ago: timedelta | None) -> Any:
        occurred_at = (now() - ago).isoformat() if ago else None
        return self.curator.resolve(one, outcome, occurred_at=occurred_at)

    def unresolve(self, one: int) -> Any:
        return self.curator("DELETE", f"/questions/{one}/resolution?reason=An+error.")

    def _edit(self, one: int, how: str, **told: Any) -> Any:
        number = self.curator.get(f"/questions/{one}").json()["revision"]
        return self.curator.post(
            f"/questions/{one}/{how}", {"based_on": number, "reason": "So.", **told}
        )

    def as_known_at(self, at: datetime) -> dict[str, str]:
        """Every answer as known at a moment, to the byte, by what was asked."""
        asked = [
            "/sets/almanac?",
            "/leaderboard?set=almanac&pools=true&score=peer&limit=200&",
            "/leaderboard?set=almanac&tag=wet&score=brier&limit=200&",
            "/calibration?set=almanac&",
        ]
        for one in self.ids.values():
            asked += [f"/questions/{one}/aggregate?method={how}&" for how in (BAYES, "median")]
            asked += [
                f"/questions/{one}/{what}"
                for what in ("aggregate/history?limit=200&", "scores?limit=200&", "provenance?")
            ]
        answers = {}
        for path in asked:
            moment = at.isoformat().replace("+00:00", "Z")
            answer = self.curator("GET", f"{path}as_of={moment}")
            assert answer.status_code == 200, (path, answer.text)
            answers[path] = answer.text
        return answers


@pytest.mark.slow
def test_later_rows_never_change_an_answer_as_known_at_a_moment(
    account, curator, sky, on_database, examples
) -> None:
    people = {name: account(name, bot=name == "bot") for name in ("ann", "bob", "bot")}
    done: Counter[str] = Counter()
    lives = 0

    def store(belief: Posterior) -> None:
        on_database(lambda database: _store_fit(database, belief))

    def live(events: list[tuple[timedelta, Any]]) -> None:
        nonlocal lives
        lives += 1
        at = opens_at = START + lives * BETWEEN_EXAMPLES
        with time_machine.travel(at, tick=False):
            names = {name: f"{name}-{lives}" for name in ("rain", "snow")}
            moments = {
                "opens_at": opens_at,
                "window_starts_at": opens_at,
                "closes_at": opens_at + LIFE,
                "deadline_at": opens_at + 3 * LIFE,
                "resolves_by": opens_at + 4 * LIFE,
            }
            ids = sky(**dict.fromkeys(names.values(), moments))
            life = Life(people, curator, {name: ids[slug] for name, slug in names.items()}, store)
            for place, name in enumerate(("ann", "bob", "bot")):
                life.happen("submit", "rain", name, 0.2 + place / 5, None)
        known = {}
        for gap, event in events:
            if gap:
                with time_machine.travel(at + gap / 2, tick=False):
                    known[at + gap / 2] = life.as_known_at(at + gap / 2)
            at += gap
            with time_machine.travel(at, tick=False):
                life.happen(*event)
        with time_machine.travel(at + 2 * LIFE, tick=False):
            rebuilt = on_database(_rebuild)
            assert rebuilt.before == rebuilt.after
            for moment, answers in known.items():
                assert life.as_known_at(moment) == answers, moment
        done.update(life.done)

    run = settings(
        max_examples=examples(2),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )(example(EVENTFUL)(given(LIVES)(live)))
    run()
    allowed = {"submit", "withdraw", "close", "reopen", "resolve", "unresolve", "revise", "fit"}
    assert done.keys() == allowed
    assert all(done.values()), done


async def _rebuild(database: Database) -> scores.Rebuilt:
    async with database.write() as session:
        return await scores.rebuild(session)


async def _store_fit(database: Database, belief: Posterior) -> None:
    async with database.write() as session:
        session.add(
            Fit(
                status=FitStatus.accepted,
                reason="",
                resolutions=0,
                questions=0,
                forecasts=0,
                forecasters=0,
                data_hash="0" * 64,
                fingerprint=belief.fingerprint,
                seed=1,
                priors={},
                versions={},
                format=FORMAT,
                diagnostics={},
                started_at=now(),
                created_at=now(),
                posterior=belief.to_bytes(),
            )
        )
