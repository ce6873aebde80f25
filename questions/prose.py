"""Extraction of dates, sentences, list items and names from a question's prose."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import partial
from typing import Final, Literal, NamedTuple

Form = Literal["plain", "other", "unclear", "month", "year"]

MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
FULL: Final = "|".join(MONTHS)
MONTH: Final = rf"(?:{FULL}|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?)"
YEAR: Final = r"(?:19|20)\d\d"
DAY: Final = r"\d{1,2}(?:st|nd|rd|th)?"
TO: Final = r"(?:,?\s(?:and|to|through|until)\s|\s?-\s?)"


def _form(form: Form, pattern: str) -> tuple[Form, re.Pattern[str]]:
    return form, re.compile(rf"(?<!\w){pattern}(?!\w)")


# In order: text matched by an earlier form is hidden from later ones. A form with a look-ahead is
# the beginning of a range, and takes its year from the end.
FORMS: Final = (
    _form("plain", rf"(?P<m>{FULL}) (?P<d>\d\d?)(?={TO}{MONTH} \d\d?, (?P<y>{YEAR}))"),
    _form("plain", rf"(?P<m>{FULL}) (?P<d>\d\d?)(?={TO}\d\d?, (?P<y>{YEAR}))"),
    _form("plain", rf"(?P<m>{FULL}) (?P<d>\d\d?), (?P<y>{YEAR})"),
    _form("other", rf"(?P<m>{MONTH})\s+(?P<d>{DAY}),?\s+(?P<y>{YEAR})"),
    _form("other", rf"(?P<d>{DAY})\s+(?:of\s+)?(?P<m>{MONTH}),?\s+(?P<y>{YEAR})"),
    _form("other", rf"(?P<y>{YEAR})-(?P<n>\d\d)-(?P<d>\d\d)(?:T[\d:]+Z?)?"),
    _form("unclear", r"\d\d?(?P<s>[/.])\d\d?(?P=s)(?:\d{4}|\d\d)"),
    _form("month", rf"(?P<m>{MONTH})(?={TO}{MONTH}\s+(?P<y>{YEAR}))"),
    _form("month", rf"(?P<m>{MONTH})(?:\s+of)?\s+(?P<y>{YEAR})"),
    _form("year", rf"(?<![/#-])(?P<y>{YEAR})"),
)

TYPOGRAPHY: Final = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": " - "}
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
)
LINK: Final = re.compile(r"!?\[([^\[\]\n]{0,200})\]\([^()\s]{0,2000}\)")
ADDRESS: Final = re.compile(r"<?https?://[^\s>)\]]+>?")
MARKS: Final = re.compile(r"[*`~]+|(?<!\w)_+|_+(?!\w)")
QUOTED: Final = re.compile(r'"[^"\n]{1,200}"')
BULLET: Final = re.compile(r"^([ \t]*)[*+][ \t]+", re.MULTILINE)
BLOCK: Final = re.compile(r"[-#>|]|\d\d?[.)]\s")
ITEM: Final = re.compile(r"^[ \t]*(?:-|\d\d?[.)])[ \t]+(?=\S)", re.MULTILINE)
STOP: Final = re.compile(r"(?<=[a-z0-9)\]\"'%][.!?])\s+|(?<=[.!?][)\"'])\s+|\n+")
BEFORE: Final = re.compile(r"([\w'-]+)[ -]$")
AFTER: Final = re.compile(r"[ -][A-Z]")
STARTER: Final = re.compile("Will|Which|What|When|How|If|The|An?|In|Any|All|No|Yes|Resolves")
WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


class Mention(NamedTuple):
    """A date in a text: the days from `first` to before `end`, and how it is written.

    The form is `plain` for Month D, YYYY; `other` for a day in another format; `unclear` for a date
    that different countries read differently; `month` and `year` for longer spans.
    """

    first: date
    end: date
    form: Form
    text: str

    @property
    def is_day(self) -> bool:
        """Whether the mention names one unambiguous day."""
        return self.form in {"plain", "other"}


def tidy(text: str) -> str:
    """Return a text with straight quotes, plain hyphens and no compatibility characters."""
    return unicodedata.normalize("NFKC", text).translate(TYPOGRAPHY)


def plain(text: str) -> str:
    """Return tidy Markdown without markup and URLs, with one paragraph or list item per line."""
    text = ADDRESS.sub(" ", LINK.sub(r"\1", tidy(text)))
    return MARKS.sub("", _unwrapped(BULLET.sub(r"\1- ", text)))


def _unwrapped(text: str) -> str:
    lines: list[str] = []
    for line in map(str.strip, text.split("\n")):
        if line and lines and lines[-1] and not BLOCK.match(line):
            lines[-1:] = [f"{lines[-1]} {line}"]
        else:
            lines.append(line)
    return "\n".join(lines)


def dates(text: str) -> list[Mention]:
    """Return the dates in a plain text, days before months before years.

    Examples:
        >>> [str(mention.first) for mention in dates("between May 2 and June 1, 2027")]
        ['2027-05-02', '2027-06-01']
        >>> dates("in May 2027")[0].end
        datetime.date(2027, 6, 1)
    """
    mentions: list[Mention] = []
    for form, pattern in FORMS:
        text = pattern.sub(partial(_taken, form, mentions), text)
    return mentions


def _taken(form: Form, mentions: list[Mention], match: re.Match[str]) -> str:
    """Add the mention of a match, and return the filler that hides it from later forms."""
    mention = _mention(match, form)
    if mention is None:
        return match[0]
    mentions.append(mention)
    return "#" * len(match[0])


def _mention(match: re.Match[str], form: Form) -> Mention | None:
    if form == "unclear":
        return Mention(date.min, date.min, form, match[0])
    parts = match.groupdict()
    year = int(parts["y"])
    if form == "year":
        return Mention(date(year, 1, 1), date(year + 1, 1, 1), form, match[0])
    month = int(parts["n"]) if parts.get("n") else _month(parts["m"])
    day = int(re.sub(r"\D", "", parts.get("d") or "1"))
    try:
        first = date(year, month, day)
    except ValueError:
        return None
    if form == "month":
        return Mention(first, date(year + month // 12, month % 12 + 1, 1), form, match[0])
    return Mention(first, first + timedelta(days=1), form, match[0])


def _month(name: str) -> int:
    return next(i for i, month in enumerate(MONTHS, start=1) if month.startswith(name[:3]))


def written(day: date) -> str:
    """Write a day as titles do.

    Examples:
        >>> written(date(2028, 1, 1))
        'January 1, 2028'
    """
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"


def without(text: str, phrases: Iterable[str]) -> str:
    """Remove quotations and the given phrases, such as the names of sources, from a plain text."""
    text = QUOTED.sub('""', text)
    for phrase in phrases:
        text = re.sub(rf"(?<!\w){re.escape(tidy(phrase))}(?!\w)", '""', text)
    return text


def phrases(*alternatives: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """Compile alternatives that match as whole words, compounds with a hyphen apart."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(alternatives)})(?![\w-])", flags)


def sentences(text: str) -> list[str]:
    """Split a plain text at line ends and at full stops, those of initials apart.

    Examples:
        >>> sentences("The U.S. Navy sails. It returns.")
        ['The U.S. Navy sails.', 'It returns.']
    """
    return [part.strip() for part in STOP.split(text) if part and part.strip()]


def items(text: str) -> list[str]:
    """Return the items of the Markdown lists in a text, each up to the next one or a blank line."""
    return [part.split("\n\n")[0].strip() for part in ITEM.split(text)[1:]]


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, compounds split at their hyphens.

    Examples:
        >>> words("Iran's Su-35s")
        ["iran's", 'su', '35s']
    """
    return WORD.findall(tidy(text).casefold())


def runs(text: str, length: int) -> Iterator[tuple[str, ...]]:
    """Yield every run of `length` successive words of a text."""
    row = words(text)
    return (tuple(row[i : i + length]) for i in range(len(row) - length + 1))


def is_name(text: str, match: re.Match[str]) -> bool:
    """Tell whether a match looks like part of a name: a capital beside another in a sentence.

    Examples:
        >>> text = "Will the International Crisis Group meet?"
        >>> is_name(text, re.search("Crisis", text))
        True
        >>> text = "Will Crisis talks begin?"
        >>> is_name(text, re.search("Crisis", text))
        False
    """
    if not match[0][:1].isupper():
        return False
    before = BEFORE.search(text[: match.start()])
    named_before = bool(before and before[1].istitle() and not STARTER.fullmatch(before[1]))
    return named_before or bool(AFTER.match(text, match.end()))
