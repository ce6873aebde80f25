from html import escape
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from questions.claims import Claim, find_claims

REPORT = """\
# Northfell: a report

## 1. What was built

Since the 1990s the state has supplied the tunnel with rails. In 2019 the
northern portal was opened, and the mayor cut a ribbon.

## 2. What follows

### A. Traffic

Freight may move from road to rail, and the port of Norhaven could lose
trade, e.g. Timber. The canteen sells soup.
- Fares are expected to rise before 2030.
- The depot has forty lockers.

A late opening would mean:
- Higher fares,
- Fewer trains to Norhaven,
- A new loan from the Riksbank.
- Staff wear blue.

### B. The city

Norhaven remains dependent on the ferry. Unless a bridge is built, the ferry
will be overcrowded.

## 3. Summary

Freight could move from road to rail and the port of Norhaven may lose trade.
"""


def told(document: str, claims: list[Claim]) -> list[str]:
    return [" ".join(document[slice(*claim.places[0])].split()) for claim in claims]


def test_what_looks_forward_is_found_and_what_looks_back_is_not() -> None:
    assert told(REPORT, find_claims(REPORT)) == [
        (
            "Freight may move from road to rail, and the port of Norhaven could lose trade, "
            "e.g. Timber."
        ),
        "Fares are expected to rise before 2030.",
        "Higher fares,",
        "Fewer trains to Norhaven,",
        "A new loan from the Riksbank.",
        "Norhaven remains dependent on the ferry.",
        "Unless a bridge is built, the ferry will be overcrowded.",
    ]


@pytest.mark.parametrize(
    "narrow",
    [
        "Nothing was said of it.\nFreight may move from\nroad to rail, and the\nferry stays.",
        "Nothing was said of it.\nFreight may move from\nNorhaven to the north of\nthe land.",
    ],
)
def test_the_first_line_of_a_narrow_column_is_no_heading(narrow: str) -> None:
    (claim,) = find_claims(narrow)
    assert told(narrow, [claim])[0].startswith("Freight may move from ")
    assert claim.places[0].end == len(narrow)
    assert claim.section == "opening"


def test_a_heading_stands_above_its_text_without_a_blank_line() -> None:
    document = "Traffic in the north\nFreight may move from road to rail, and the ferry stays."
    assert [claim.section for claim in find_claims(document)] == ["Traffic in the north"]


def test_sections_are_named_by_number_and_letter() -> None:
    assert [claim.section for claim in find_claims(REPORT)] == [*["2A"] * 5, *["2B"] * 2]


def test_a_repetition_is_gathered_under_the_first() -> None:
    first, *others = find_claims(REPORT)
    starts = [REPORT[start:end].partition(" from")[0] for start, end in first.places]
    assert starts == ["Freight may move", "Freight could move"]
    assert all(len(claim.places) == 1 for claim in others)


def test_the_hedge_is_the_documents_own() -> None:
    hedges = [claim.hedge for claim in find_claims(REPORT)]
    assert hedges == ["may, could", "asserted", *["would"] * 3, "asserted", "will, unless"]


def test_an_item_stands_under_the_line_that_introduces_it() -> None:
    leads = [claim.lead and REPORT[slice(*claim.lead)] for claim in find_claims(REPORT)]
    assert leads == [None, None, *["A late opening would mean:"] * 3, None, None]


def test_actors_are_names_within_sentences() -> None:
    actors = {name for claim in find_claims(REPORT) for name in claim.actors}
    assert actors == {"Norhaven", "Riksbank"}


@pytest.mark.parametrize(
    "sentence",
    [
        "Iran may wait.",
        "Talks might end.",
        "A pause is possible.",
        "If asked, the union stays away.",
        "The union wants a seat.",
        "Prices are set to rise.",
        "This undermines the treaty.",
        "Closure risks a shortage.",
        "The pact locks in ten years of trade.",
        "It cannot afford a second line.",
    ],
)
def test_each_way_of_looking_forward_is_found(sentence: str) -> None:
    assert len(find_claims(sentence)) == 1


@pytest.mark.parametrize(
    "sentence",
    [
        "The mayor cut a ribbon on May 3, 2019.",
        "Three people attended.",
        "Since the 1990s the state has supplied rails and more.",
        "The tunnel is 9 km long.",
        "",
        "...",
    ],
)
def test_what_only_tells_is_left_alone(sentence: str) -> None:
    assert find_claims(sentence) == []


def test_line_ends_of_other_systems_change_nothing() -> None:
    document = REPORT.replace("\n", "\r\n")
    assert told(document, find_claims(document)) == told(REPORT, find_claims(REPORT))


HTML = """<!doctype html><html><head><title>It may be hidden.</title></head><body>
<script>if (x) { may(); }</script>
<h2>2. What follows</h2><h3>A. Traffic</h3>
<p>Freight <b>may</b> move to
rail &amp; sea. Nothing else.</p>
<p>A late opening would mean:</p>
<ul><li>Caf&eacute;s close</li><li>Fares&#32;rise</li></ul></body></html>"""


def test_html_is_read_with_offsets_into_its_source() -> None:
    claims = find_claims(HTML, "html")
    assert [HTML[slice(*claim.places[0])] for claim in claims] == [
        "Freight <b>may</b> move to\nrail &amp; sea.",
        "Caf&eacute;s close",
        "Fares&#32;rise",
    ]
    assert [claim.section for claim in claims] == ["2A"] * 3


WORDS = ["It may rain.", "It would:", "Fares, ", "rain", "e.g. ", "If so. ", "A. ", "- ", "1. "]
MARKS = ["# ", "\n", "\n\n", "\r\n", "\t", "  ", ":", "\u2026", "\U0001f9ed "]
PIECES = st.sampled_from(WORDS + MARKS)
documents = st.lists(PIECES, max_size=30).map("".join)


@settings(deadline=None)
@given(documents)
def test_places_are_sentences_of_the_document_that_do_not_overlap(document: str) -> None:
    places = sorted(place for claim in find_claims(document) for place in claim.places)
    for start, end in places:
        assert document[start:end] == document[start:end].strip() != ""
    assert all(one.end <= other.start for one, other in pairwise(places))


@settings(deadline=None)
@given(documents)
def test_html_gives_the_text_that_the_same_words_have(document: str) -> None:
    wrapped = f"<p>{escape('It may rain here.')}</p><pre>{escape(document)}</pre>"
    first, *_ = find_claims(wrapped, "html")
    assert wrapped[slice(*first.places[0])] == "It may rain here."


def test_every_item_of_a_long_list_is_found() -> None:
    items = "".join(f"- Route {i} closes, and line {i} too,\n" for i in range(400))
    (claim,) = find_claims(f"A delay would mean:\n{items}")
    assert len(claim.places) == 400
