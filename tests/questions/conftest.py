from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from questions.schema import (
    Document,
    Implication,
    Question,
    QuestionSet,
    Source,
    dump_set,
)


@pytest.fixture
def question() -> Question:
    """A question that breaks no rule."""
    return Question(
        slug="tunnel-opens",
        implication="tunnel-late",
        polarity="contradicts",
        why="A tunnel that opens in 2027 is not late.",
        kind="binary",
        title="Will the Northfell rail tunnel open to passengers before January 1, 2028?",
        background=(
            "As of October 2026, both tubes of the Northfell rail tunnel have been bored and track "
            "is being laid from the northern portal. The operator's last published timetable puts "
            "trial runs in the spring of 2027 and the first passenger train in the autumn of that "
            "year. Two earlier timetables named 2024 and 2025; each was replaced about ten months "
            "before its date. The supreme court turned down the last pending appeal in August 2026."
        ),
        background_as_of=date(2026, 10, 7),
        criteria=(
            "Resolves **Yes** if at least one scheduled passenger train runs through the whole "
            "Northfell rail tunnel between January 1, 2027, 00:00 UTC, and January 1, 2028, "
            "00:00 UTC, according to the operator's register of train runs. If the register "
            "cannot be read, reports by Reuters and by the Associated Press take its place, "
            "in that order. Otherwise it resolves **No**."
        ),
        fine_print=(
            "- A train is *scheduled* when it stands in the published timetable on its day.\n"
            "- A special train for guests does not count.\n"
            "- A train that turns back inside the tunnel does not count.\n"
            "- If the tunnel is renamed, the question follows the structure, not the name.\n\n"
            "The register's entry governs, not what passengers say. Without an entry by the "
            "resolution date the answer is No.\n\n"
            "Ambiguous: the register and both agencies contradict one another and the truth "
            "cannot be known. Annulled: the project is given up before the window opens."
        ),
        domain="transport",
        tags=("rail", "northfell"),
        window_starts_at=datetime(2027, 1, 1, tzinfo=UTC),
        deadline_at=datetime(2028, 1, 1, tzinfo=UTC),
        opens_at=datetime(2026, 11, 1, tzinfo=UTC),
        closes_at=datetime(2027, 12, 31, tzinfo=UTC),
        resolves_by=datetime(2028, 1, 31, tzinfo=UTC),
        sources=(
            Source(name="Register of train runs", url="https://register.example/", role="primary"),
            Source(name="Reuters", url="https://www.reuters.com/", role="fallback"),
            Source(name="Associated Press", url="https://apnews.com/", role="fallback"),
        ),
    )


@pytest.fixture
def question_set(question: Question) -> QuestionSet:
    """A set of one question and one implication."""
    return QuestionSet(
        version=1,
        slug="northfell",
        title="The Northfell tunnel",
        description="What a report on the tunnel says may happen.",
        defaults="Before a date means before 00:00 UTC on it.",
        document=Document(title="Northfell: a report", origin="Written for these tests."),
        implications=(
            Implication(
                slug="tunnel-late",
                section="1",
                paraphrase="The tunnel misses its date again.",
                hedge="may",
                actors=("Northfell Rail",),
            ),
        ),
        questions=(question,),
    )


@pytest.fixture
def set_folder(tmp_path: Path, question_set: QuestionSet) -> Path:
    """The set as a folder: `set.toml` and `transport.toml`."""
    folder = tmp_path / "northfell"
    folder.mkdir()
    head, questions = dump_set(question_set).split("\n[[questions]]", maxsplit=1)
    (folder / "set.toml").write_text(head, encoding="utf-8")
    (folder / "transport.toml").write_text(f"[[questions]]{questions}", encoding="utf-8")
    return folder
