import json
import tomllib
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from questions.load import read_set
from questions.schema import (
    Document,
    Implication,
    Question,
    QuestionSet,
    Review,
    Signature,
    Source,
    Waiver,
    dump_set,
    json_schema,
    question_hash,
)
from questions.text import clean_line, is_blank

SHIPPED = sorted((Path(__file__).parents[2] / "questions" / "sets").rglob("*.toml"))
CHARACTERS = st.characters(exclude_categories=["C", "Zl", "Zp"])
TEXTS = st.text(CHARACTERS, min_size=1, max_size=200).filter(lambda text: not is_blank(text))
AWKWARD = st.text(st.sampled_from("\"\\'#= é"), min_size=1, max_size=200).map(lambda s: f"a{s}")
BROKEN = st.text(st.sampled_from("\"\\\n\r\t'#= é"), min_size=1).map(lambda s: f"a{s}")
lines = (TEXTS | AWKWARD).map(clean_line)
texts = lines | BROKEN
slugs = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
rules = st.from_regex(r"Q[0-9]{2}", fullmatch=True)
zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=zones)  # noqa: DTZ001 - hypothesis wants naive bounds
days = st.dates(date(1000, 1, 1), date(9999, 12, 31))
sources = st.builds(
    Source,
    name=lines,
    url=slugs.map(lambda slug: f"https://{slug}.example/?q=%22"),
    role=st.sampled_from(["primary", "fallback", "context"]),
)


@st.composite
def questions_of(draw: st.DrawFn, implication: str, slug: str) -> Question:
    opens, closes, deadline, resolves = sorted(
        draw(st.lists(moments, min_size=4, max_size=4, unique_by=lambda at: at.timestamp()))
    )
    return Question(
        slug=slug,
        implication=implication,
        polarity=draw(st.sampled_from(["supports", "contradicts", "neutral"])),
        why=draw(texts),
        kind="binary",
        title=draw(lines),
        background=draw(texts),
        background_as_of=draw(days),
        criteria=draw(texts),
        fine_print=draw(texts),
        domain=draw(slugs),
        tags=tuple(draw(st.lists(slugs, max_size=3))),
        window_starts_at=opens,
        deadline_at=deadline,
        opens_at=opens,
        closes_at=closes,
        resolves_by=resolves,
        sources=tuple(draw(st.lists(sources, max_size=3))),
        weight=draw(st.floats(0, 1000, exclude_min=True)),
        tail=draw(st.booleans()),
        draft=draw(st.booleans()),
    )


@st.composite
def sets(draw: st.DrawFn) -> QuestionSet:
    implications = draw(
        st.lists(
            st.builds(
                Implication,
                slug=slugs,
                section=lines,
                paraphrase=texts,
                hedge=lines,
                actors=st.lists(lines, max_size=2).map(tuple),
                premise=st.sampled_from(["holds", "overtaken", "transformed"]),
                premise_note=texts,
                uncovered=st.just("") | texts,
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda implication: implication.slug,
        )
    )
    watched = st.sampled_from([implication.slug for implication in implications])
    return QuestionSet(
        version=1,
        slug=draw(slugs),
        title=draw(lines),
        description=draw(texts),
        defaults=draw(texts),
        document=draw(
            st.builds(
                Document,
                title=lines,
                date=st.none() | days,
                sha256=st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
                origin=texts,
                language=st.none() | st.sampled_from(["en", "pt-BR"]),
            )
        ),
        implications=tuple(implications),
        review=draw(
            st.none()
            | st.lists(
                st.builds(Signature, rule=rules, by=lines, on=days, note=st.just("") | texts),
                max_size=2,
            ).map(lambda signed: Review(signed=tuple(signed)))
        ),
        waivers=tuple(
            draw(
                st.lists(
                    st.builds(Waiver, rule=rules, reason=texts, question=st.none() | slugs),
                    max_size=2,
                )
            )
        ),
        questions=tuple(
            draw(questions_of(draw(watched), slug))
            for slug in draw(st.lists(slugs, max_size=3, unique=True))
        ),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sets())
def test_what_is_written_is_read_back_equal(written: QuestionSet) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{written.slug}.toml"
        file.write_text(dump_set(written), encoding="utf-8", newline="")
        assert read_set(file) == written


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sets())
def test_the_json_schema_accepts_what_is_written(written: QuestionSet) -> None:
    fields = tomllib.loads(dump_set(written))
    assert jsonschema_rs.is_valid(json_schema(), json.loads(msgspec.json.encode(fields)))


def test_the_json_schema_is_one_and_can_be_written_as_json() -> None:
    jsonschema_rs.meta.validate(json.loads(json.dumps(json_schema())))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_json_schema_accepts_the_shipped_files(file: Path) -> None:
    fields = json.loads(msgspec.json.encode(tomllib.loads(file.read_text("utf-8"))))
    validator = jsonschema_rs.validator_for(json_schema(), validate_formats=True)
    assert [error.message for error in validator.iter_errors(fields)] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Tunnel Opens"),
        ("polarity", "yes"),
        ("title", ""),
        ("deadline_at", "2028-01-01"),
        ("weight", 0),
        ("sources", [{"name": "Register", "url": "register.example", "role": "primary"}]),
    ],
)
def test_the_json_schema_refuses_what_the_structs_refuse(
    field: str, value: Any, question_set: QuestionSet
) -> None:
    fields = msgspec.to_builtins(question_set)
    fields["questions"][0][field] = value
    validator = jsonschema_rs.validator_for(json_schema(), validate_formats=True)
    assert not validator.is_valid(fields)


def test_the_json_schema_refuses_an_unknown_field(question_set: QuestionSet) -> None:
    fields = msgspec.to_builtins(question_set)
    assert jsonschema_rs.is_valid(json_schema(), fields)
    assert not jsonschema_rs.is_valid(json_schema(), fields | {"author": "me"})


def test_a_question_hashes_by_what_it_says(question: Question) -> None:
    east = timezone(timedelta(hours=3))
    moved = msgspec.structs.replace(question, opens_at=question.opens_at.astimezone(east))
    changed = msgspec.structs.replace(question, title=question.title + "!")
    assert question_hash(moved) == question_hash(question)
    assert question_hash(changed) != question_hash(question)
    assert len(question_hash(question)) == 64


def test_a_question_keeps_its_hash_over_releases(question: Question) -> None:
    """A changed hash would make every loaded question look revised."""
    plain = msgspec.structs.replace(
        question,
        title="Will it?",
        background="b",
        criteria="c",
        fine_print="f",
        why="w",
        sources=(Source(name="n", url="https://n.example", role="primary"),),
    )
    by_hand = {
        "background": "b",
        "background_as_of": "2026-10-07",
        "closes_at": "2027-12-31T00:00:00Z",
        "criteria": "c",
        "deadline_at": "2028-01-01T00:00:00Z",
        "domain": "transport",
        "fine_print": "f",
        "implication": "tunnel-late",
        "kind": "binary",
        "opens_at": "2026-11-01T00:00:00Z",
        "polarity": "contradicts",
        "resolves_by": "2028-01-31T00:00:00Z",
        "slug": "tunnel-opens",
        "sources": [{"name": "n", "role": "primary", "url": "https://n.example"}],
        "tags": ["rail", "northfell"],
        "title": "Will it?",
        "why": "w",
        "window_starts_at": "2027-01-01T00:00:00Z",
    }
    text = json.dumps(by_hand, separators=(",", ":"))
    assert question_hash(plain) == sha256(text.encode()).hexdigest()


def test_a_naive_moment_is_refused_outside_files_too(question: Question) -> None:
    naive = question.opens_at.replace(tzinfo=None)
    with pytest.raises(ValueError, match="opens_at must have an offset"):
        msgspec.structs.replace(question, opens_at=naive)


def test_a_set_can_be_a_key(question_set: QuestionSet) -> None:
    assert {question_set: 1}[msgspec.structs.replace(question_set)] == 1


def test_moments_out_of_order_are_refused_outside_files_too(question: Question) -> None:
    with pytest.raises(ValueError, match="closes_at must be after opens_at"):
        msgspec.structs.replace(question, opens_at=datetime(2030, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("field", ["title", "background", "why"])
@pytest.mark.parametrize("bad", ["a\x00b", "a\u202eb", "a\u200bb", "a\x1b[2Jb", "\u2800"])
def test_a_text_that_cannot_be_stored_is_refused_outside_files_too(
    field: str, bad: str, question: Question
) -> None:
    with pytest.raises(ValueError, match=f"{field} must not"):
        msgspec.structs.replace(question, **{field: bad})


def test_texts_are_kept_in_their_normal_form(question: Question) -> None:
    written = msgspec.structs.replace(
        question, title=" Will the cafe\u0301 open? ", criteria="One.\r\nTwo."
    )
    assert (written.title, written.criteria) == ("Will the caf\u00e9 open?", "One.\nTwo.")
