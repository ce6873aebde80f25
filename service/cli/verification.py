"""`credence verify`."""

import csv
import hashlib
import io
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from forecasting.files import replacing
from service.cli.command import require_folder_of, sentences, with_database
from service.cli.group import Sentence, echo
from service.database.engine import Database
from service.exceptions import Invalid
from service.questions import hash_chain
from service.questions.hash_chain import Head
from service.questions.schemas.receipts import ReceiptOut
from service.scoring.verification import Comparison
from service.scoring.verification import compare as compare_derived
from service.settings import Settings

COLUMNS: Final = ("question_id", "position", "digest")


@click.command(epilog="Example: credence verify --against heads-of-june.csv")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Earlier heads: every chain must pass through its own.",
)
@click.option(
    "-o", "output", type=click.Path(path_type=Path), help="Write the current heads to this file."
)
@click.option(
    "--receipt",
    type=click.Path(path_type=Path),
    help="Verify only this receipt (JSON), without a database.",
)
@click.option(
    "--derived",
    is_flag=True,
    help="Also recompute and compare aggregates and scores (blocks writers on SQLite).",
)
@click.option("--head", help="Published digest that the receipt must lead to.")
def verify(
    *,
    against: Path | None,
    output: Path | None,
    receipt: Path | None,
    head: str | None,
    derived: bool,
) -> None:
    """Verify the hash chains of forecasts, withdrawals and resolutions.

    Reports the first altered row of each broken chain and exits with 1.
    """
    if receipt is not None:
        with sentences():
            echo(_checked(receipt, head))
        return
    if head is not None:
        raise Sentence("--head goes with --receipt; use --against for a file of heads")
    if output is not None:
        require_folder_of(output)

    async def work(database: Database, _settings: Settings) -> list[hash_chain.Checked]:
        noted = _read_heads(against) if against else {}
        async with database.read() as session:
            return [one async for one in hash_chain.check(session, noted)]

    async def compare(database: Database, _settings: Settings) -> Comparison:
        async with database.dry_run() as session:
            return await compare_derived(session)

    found = with_database(work)
    broken = [one for one in found if one.broken]
    if broken:
        said = [f"question {one.question_id}: {one.broken}" for one in broken]
        raise Sentence("\n".join(["the record is not what was stored", *said]))
    compared = _alike(with_database(compare)) if derived else ""
    heads = _heads(found)
    if output is not None:
        with sentences(), replacing(output) as (file,):
            file.write_bytes(heads)
    facts = sum(one.head.position for one in found)
    echo(
        f"{facts} facts on {sum(one.head.position > 0 for one in found)} questions are whole; "
        f"SHA-256 of their heads {hashlib.sha256(heads).hexdigest()}"
    )
    if compared:
        echo(compared)


def _alike(found: Comparison) -> str:
    """Describe a comparison without differences; raises a Sentence that lists any."""
    if found.differing:
        listed = "\n".join(found.differing)
        raise Sentence(f"what is derived is not what the facts lead to\n{listed}")
    said = "aggregates and scores are what the facts lead to"
    if found.earlier:
        said += (
            f"\n{found.earlier} aggregates were made by an earlier version, which computed them "
            f"otherwise; {found.compared} are what this version computes"
        )
    return said


def _heads(found: list[hash_chain.Checked]) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(
        (one.question_id, one.head.position, one.head.digest.hex())
        for one in found
        if one.head.position
    )
    return text.getvalue().encode()


def _read_heads(file: Path) -> dict[int, Head]:
    with file.open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise Invalid(f"{file}: the columns must be {', '.join(COLUMNS)}")
        try:
            return {
                int(row["question_id"]): Head(int(row["position"]), bytes.fromhex(row["digest"]))
                for row in rows
            }
        except (TypeError, ValueError):
            raise Invalid(f"{file}, line {rows.line_num}: not a head") from None


def _checked(file: Path, expected: str | None) -> str:
    try:
        told: Any = msgspec.json.decode(file.read_bytes())
        inside = told.get("receipt", told) if isinstance(told, dict) else told
        given = msgspec.convert(inside, ReceiptOut)
        reached = hash_chain.verify(given.receipt())
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        raise Invalid(f"{file}: not a receipt: {error}") from None
    except Invalid as refusal:
        raise Invalid(f"{file}: {refusal}") from None
    if expected is not None and expected.strip().lower() != reached.digest.hex():
        raise Invalid(
            f"{file}: it leads to {reached.digest.hex()} at position {reached.position}, "
            f"not to {expected}"
        )
    said = ", ".join(f"{name} {value}" for name, value in given.fact.items() if value != "")
    ends = "the published head" if expected else "compare it with the head that was published"
    return (
        f"sound: {said}\nit leads to position {reached.position}, "
        f"digest {reached.digest.hex()}: {ends}"
    )
