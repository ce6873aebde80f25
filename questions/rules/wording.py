"""Rules for wording: vague words, hedges, statements without acts, harm."""

import re
from collections.abc import Iterator
from typing import Final

from questions import prose
from questions.rules.rule import Problem, Reading, question_rule

# The word as a writer thinks of it, and its forms.
VAGUE: Final = {
    "significant": r"(?:in)?significan(?:t|tly|ce)",
    "substantial": r"substantial(?:ly)?",
    "considerable": r"considerabl[ey]",
    "meaningful": r"meaningful(?:ly)?",
    "notable": r"notabl[ey]|noticeabl[ey]",
    "serious": r"serious(?:ly)?",
    "major": r"major",
    "robust": r"robust(?:ly)?",
    "dramatic": r"dramatic(?:ally)?|drastic(?:ally)?|sharply",
    "large-scale": r"large-scale|widespread|massive(?:ly)?",
    "deepen": r"deepen(?:s|ed|ing)?",
    "strengthen": r"strengthen(?:s|ed|ing)?",
    "weaken": r"weaken(?:s|ed|ing)?",
    "improve": r"improve(?:s|d|ments?)?|improving",
    "worsen": r"worsen(?:s|ed|ing)?|deteriorat(?:e|es|ed|ing|ion)",
    "escalate": r"(?:de-)?escalat(?:e|es|ed|ing|ion|ory)",
    "erode": r"erod(?:e|es|ed|ing)|erosion",
    "destabilise": r"destabili[sz](?:e|es|ed|ing|ation)",
    "strain": r"strain(?:s|ed|ing)?",
    "cool": r"cool(?:s|ed|ing)?",
    "fracture": r"fractur(?:e|es|ed|ing)",
    "stall": r"stall(?:s|ed|ing)?",
    "support": r"support(?:s|ed|ing|ive)?",
    "alignment": r"(?:re|mis)?align(?:s|ed|ing|ment|ments)?",
    "entrench": r"entrench(?:es|ed|ing|ment)?",
    "embolden": r"embolden(?:s|ed|ing)?",
    "normal": r"normal|normali[sz](?:e|es|ed|ing|ation)",
    "crisis": r"crisis|crises",
    "tensions": r"tensions?",
    "effectively": r"effectively",
    "de facto": r"de facto",
    "essentially": r"essentially|largely|basically",
}
VAGUE_WORD: Final = prose.phrases(*VAGUE.values())
# Set phrases in which a listed word says something exact.
EXACT: Final = prose.phrases(
    "statistical(?:ly)? significan(?:t|ce)|significant (?:figures?|digits?|wave height)",
    "cooling (?:towers?|ponds?|pools?|systems?|water|circuits?|loops?|degree)",
    "(?:rail|railway|road|route|track|line|corridor|pipeline) alignment|non-?aligned",
    "(?:(?:logistics?|air|fire|life|fleet|technical) )?support (?:ships?|vessels?|aircraft"
    "|crews?|units?|cent(?:re|er)s?|facilit(?:y|ies)|services?|contracts?|agreements?|staff"
    "|personnel|equipment)",
    "(?:air|fire|life|child) support|in support of|vot(?:e|es|ed|ing) (?:to|in) support",
    "supporting documents?",
    "major (?:general|non-nato)|major (?:conventional )?(?:arms|weapons?)",
    "strain gauges?|(?:virus|viral) strains?",
    "normal (?:distribution|price quotation|working hours|business hours)",
    r"serious (?:fraud|crime|injur)\w*",
)
DEFINING: Final = (
    "(?:means?|stands? for|refers? to|counts? (?:as|only|if|when)|covers?|includes?|:|(?:is|are|was"
    "|were) (?:any|an?|one|those|when|defined|taken|understood|measured|met|the))"
)

PERMISSION: Final = (
    r" (?:also |only |then |still )?(?:use|rely|consult|resolve|take|stand|serve|replace|be (?:used"
    r"|consulted|taken|relied|cited|counted|substituted|resolved|archived))"
)
MODAL: Final = prose.phrases(
    f"may(?!{PERMISSION})",
    "might",
    "could(?! not be| be (?:read|verified|reached|established|confirmed))",
    "possibly|perhaps|presumably|potential(?:ly)?|likely|unlikely|probably",
    flags=re.NOFLAG,
)

FORMAL: Final = prose.phrases(
    "formal(?:ly)?|official(?:ly)?|in writing|under oath|decree|treaty|declaration|affidavit",
    r"indictment|communiqu\w+|notif\w+|register",
    "in a (?:published|signed|written|joint|court)",
)
SPEECH: Final = prose.phrases(
    "say|says|said|admit(?:s|ted|ting)?|conced(?:e|es|ed|ing)|acknowledg(?:e|es|ed|ing)",
    "hint(?:s|ed|ing)?|suggest(?:s|ed|ing)?|claim(?:s|ed)? (?:that|to)|complain(?:s|ed|ing)?",
    "express(?:es|ed|ing)?|prais(?:e|es|ed|ing)|lament(?:s|ed)?|boast(?:s|ed)?|regret(?:s|ted)?",
    "apologi[sz](?:e|es|ed|ing)|vow(?:s|ed)?|threaten(?:s|ed|ing)?",
)
NO_SPEECH: Final = prose.phrases("express (?:trains?|mail|delivery|service|road|lane|consent)")

HARM: Final = prose.phrases(
    r"die|dies|died|deaths?|dead|kill(?:s|ed|ing|ings)?|assassinat\w+|murder\w*|suicides?",
    r"lynch\w*|behead\w*|massacre\w*|genocide|fatalit(?:y|ies)|casualt(?:y|ies)|wounded",
    r"injur(?:e|es|ed|y|ies)|torture[sd]?|kidnap\w*|abduct\w*|rape[sd]?",
    "executed by|sentenced to death",
)


@question_rule(
    "Q11",
    "vague words",
    "error",
    "DP",
    says=(
        "Title and criteria use no word that readers judge differently, unless the fine print "
        f"defines it: {', '.join(VAGUE)}."
    ),
    bad="title = 'Will traffic at Northfell improve significantly before January 1, 2028?'",
    good="title = 'Will 40 trains a day use the Northfell tunnel before January 1, 2028?'",
)
def vague_words(reading: Reading) -> Iterator[Problem]:
    """Find vague words that neither the fine print nor the set's defaults define."""
    defined = f"{reading.question.fine_print}\n\n{reading.case.question_set.defaults}"
    for field, wording in reading.wording("title", "criteria").items():
        text = EXACT.sub('""', wording)
        seen = set()
        for match in VAGUE_WORD.finditer(text):
            word = match[0].lower()
            if word in seen or prose.is_name(text, match) or _is_defined(word, defined):
                continue
            seen.add(word)
            yield Problem(
                reading.at(field),
                f'"{match[0]}" in the {field} is measured differently by every reader.',
                f'Name a threshold or an act, or define "{match[0]}" in the fine print.',
            )


def _is_defined(word: str, text: str) -> bool:
    """Tell whether a text marks the word as a term, or says what it means."""
    forms = next(f for f in VAGUE.values() if re.fullmatch(f, word, re.IGNORECASE))
    text = prose.tidy(text)
    term = rf"[\"*_](?:[\w-]+ ){{0,3}}(?:{forms})(?: [\w-]+){{0,3}}[\"*_]"
    meaning = rf"\b(?:{forms})\b[^.\n]{{0,40}}?\s?{DEFINING}"
    return bool(re.search(rf"{term}|{meaning}", text, re.IGNORECASE))


@question_rule(
    "Q12",
    "hedges",
    "warning",
    "D",
    says="Title and criteria ask what happens, not what may, might or could happen.",
    bad="title = 'Will it be clear that the tunnel could open before January 1, 2028?'",
    good="title = 'Will the tunnel open to passengers before January 1, 2028?'",
)
def hedges(reading: Reading) -> Iterator[Problem]:
    """Find modal verbs and adverbs of doubt; a curator's permissions are none."""
    for field, text in reading.wording("title", "criteria").items():
        for word in sorted({match[0] for match in MODAL.finditer(text)}):
            yield Problem(
                reading.at(field),
                f'"{word}" in the {field} hedges.',
                "Ask for the event itself: it happens and is recorded, or it does not.",
            )


@question_rule(
    "Q30",
    "speech acts",
    "warning",
    "DP",
    says="The question turns on acts, not on what somebody says, admits or concedes informally.",
    bad="title = 'Will the operator admit the delay before January 1, 2028?'",
    good="title = 'Will the operator publish a new timetable before January 1, 2028?'",
)
def speech_acts(reading: Reading) -> Iterator[Problem]:
    """Find verbs of saying in the title, where no formal act is named beside them."""
    text = NO_SPEECH.sub('""', reading.wording("title")["title"])
    if FORMAL.search(text):
        return
    for match in SPEECH.finditer(text):
        if not prose.is_name(text, match):
            yield Problem(
                reading.at("title"),
                f'The title turns on speech: "{match[0]}".',
                "Ask for a vote, a signature, a filing, a payment or another formal act.",
            )


@question_rule(
    "Q31",
    "harm",
    "error",
    "DP",
    says="No question concerns a person's death or injury, or creates an incentive to do harm.",
    bad="title = 'Will the director be killed before January 1, 2028?'",
    good="title = 'Will the director cease to hold office before January 1, 2028?'",
)
def harm(reading: Reading) -> Iterator[Problem]:
    """Find words for death and injury in title and criteria."""
    for field, text in reading.wording("title", "criteria").items():
        match = next((m for m in HARM.finditer(text) if not prose.is_name(text, m)), None)
        if match:
            yield Problem(
                reading.at(field),
                f'"{match[0]}" in the {field} makes the answer turn on harm.',
                "Ask for the office, the institution or the event instead of the person.",
            )
