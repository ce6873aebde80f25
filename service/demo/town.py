"""A fictional town's harbour plan as a set of questions, with dates relative to the present.

Unlike the shipped sets, it has open, due, resolved and upcoming questions on any date.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from questions.schema import Document, Implication, Question, QuestionSet, Source

SLUG: Final = "port-aldery"
WEEKS: Final = 26
DAY: Final = timedelta(days=1)

IMPLICATIONS: Final = (
    Implication(
        slug="ferries-fill-up",
        section="1",
        paraphrase="More people take the ferries than the plan assumed.",
        hedge="may",
        actors=("the ferry company",),
    ),
    Implication(
        slug="tunnel-on-time",
        section="2",
        paraphrase="The harbour tunnel opens on schedule and people pay to use it.",
        hedge="is expected to",
        actors=("the city council", "the builders"),
    ),
    Implication(
        slug="fleet-turns-electric",
        section="3",
        paraphrase="The ferry fleet turns electric within two years.",
        hedge="could",
        actors=("the ferry company",),
    ),
    Implication(
        slug="quay-too-small",
        section="4",
        paraphrase="Container traffic outgrows the north quay.",
        hedge="might",
        actors=("the port authority",),
    ),
    Implication(
        slug="council-keeps-paying",
        section="5",
        paraphrase="The city council keeps paying for the plan.",
        hedge="should",
        actors=("the city council",),
        premise="transformed",
        premise_note="Since the plan was written, a regional fund pays a third of its costs.",
    ),
)


@dataclass(frozen=True, slots=True)
class Event:
    """A possible event between two days, counted from the present."""

    slug: str
    implication: str
    polarity: Literal["supports", "contradicts", "neutral"]
    title: str
    why: str
    opens: int
    closes: int
    reveal: int | None = None
    draft: bool = False


EVENTS: Final = (
    Event(
        "ferries-carry-12000",
        "ferries-fill-up",
        "supports",
        "Will the ferries of Port Aldery carry more than 12,000 passengers on one day",
        "A day above 12,000 is a tenth more than the plan assumed for its busiest day.",
        -60,
        30,
    ),
    Event(
        "tunnel-opens",
        "tunnel-on-time",
        "supports",
        "Will the harbour tunnel of Port Aldery open to traffic",
        "The date is the one that the plan gives for the opening.",
        -60,
        95,
    ),
    Event(
        "electric-ferry-in-service",
        "fleet-turns-electric",
        "supports",
        "Will an electric ferry carry paying passengers in Port Aldery",
        "The first electric ferry in service is the first step that the plan names.",
        -45,
        40,
    ),
    Event(
        "ships-wait-for-the-quay",
        "quay-too-small",
        "supports",
        "Will three container ships or more wait off Port Aldery on one day",
        "Ships wait when the north quay has no free berth.",
        -30,
        3,
    ),
    Event(
        "second-electric-ferry-ordered",
        "fleet-turns-electric",
        "supports",
        "Will the ferry company of Port Aldery order a second electric ferry",
        "A fleet that turns electric needs more than one such ship.",
        -60,
        180,
    ),
    Event(
        "council-extends-funding",
        "council-keeps-paying",
        "supports",
        "Will the council of Port Aldery vote to extend the harbour plan's budget",
        "A vote to extend the budget keeps the plan funded beyond this year.",
        -60,
        365,
    ),
    Event(
        "tunnel-toll-raised",
        "tunnel-on-time",
        "contradicts",
        "Will the council of Port Aldery set the tunnel's toll above four crowns",
        "At more than four crowns the council's own study expects drivers to stay away.",
        -20,
        60,
        reveal=20,
    ),
    Event(
        "record-month-at-the-quay",
        "quay-too-small",
        "supports",
        "Will the north quay of Port Aldery handle 40,000 containers in one month",
        "The quay was built for 38,000 a month.",
        -60,
        25,
    ),
    Event(
        "night-ferry-starts",
        "ferries-fill-up",
        "supports",
        "Will a night ferry leave Port Aldery",
        "The company starts a night line only if the day lines are full.",
        -2,
        75,
    ),
    Event(
        "bridge-referendum",
        "council-keeps-paying",
        "contradicts",
        "Will Port Aldery hold a referendum on a bridge in place of the tunnel",
        "A bridge would take its money from the plan.",
        14,
        120,
    ),
    Event(
        "pier-museum",
        "ferries-fill-up",
        "neutral",
        "Will the museum on the old pier of Port Aldery reopen",
        "A museum says little about ferries; the question is a draft.",
        -2,
        200,
        draft=True,
    ),
    Event(
        "harbour-fees-raised",
        "quay-too-small",
        "contradicts",
        "Will the port authority of Port Aldery raise its fees",
        "Higher fees send ships to other ports.",
        -50,
        -2,
    ),
    Event(
        "storm-closes-the-port",
        "quay-too-small",
        "neutral",
        "Will a storm close the port of Port Aldery for a day",
        "Weather says nothing about the size of the quay.",
        -80,
        -20,
    ),
    Event(
        "ferry-company-sold",
        "fleet-turns-electric",
        "contradicts",
        "Will the ferry company of Port Aldery be sold",
        "A new owner would look at every order again.",
        -80,
        -15,
    ),
    Event(
        "tunnel-breakthrough",
        "tunnel-on-time",
        "supports",
        "Will the two halves of the harbour tunnel of Port Aldery meet",
        "The tunnel cannot open before its halves have met.",
        -80,
        -10,
    ),
)


def harbour_plan(at: datetime) -> QuestionSet:
    """Build the set as of an aware time `at`."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return QuestionSet(
        version=1,
        slug=SLUG,
        title="Simulated: the harbour plan of Port Aldery",
        description=(
            "Port Aldery is a fictional town. Its harbour plan, these questions, the people who "
            "forecast on them and the outcomes are simulated for this demonstration."
        ),
        defaults="Days begin and end at midnight UTC.",
        document=Document(title="The harbour plan of Port Aldery", origin="fiction"),
        implications=IMPLICATIONS,
        questions=(*(_question(one, midnight) for one in EVENTS), *_weekly(midnight)),
    )


def _question(event: Event, midnight: datetime) -> Question:
    deadline = midnight + event.closes * DAY
    return _written(
        slug=event.slug,
        implication=event.implication,
        polarity=event.polarity,
        why=event.why,
        title=f"{event.title} before {deadline:%B} {deadline.day}, {deadline.year}?",
        opens_at=midnight + event.opens * DAY,
        deadline_at=deadline,
        reveal_at=None if event.reveal is None else midnight + event.reveal * DAY,
        draft=event.draft,
    )


def _weekly(midnight: datetime) -> Iterator[Question]:
    """Build one question for each past week, for calibration and leaderboards."""
    for week in range(WEEKS, 0, -1):
        begins = midnight - 7 * (week + 1) * DAY
        yield _written(
            slug=f"passengers-week-{WEEKS + 1 - week}",
            implication="ferries-fill-up",
            polarity="neutral",
            why="One week of passengers says little about the plan's year.",
            title=(
                "Will the ferries of Port Aldery carry more than 60,000 passengers in the seven "
                f"days from {begins:%B} {begins.day}, {begins.year}?"
            ),
            opens_at=begins - 3 * DAY,
            deadline_at=begins + 7 * DAY,
        )


def _written(
    *,
    slug: str,
    implication: str,
    polarity: Literal["supports", "contradicts", "neutral"],
    why: str,
    title: str,
    opens_at: datetime,
    deadline_at: datetime,
    reveal_at: datetime | None = None,
    draft: bool = False,
) -> Question:
    return Question(
        slug=slug,
        implication=implication,
        polarity=polarity,
        why=why,
        kind="binary",
        title=title,
        background=(
            "Port Aldery is a fictional harbour town. Its ferries carried 55,000 passengers in a "
            "usual week of last year, and its north quay handled 35,000 containers in a month."
        ),
        background_as_of=opens_at.date(),
        criteria=(
            "Resolves **Yes** if the event in the title happens from the opening of the question "
            "until the deadline, according to the town's gazette, and **No** otherwise."
        ),
        fine_print="The gazette of the day after the deadline decides; later corrections do not.",
        domain="harbour",
        tags=("port-aldery", "simulated"),
        window_starts_at=opens_at,
        deadline_at=deadline_at,
        opens_at=opens_at,
        closes_at=deadline_at,
        resolves_by=deadline_at + 14 * DAY,
        reveal_at=reveal_at,
        sources=(
            Source(
                name="The gazette of Port Aldery (fictional)",
                url="https://gazette.example/",
                role="primary",
            ),
        ),
        draft=draft,
    )
