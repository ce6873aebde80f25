"""Extraction of a document's forward-looking claims, with their places in its text.

Claims are detected by English wording: modal verbs and other hedges, conditions, aims, forecasts,
risks and consequences, and, as the weakest signal, assertions about a continuing state.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final, Literal, NamedTuple

from questions.documents import Markup, html_text
from questions.prose import phrases

MAX_HEADING_WORDS: Final = 12
MAX_LABEL_WORDS: Final = 6
MAX_ACTORS: Final = 4
ALIKE: Final = 0.5
STEM: Final = 6

HEDGES: Final = phrases(
    "may(?! \\d)|might|could|would|should|shall|will|can|cannot|can't|won't|must",
    "possibl[ey]|potential(?:ly)?|perhaps|probabl[ey]|(?:un)?likely|conceivabl[ey]",
    "appears? to|seems? to|tends? to",
)
CONDITIONS: Final = phrases(
    "if|unless|in case|in the event|provided that|as long as|depend(?:s|ing) on|otherwise"
)
AIMS: Final = phrases(
    "(?:aim|seek|want|plan|intend|hope|attempt|prepare|strive|try|tries|wish|prefer|pursue)(?:s|es)?",
    "(?:aiming|seeking|planning|intending|preparing|trying|hoping|looking|pursuing)",
    "prioriti[sz](?:e|es|ing)|avoid(?:s|ing)?|retains?|refus(?:e|es|ing)|reluctant|unwilling",
)
FORECASTS: Final = phrases(
    "expect(?:s|ed)?|forecasts?|predict(?:s|ed)?|anticipat(?:e|es|ed)|project(?:s|ed) (?:to|that)",
    "foresee(?:s|n)?|foreseeable|(?:is|are) (?:set|due|bound|about|going|poised) to|on track to",
    r"(?:by|before|until|through|over the next|in the (?:next|coming|near)) (?:20\d\d|\w+ years?)",
    "future|upcoming|coming (?:years|months|decade)|long[- ]term|outlook|prospects?|tomorrow",
    "eventually|ultimately|increasingly|accelerat(?:e|es|ing)|slow(?:s|ing|er)?|gradual(?:ly)?",
)
RISKS: Final = phrases(
    "risks?|risk(?:ed|ing)|threat(?:s|ens?|ening)?|danger(?:s|ous)?|vulnerab\\w+|fragil\\w+",
    "implications?|consequences?|repercussions?|fallout|as a result|lead(?:s|ing)? to|results? in",
    "undermin(?:e|es|ing)|embolden\\w*|erod(?:e|es|ing)|erosion|weaken(?:s|ing)?|strain(?:s|ing)?",
    "strengthen(?:s|ing)?|deepen(?:s|ing)?|provok(?:e|es|ing)|trigger(?:s|ing)?|jeopardi[sz]\\w+",
    "expos(?:e|es|ing)|fractur(?:e|es|ing)|disrupt(?:s|ing)?|destabili[sz]\\w+|escalat(?:e|es|ing)",
    "alienat(?:e|es|ing)|reshap(?:e|es|ing)|shift(?:s|ing)?|transform(?:s|ing)?|limits?|constrain\\w*",
    "opens? (?:the )?(?:doors?|way)|paves? the way|enabl(?:e|es|ing)|encourag(?:e|es|ing)",
)
STATES: Final = phrases(
    "(?:is|are|keeps?) (?:\\w+ly |already |not |now )*(?:being )?[\\w-]+(?:ing|ed)",
    "remains?|continues?(?: to)?|still|already|no longer|so far",
    "no (?:formal|mutual|binding|legal|permanent)|(?:isn't|aren't|not) (?:obliged|bound|committed)",
    "framework|treaty|pact|guarantees?|commitments?|obligations?|clause|locks? in|covers?",
    "(?:greater|closer|deeper|stronger|fewer|reduced|increased|expanded|rising|growing|expansion)",
    "joint|combined|structured cooperation|working groups?|sees?|views?|regards?|consider[s]?",
)
CUES: Final = (HEDGES, CONDITIONS, AIMS, FORECASTS, RISKS, STATES)
# Sentences matched only by these are history or lists of components.
HISTORY: Final = phrases(
    r"(?:has|have|had) (?:\w+ly )?(?:been |supplied|avoided|built|sold)|did not|historic\w*",
    r"since the|(?:in|since) (?:the )?(?:19|20)\d\ds?",
)

DESCRIBING: Final = re.compile(r"\b(?:which|that|who|whose|including|such as|share|are):\s*$")
ITEM: Final = re.compile(r"[ \t]*(?:[-*+\u2022\u2013]|\(?\d{1,2}[.)]|\(?[a-z][.)])[ \t]+(?=\S)")
SPACE: Final = re.compile(r"\s*")
MARKED: Final = re.compile(r"[ \t]*(#{1,6})[ \t]+(?=\S)")
LABEL: Final = re.compile(r"[^\w\n]*(?:(\d{1,2})|([A-Z]))[.)][ \t]+(?=\S)")
ABBREVIATIONS: Final = ("e.g.", "i.e.", "cf.", "vs.", "etc.", "Mr.", "Mrs.", "Dr.", "No.", "St.")
SENTENCE_END: Final = re.compile(
    "".join(rf"(?<!\b{re.escape(short)})" for short in ABBREVIATIONS)
    + r"(?<=[a-z0-9)\]\"'\u201d\u2019%][.!?])\s+(?=[^\sa-z])"
)
NAME: Final = re.compile(r"[A-Z][\w\u2011+-]*(?: (?:of |and the )?[A-Z][\w\u2011+-]*)*")
CAPITAL_WORD: Final = re.compile(r"\b[A-Z]\w+")
PLAIN_WORD: Final = re.compile(r"[^\W\d_]{3,}")
COMMON: Final = phrases(
    "the|and|for|with|from|that|this|which|its|their|his|her|are|was|were|has|have|had|not|but",
    "may|might|could|would|should|will|can|cannot|also|even|into|such|than|then|they|these|those",
    "any|all|both|each|more|most|new|like|via|plus|etc|whether|while|where|when|who|what|how|why",
    "being|been|does|did|especially|particularly|including|toward|towards|under|over|per|about",
)


class Place(NamedTuple):
    """A part of a document: character offsets from its start, the end exclusive."""

    start: int
    end: int


@dataclass(frozen=True)
class Claim:
    """A forward-looking claim.

    Attributes:
        places: where the document states it, the fullest statement first, then its repetitions;
            offsets into the document as read, including markup.
        lead: place of the line that introduces the list containing the claim.
        section: label or first words of the section.
        hedge: the document's hedging words, or `asserted`.
        actors: names in the claim, in order of appearance.
        words: its distinctive words, in order, in lower case.
    """

    places: tuple[Place, ...]
    lead: Place | None
    section: str
    hedge: str
    actors: tuple[str, ...]
    words: tuple[str, ...]


class _Line(NamedTuple):
    kind: Literal["heading", "item", "text"]
    start: int
    end: int


def find_claims(document: str, markup: Markup = "text") -> list[Claim]:
    """Return the claims of a document in order, with repetitions merged into the first.

    Args:
        document: plain text, Markdown, or HTML.
        markup: `html` for HTML.

    Examples:
        >>> text = "Trade grew. The port may close if the rail link opens."
        >>> (claim,) = find_claims(text)
        >>> text[slice(*claim.places[0])]
        'The port may close if the rail link opens.'
        >>> claim.hedge
        'may, if'
    """
    text, offsets = html_text(document) if markup == "html" else (document, range(len(document)))
    claims = _merged(list(_claims(text)))
    return [_moved(claim, offsets) for claim in claims]


def _claims(text: str) -> Iterator[Claim]:
    names = _names(text)
    section = _Section()
    lead: Place | None = None
    has_commas = False
    lines = list(_lines(text))
    for line, following in zip_longest(lines, lines[1:]):
        if line.kind == "heading":
            section.enter(text[line.start : line.end])
        if line.kind != "item":
            lead = None
        for place in _sentences(text, line):
            words = text[slice(*place)]
            if words.endswith(":") and following and following.kind == "item":
                lead, has_commas = None if DESCRIBING.search(words) else place, False
                if lead:
                    continue
            if _is_claim(f"{text[slice(*lead)]} {words}" if lead else words, words):
                yield _claim(text, place, lead, section.label, names)
            if has_commas and words.endswith("."):
                lead = None
            has_commas = has_commas or words.endswith(",")


def _claim(
    text: str, place: Place, lead: Place | None, section: str, names: frozenset[str]
) -> Claim:
    words = text[slice(*place)]
    spoken = f"{text[slice(*lead)]} {words}" if lead else words
    return Claim(
        (place,), lead, section, _hedge(spoken), _actors(spoken, names), _distinctive(words)
    )


def _is_claim(spoken: str, words: str) -> bool:
    if any(cue.search(spoken) for cue in CUES[:-1]):
        return not (HISTORY.search(words) and not HEDGES.search(words))
    return bool(STATES.search(spoken)) and not HISTORY.search(words)


def _lines(text: str) -> Iterator[_Line]:
    """Yield headings, list items and paragraphs, wrapped lines joined."""
    rows = text.split("\n")
    width = sorted(map(len, rows))[len(rows) * 9 // 10]
    open_line: _Line | None = None
    start = 0
    for raw, below in zip_longest(rows, rows[1:], fillvalue=""):
        end = start + len(raw)
        is_open = open_line is not None and open_line.kind != "heading"
        before = text[open_line.start : open_line.end] if open_line and is_open else ""
        kind = _kind(raw, before, runs_on=_runs_on(raw, below, width))
        if open_line and kind == "wrapped":
            open_line = open_line._replace(end=end)
        else:
            if open_line:
                yield open_line
            open_line = _Line(kind, start, end) if kind and kind != "wrapped" else None
        start = end + 1
    if open_line:
        yield open_line


def _runs_on(raw: str, below: str, width: int) -> bool:
    """Tell whether the next line continues this one, which had no room for its first word."""
    if ITEM.match(below) or not below.strip():
        return False
    return below.lstrip()[0].islower() or len(f"{raw} {below.split(maxsplit=1)[0]}") > width


def _kind(
    raw: str, before: str, *, runs_on: bool
) -> Literal["heading", "item", "text", "wrapped"] | None:
    """Return the kind of a line, given the open line above it."""
    line = raw.strip()
    if not any(map(str.isalnum, line)):
        return None
    is_short = len(line.split()) <= MAX_HEADING_WORDS and line[-1] not in ".!?:;," and not runs_on
    if MARKED.match(raw) or (LABEL.match(line) and is_short):
        return "heading"
    if ITEM.match(raw):
        return "item"
    if before and not re.search(r"[.!?:;,]\s*$", before) and not raw[:1].isupper():
        return "wrapped"
    opens = re.match(r"[^\w\n]*[A-Z]", line) is not None
    if is_short and opens and (not before or before.rstrip()[-1] in ".!?:;,)"):
        return "heading"
    return "wrapped" if before and not ITEM.match(before) else "text"


def _sentences(text: str, line: _Line) -> Iterator[Place]:
    if line.kind == "heading":
        return
    marked = (ITEM if line.kind == "item" else SPACE).match(text, line.start, line.end)
    start = marked.end() if marked else line.start
    for match in SENTENCE_END.finditer(text, start, line.end):
        yield Place(start, match.start())
        start = match.end()
    end = start + len(text[start : line.end].rstrip())
    if end > start:
        yield Place(start, end)


class _Section:
    """The section of a line, by number and letter if there are any."""

    def __init__(self) -> None:
        self.label = "opening"
        self._number = ""

    def enter(self, heading: str) -> None:
        """Enter the section of a heading, named by its label or first words."""
        title = MARKED.sub("", heading).strip()
        label = LABEL.match(title)
        if label and label[1]:
            self.label = self._number = label[1]
        elif label:
            self.label = f"{self._number}{label[2]}"
        else:
            first = " ".join(re.findall(r"[\w'-]+", title)[:MAX_LABEL_WORDS])
            is_part = self._number and not MARKED.match(heading)
            self.label = f"{self._number}, {first}" if is_part else first


def _hedge(spoken: str) -> str:
    found = [match[0].lower() for cue in (HEDGES, CONDITIONS) for match in cue.finditer(spoken)]
    return ", ".join(dict.fromkeys(found)) or "asserted"


def _names(text: str) -> frozenset[str]:
    """Return the words capitalised within sentences."""
    return frozenset(
        match[0]
        for match in CAPITAL_WORD.finditer(text)
        if re.search(r"[\w,)\u2019'] $", text[max(match.start() - 2, 0) : match.start()])
    )


def _actors(words: str, names: frozenset[str]) -> tuple[str, ...]:
    found = (match[0] for match in NAME.finditer(words))
    known = (name for name in found if re.split(r"[ \u2011-]", name)[0] in names)
    return tuple(dict.fromkeys(known))[:MAX_ACTORS]


def _distinctive(words: str) -> tuple[str, ...]:
    found = (match[0].lower() for match in PLAIN_WORD.finditer(words))
    return tuple(word for word in found if not COMMON.fullmatch(word))


def _merged(claims: list[Claim]) -> list[Claim]:
    """Merge each repetition into the first nearly identical claim."""
    kept: list[Claim] = []
    sizes: list[int] = []
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for claim in claims:
        gist = {word[:STEM] for word in claim.words}
        shared = Counter(position for stem in gist for position in holders[stem])
        alike = [
            position
            for position, count in shared.items()
            if count >= ALIKE * (len(gist) + sizes[position] - count)
        ]
        if alike:
            first = kept[min(alike)]
            kept[min(alike)] = replace(first, places=(*first.places, *claim.places))
            continue
        for stem in gist:
            holders[stem].append(len(kept))
        kept.append(claim)
        sizes.append(len(gist))
    return kept


def _moved(claim: Claim, offsets: Sequence[int]) -> Claim:
    """Return a claim with its places in the document instead of in the extracted text."""

    def moved(place: Place) -> Place:
        return Place(offsets[place.start], offsets[place.end - 1] + 1)

    lead = moved(claim.lead) if claim.lead else None
    return replace(claim, places=tuple(map(moved, claim.places)), lead=lead)
