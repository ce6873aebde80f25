"""Agreement of extracted claims with a key: the places of manually annotated implications.

`python -m questions.agreement DOCUMENT KEY` prints recall and precision. A key is a CSV file with
the columns `implication`, `start` and `end`: the slug of an implication and a place where the
document states it, in characters of the text extracted from the document. An implication may have
several places, and a place several implications.
"""

import csv
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from questions.claims import Claim, Place, find_claims
from questions.documents import DocumentError, read_document

COLUMNS: Final = ["implication", "start", "end"]
SHARED: Final = 0.5

Key = Mapping[str, Sequence[Place]]


class KeyFileError(ValueError):
    """An invalid key: one sentence with the place and the allowed values."""


@dataclass(frozen=True)
class Agreement:
    """Extracted claims compared with the key.

    Attributes:
        implications: number of implications in the key; 1 or more.
        missed: implications without a claim at any of their places.
        claims: number of extracted claims, with repetitions merged.
        stray: the first places of claims that match no place in the key.
    """

    implications: int
    missed: tuple[str, ...]
    claims: int
    stray: tuple[Place, ...]

    @property
    def recall(self) -> float:
        """Share of the key's implications that were found, in [0, 1]; higher is better."""
        return 1 - len(self.missed) / self.implications

    @property
    def precision(self) -> float:
        """Share of the claims that are in the key, in [0, 1]; higher is better; nan for none."""
        return 1 - len(self.stray) / self.claims if self.claims else float("nan")

    def __str__(self) -> str:
        found = self.implications - len(self.missed)
        right = self.claims - len(self.stray)
        shares = (
            f"recall {self.recall:.2f} ({found} of {self.implications} implications), "
            f"precision {self.precision:.2f} ({right} of {self.claims} claims)"
        )
        lines = [
            shares,
            *(f"missed: {slug}" for slug in self.missed),
            *(f"not in the key: {place.start}-{place.end}" for place in self.stray),
        ]
        return "\n".join(lines)


def compare(claims: Sequence[Claim], key: Key) -> Agreement:
    """Compare claims with a key; places agree if they share at least half of the shorter one.

    Examples:
        >>> claims = find_claims("It may rain. It could hail.")
        >>> print(compare(claims, {"rain": [Place(0, 12)], "snow": [Place(40, 60)]}))
        recall 0.50 (1 of 2 implications), precision 0.50 (1 of 2 claims)
        missed: snow
        not in the key: 13-27
    """
    found = [place for claim in claims for place in claim.places]
    keyed = [place for places in key.values() for place in places]
    return Agreement(
        implications=len(key),
        missed=tuple(slug for slug, places in key.items() if not _meet(places, found)),
        claims=len(claims),
        stray=tuple(claim.places[0] for claim in claims if not _meet(claim.places, keyed)),
    )


def read_key(path: Path) -> dict[str, list[Place]]:
    """Read a key.

    Raises:
        KeyFileError: the file cannot be read, has other columns, or names no place.
    """
    key: defaultdict[str, list[Place]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if rows.fieldnames != COLUMNS:
                raise KeyFileError(f"{path}: has other columns; allowed: {', '.join(COLUMNS)}.")
            for row in rows:
                key[row["implication"]].append(Place(int(row["start"]), int(row["end"])))
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror}).") from error
    except (TypeError, ValueError, csv.Error) as error:
        if isinstance(error, KeyFileError):
            raise
        raise KeyFileError(f"{path}: has an invalid row; allowed: slug,10,80.") from error
    if not key:
        raise KeyFileError(f"{path}: names no implication; allowed: one or more.")
    return dict(key)


def _meet(some: Sequence[Place], others: Sequence[Place]) -> bool:
    return any(_is_shared(one, other) for one in some for other in others)


def _is_shared(one: Place, other: Place) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > 0 and shared >= SHARED * min(one.end - one.start, other.end - other.start)


def _main(document: str, key: str) -> str:
    try:
        manuscript = read_document(Path(document))
        claims = find_claims(manuscript.text, manuscript.markup)
        return str(compare(claims, read_key(Path(key))))
    except (DocumentError, KeyFileError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    if len(sys.argv) != len(("module", "document", "key")):
        sys.exit("usage: python -m questions.agreement DOCUMENT KEY")
    sys.stdout.write(_main(*sys.argv[1:]) + "\n")
