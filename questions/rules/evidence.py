"""Rules for evidence: sources, their delay and vintage, defaults, edge cases, the background."""

import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from questions import prose
from questions.prose import phrases
from questions.rules.rule import Problem, Reading, question_rule
from questions.schema import Source

MIN_EDGE_CASES: Final = 3
MIN_BACKGROUND_WORDS: Final = 60
MIN_SOURCES: Final = 2


class Publisher(NamedTuple):
    """A source known by name or address, its usual delay, and whether it revises its data."""

    name: str
    pattern: re.Pattern[str]
    days: int
    is_data: bool = True


def _publisher(name: str, pattern: str, days: int, *, is_data: bool = True) -> Publisher:
    return Publisher(name, re.compile(pattern, re.IGNORECASE), days, is_data)


# Days from the end of a period to its usual publication, rounded up.
PUBLISHERS: Final = (
    _publisher("ACLED", r"\bACLED\b|acleddata\.com", 14),
    _publisher("Chinese customs", r"\bGACC\b|customs\.gov\.cn", 30),
    _publisher("Comtrade", r"comtrade", 180),
    _publisher("EIA", r"\bEIA\b|\beia\.gov\b", 75),
    _publisher("Energy Institute", r"statistical review of world energy|energyinst\.org", 180),
    _publisher("Eurostat", r"\beurostat\b", 75),
    _publisher("IAEA", r"\bIAEA\b|\biaea\.org\b", 30, is_data=False),
    _publisher("IMF", r"\bIMF\b|\bimf\.org\b", 90),
    _publisher("JODI", r"\bJODI\b|jodidata\.org", 75),
    _publisher("Kpler, Vortexa, TankerTrackers", r"\bkpler\b|\bvortexa\b|tankertrackers", 15),
    _publisher("Military Balance", r"\bmilitary balance\b|iiss\.org", 60),
    _publisher("Oil market reports", r"\boil market report\b|\bMOMR\b", 45),
    _publisher("Rosstat", r"\brosstat\b", 60),
    _publisher("SIPRI", r"\bSIPRI\b|sipri\.org", 120),
    _publisher("UCDP", r"\bUCDP\b|ucdp\.uu\.se", 180),
    _publisher("UNHCR", r"\bUNHCR\b|\bunhcr\.org\b", 60),
    _publisher("UNROCA", r"\bUNROCA\b|unroca\.org|register of conventional arms", 240),
    _publisher("World Bank", r"\bworld bank\b|worldbank\.org", 180),
)
DATA: Final = phrases(
    "database", "data ?set", "statistics", "time series", "data series", "tracker"
)
PUBLICATION: Final = phrases(
    "shows?",
    "record(?:s|ed)?",
    "list(?:s|ed)?",
    "publish(?:es|ed)?",
    "report(?:s|ed)?",
    "release[sd]?",
    "puts?",
    "downloaded",
    "issued",
    "names?",
    "alleges?",
    "attributes?",
    "announces?",
)
VINTAGE: Final = phrases(
    "as (?:first |originally |initially )?"
    "(?:downloaded|accessed|retrieved|published|shown|available|displayed|recorded)",
    r"as (?:it stands|they stand|of (?:the|its|\w+ \d))",
    "(?:first|initial|original|earliest) (?:published |official )?"
    "(?:release|figure|estimate|print|publication|version|value)",
    "first published",
    "revis(?:ed|ions?)",
    "vintage",
    "(?:downloaded|accessed|retrieved|consulted|read) (?:on|before|at)",
    "(?:version|edition|release|state) (?:available|in force|of|as|dated|published)",
)

REPUTE: Final = (
    "credible|reputable|reliable|major|international|mainstream|various|independent|open|local"
    "|western"
)
MEDIA: Final = "media|news|press|internet|web|social media|newspapers?"
OUTPUT: Final = "reports?|reporting|coverage|outlets?|sources?|articles?|agenc(?:y|ies)|search"
BARE: Final = re.compile(
    rf"(?:the )?(?:(?:{REPUTE}|state) )*(?:{MEDIA}|reports?|sources?|osint|google|wikipedia)"
    rf"(?: (?:{OUTPUT}))?",
    re.IGNORECASE,
)
BARE_PHRASE: Final = phrases(
    r"(?:credible|reputable|reliable|major|international|mainstream|various|independent)"
    r" (?:\w+ )?(?:media|news|press|reports?|reporting|sources?|outlets?|newspapers?)",
    "(?:media|news|press) (?:reports?|reporting|coverage|outlets?|sources?|articles?)",
    "(?:in|by|from) the (?:media|press|news)",
)
AGENCY: Final = phrases(
    "Reuters|AP|AFP|Associated Press|Agence France-Presse|BBC|Bloomberg|two agencies",
    r"[\w-]+\.(?:com|eu|example|gov|int|ir|net|org|ru|uk)",
)
NEGATED: Final = phrases("not|no|never|neither|nor|without|alone|rather than", r"\w+n't")

UNREADABLE: Final = (
    "unavailable|inaccessible|unreachable|offline|silent|missing|down|discontinued|ceases?|disappears?"
    "|cannot be (?:read|reached|opened|found|consulted|accessed)|(?:can )?no longer"
    "|(?:is|are|was|were|has|have) not (?:been |yet )*(?:available|published|updated|released)"
    "|(?:do|does) not (?:publish|report|appear|load|open|answer|exist)"
)
PRECEDENCE: Final = phrases(
    "in (?:that|this|the following) order|in order of",
    "(?:order of )?precedence",
    "fall(?:s|ing)?[ -]?back",
    "takes? (?:its|their|the) place|stands? in for|in (?:its|their) (?:absence|place|stead)",
    "failing (?:that|which|this|these)|in the absence of",
    rf"(?:if|when|where|should|unless)\b[^.;]{{0,120}}\b(?:{UNREADABLE})",
    "prevails?|outranks?|overrides?|instead|substitutes?",
    r"(?:then|second|next|alternatively|or else|otherwise)[^.;]{0,60} (?:Reuters|AP|AFP|agenc\w+)",
    r"primary\b[^.]{0,200}\b(?:fallback|secondary|second)",
)
PROOF: Final = (
    "evidence|records?|entry|reports?|statements?|texts?|announcements?|publications?"
    "|confirmation|proof"
)
DEFAULT: Final = phrases(
    r"otherwise\b[^.]{0,80}\bno",
    'resolves? (?:as |to |to be )?"?no',
    'answer is "?no',
    rf"(?:absent|without|no|lacking|absence of)\b[^.]{{0,60}}\b(?:{PROOF})\b[^.]{{0,100}}\bno",
    "by default|the default is",
    r"(?:any|all|every) other (?:case|outcome|circumstance)s?\b[^.]{0,40}\bno",
    'counts as (?:a )?"?no',
)
CASE: Final = phrases(
    "counts?|qualif(?:y|ies)|suffices?|is (?:not )?enough|is (?:excluded|included|irrelevant)",
    "(?:do|does) not matter|not sufficient",
)
AS_OF: Final = re.compile(r"\bas (?:of|at|on)\b[^.\n]{0,40}", re.IGNORECASE)


@question_rule(
    "Q09",
    "publication lag",
    "error",
    "DP",
    says=(
        "`resolves_by` allows for the usual delay of the deciding source after the deadline, "
        "unless the title asks for the publication itself. Delays in days: "
        f"{', '.join(f'{known.name} {known.days}' for known in PUBLISHERS)}."
    ),
    bad="""
resolves_by = 2028-01-02T00:00:00Z
[[sources]]
name = "SIPRI Arms Transfers Database"
url = "https://armstransfers.sipri.org/"
role = "primary"
""",
    good="""
resolves_by = 2028-04-30T00:00:00Z
criteria = '''
Resolves Yes if the database, as downloaded on April 29, 2028, lists a locomotive delivered
between January 1, 2027, and January 1, 2028, 00:00 UTC; if it cannot be read, Reuters decides.
Otherwise No.'''
[[sources]]
name = "SIPRI Arms Transfers Database"
url = "https://armstransfers.sipri.org/"
role = "primary"
[[sources]]
name = "Reuters"
url = "https://www.reuters.com/"
role = "fallback"
""",
)
def publication_lag(reading: Reading) -> Iterator[Problem]:
    """Compare `resolves_by` with the delay of the quickest primary source."""
    question = reading.question
    known = [_known(source) for source in _primary(reading)]
    if not known or None in known or PUBLICATION.search(reading.title):
        return
    days = min(publisher.days for publisher in known if publisher)
    if question.resolves_by < question.deadline_at + timedelta(days=days):
        yield Problem(
            reading.at("resolves_by"),
            f"The source usually publishes about {days} days after a period, later than "
            "`resolves_by`.",
            f"Move `resolves_by` to {days} days after `deadline_at`.",
        )


@question_rule(
    "Q15",
    "named source",
    "error",
    "D",
    says="At least one primary source has a name and a host; the media in general do not count.",
    bad="""
[[sources]]
name = "Media reports"
url = "https://www.example.com/"
role = "primary"
""",
    good="""
[[sources]]
name = "Register of train runs"
url = "https://register.example/runs"
role = "primary"
[[sources]]
name = "Reuters"
url = "https://www.reuters.com/"
role = "fallback"
""",
)
def named_source(reading: Reading) -> Iterator[Problem]:
    """Check the primary sources, and find unnamed sources in the criteria."""
    named = [source for source in _primary(reading) if not BARE.fullmatch(source.name.strip())]
    if not named:
        yield Problem(
            reading.at("sources"),
            "The question has no primary source with a name.",
            'Give the publication that decides a name, an address and the role "primary".',
        )
    for source in _primary(reading):
        host = urlsplit(source.url).hostname or ""
        if "." not in host.strip("."):
            yield Problem(
                reading.at("sources"),
                f'The address of "{source.name}" has no host: {source.url}',
                "Give the address of the page or of the publisher.",
            )
    known = re.compile("|".join(map(re.escape, reading.names)) or r"(?!)", re.IGNORECASE)
    for sentence in prose.sentences(reading.criteria):
        bare = BARE_PHRASE.search(sentence)
        others = (NEGATED, AGENCY, known)
        if bare and not any(pattern.search(sentence) for pattern in others):
            yield Problem(
                reading.at("criteria"),
                f'The criteria rely on "{bare[0]}".',
                "Name the publications that decide.",
            )


@question_rule(
    "Q16",
    "fallback",
    "error",
    "D",
    says="A fallback source is named, and the text gives the order of precedence of the sources.",
    bad="""
[[sources]]
name = "Register of train runs"
url = "https://register.example/runs"
role = "primary"
""",
    good="""
criteria = '''
Resolves Yes if a train runs through the tunnel between January 1, 2027, and January 1, 2028,
00:00 UTC, according to the register; if it cannot be read, Reuters decides. Otherwise No.'''
[[sources]]
name = "Register of train runs"
url = "https://register.example/runs"
role = "primary"
[[sources]]
name = "Reuters"
url = "https://www.reuters.com/"
role = "fallback"
""",
)
def fallback(reading: Reading) -> Iterator[Problem]:
    """Look for a fallback among the sources, and for the order of precedence in the text."""
    if not any(source.role == "fallback" for source in reading.question.sources):
        yield Problem(
            reading.at("sources"),
            "The question has no source to fall back on.",
            'Add a source with the role "fallback".',
        )
    if not PRECEDENCE.search(reading.own):
        yield Problem(
            reading.at("criteria"),
            "The text does not say which source goes before which.",
            "Say when the fallback takes the place of the primary source.",
        )


@question_rule(
    "Q18",
    "default",
    "error",
    "DP",
    says="The criteria, the fine print or the set's defaults say how missing evidence is resolved.",
    bad="""
criteria = '''
Resolves Yes if a train runs through the tunnel between January 1, 2027, and January 1, 2028,
00:00 UTC, according to the register; if it cannot be read, Reuters decides.'''
fine_print = '''
- Trains for guests do not count.
- Trains that turn back do not count.
- A renamed tunnel counts.

Ambiguous: the sources conflict. Annulled: the project is given up.'''
""",
    good="""
criteria = '''
Resolves Yes if a train runs through the tunnel between January 1, 2027, and January 1, 2028,
00:00 UTC, according to the register; if it cannot be read, Reuters decides. Otherwise No.'''
""",
)
def default(reading: Reading) -> Iterator[Problem]:
    """Look for a sentence that leads to No."""
    if not DEFAULT.search(reading.all):
        yield Problem(
            reading.at("criteria"),
            "Nothing says what the answer is when there is no evidence.",
            'End the criteria with "Otherwise No".',
        )


@question_rule(
    "Q19",
    "ambiguity",
    "error",
    "D",
    says=(
        "The question says what would annul it (its premise is void); the question or the set's "
        "defaults say what would make it ambiguous (the truth cannot be known)."
    ),
    bad="""
fine_print = '''
- Trains for guests do not count.
- Trains that turn back do not count.
- A renamed tunnel counts.'''
""",
    good="""
fine_print = '''
- Trains for guests do not count.
- Trains that turn back do not count.
- A renamed tunnel counts.

Ambiguous: the sources conflict and the truth cannot be known. Annulled: the project is given up
before the window opens.'''
""",
)
def ambiguity(reading: Reading) -> Iterator[Problem]:
    """Look for both words; annulled must be in the question itself."""
    if not re.search(r"\bambigu", reading.all, re.IGNORECASE):
        yield Problem(
            reading.at("fine_print"),
            "Nothing says when the question resolves as ambiguous.",
            "Say which conflict of evidence makes it ambiguous.",
        )
    if not re.search(r"\bannul", reading.own, re.IGNORECASE):
        yield Problem(
            reading.at("fine_print"),
            "The question does not say what would annul it.",
            "Name what makes the premise void, or say that nothing does.",
        )


@question_rule(
    "Q20",
    "edge cases",
    "error",
    "DP",
    says=(
        f"The fine print decides at least {MIN_EDGE_CASES} edge cases in a list: partial, denied, "
        "renamed, retracted."
    ),
    bad="""
fine_print = '''
Trains for guests do not count.

Ambiguous: the sources conflict. Annulled: the project is given up.'''
""",
    good="""
fine_print = '''
- Trains for guests do not count.
- Trains that turn back in the tunnel do not count.
- A report that is retracted before resolution does not count.

Ambiguous: the sources conflict. Annulled: the project is given up.'''
""",
)
def edge_cases(reading: Reading) -> Iterator[Problem]:
    """Count list items or, in running text, sentences that say what counts."""
    listed = len(prose.items(reading.fine_print))
    told = sum(bool(CASE.search(part)) for part in prose.sentences(reading.fine_print))
    if max(listed, told) < MIN_EDGE_CASES:
        yield Problem(
            reading.at("fine_print"),
            f"The fine print decides {max(listed, told)} edge cases.",
            f"Decide at least {MIN_EDGE_CASES}, one list item each.",
        )


@question_rule(
    "Q21",
    "revisions",
    "error",
    "DP",
    says="A question about data that may be revised names the deciding version.",
    bad="""
criteria = '''
Resolves Yes if ACLED counts fewer than 10 derailments between January 1, 2027, and
January 1, 2028, 00:00 UTC; if it cannot be read, Reuters decides. Otherwise No.'''
[[sources]]
name = "ACLED"
url = "https://acleddata.com/"
role = "primary"
[[sources]]
name = "Reuters"
url = "https://www.reuters.com/"
role = "fallback"
""",
    good="""
criteria = '''
Resolves Yes if ACLED, as downloaded on January 31, 2028, counts fewer than 10 derailments
between January 1, 2027, and January 1, 2028, 00:00 UTC; if it cannot be read, Reuters decides.
Otherwise No.'''
[[sources]]
name = "ACLED"
url = "https://acleddata.com/"
role = "primary"
[[sources]]
name = "Reuters"
url = "https://www.reuters.com/"
role = "fallback"
""",
)
def revisions(reading: Reading) -> Iterator[Problem]:
    """Look for the vintage when a primary source is one that revises its data."""
    is_data = any(
        DATA.search(source.name) or (known is not None and known.is_data)
        for source in _primary(reading)
        for known in [_known(source)]
    )
    if is_data and not VINTAGE.search(f"{reading.title}\n{reading.own}"):
        yield Problem(
            reading.at("criteria"),
            "The question turns on data that are revised, and does not say which vintage decides.",
            'Add "as downloaded on" and a date, or say what becomes of revisions.',
        )


@question_rule(
    "Q26",
    "status quo",
    "error",
    "DP",
    says=(
        'The background describes the present state of affairs, with "As of" and the month of '
        "`background_as_of`."
    ),
    bad="""
background = '''
Both tubes of the Northfell tunnel have been bored and track is being laid from the northern
portal. The operator's timetable puts trial runs in spring and the first passenger train in
autumn. Two earlier timetables named other years; each was replaced about ten months before its
date. The supreme court has turned down the last appeal, and the staff are being trained at the
southern depot.'''
""",
    good="""
background = '''
As of October 2026, both tubes of the Northfell tunnel have been bored and track is being laid
from the northern portal. The operator's timetable puts trial runs in the spring of 2027 and the
first passenger train in the autumn. Two earlier timetables named 2024 and 2025; each was replaced
about ten months before its date. The supreme court turned down the last appeal in August 2026.'''
""",
)
def status_quo(reading: Reading) -> Iterator[Problem]:
    """Compare the background's "as of" with `background_as_of`."""
    day = reading.question.background_as_of
    stated = [
        mention
        for match in AS_OF.finditer(reading.background)
        for mention in prose.dates(match[0])
        if mention.form != "unclear"
    ]
    wanted = f'Write "As of {prose.MONTHS[day.month - 1]} {day.year}" with the state of things.'
    if not stated:
        yield Problem(
            reading.at("background"), "The background does not say of when it is.", wanted
        )
    elif not any((day.year, day.month) == (m.first.year, m.first.month) for m in stated):
        yield Problem(
            reading.at("background"),
            f'The background is as of "{stated[0].text}", and `background_as_of` is {day}.',
            wanted,
        )


@question_rule(
    "Q27",
    "background",
    "warning",
    "D",
    says=(
        f"The background has at least {MIN_BACKGROUND_WORDS} words, the question at least "
        f"{MIN_SOURCES} sources, and neither is dated after the opening."
    ),
    bad="background = 'As of October 2026, the tunnel is being built.'",
    good="""
background = '''
As of October 2026, both tubes of the Northfell tunnel have been bored and track is being laid
from the northern portal. The operator's timetable puts trial runs in the spring of 2027 and the
first passenger train in the autumn. Two earlier timetables named 2024 and 2025; each was replaced
about ten months before its date. The supreme court turned down the last appeal in August 2026.'''
""",
)
def background(reading: Reading) -> Iterator[Problem]:
    """Count the background's words and the sources, and compare its date with the opening."""
    question = reading.question
    count = len(reading.background.split())
    if count < MIN_BACKGROUND_WORDS:
        yield Problem(
            reading.at("background"),
            f"The background has {count} words.",
            f"Tell the state of things in at least {MIN_BACKGROUND_WORDS} words.",
        )
    if len(question.sources) < MIN_SOURCES:
        yield Problem(
            reading.at("sources"),
            f"The question names {len(question.sources)} sources.",
            f"Name at least {MIN_SOURCES}.",
        )
    if question.background_as_of > question.opens_at.astimezone(UTC).date():
        yield Problem(
            reading.at("background_as_of"),
            "The background is of a time after forecasting opens.",
            "Describe what was known when forecasting opened.",
        )


def _primary(reading: Reading) -> list[Source]:
    return [source for source in reading.question.sources if source.role == "primary"]


def _known(source: Source) -> Publisher | None:
    text = f"{source.name} {source.url}"
    return next((known for known in PUBLISHERS if known.pattern.search(text)), None)
