"""Files as spreadsheets and archives make them: read alike, or refused with what is wrong where."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from forecasting import csv_io
from forecasting.csv_io import Dialect, PanelError
from forecasting.panel import Panel
from service.exchange import platforms

QUESTIONS = """\
question_id,title,outcome,open_time,close_time,resolve_time,domain
q1,Will the café open?,1,2026-01-01,2026-03-01,2026-02-01,town
q2,"Will it rain, or
hail?",,2026-01-01,,,
"""
FORECASTS = """\
forecaster_id,question_id,time,probability
ann,q1,2026-01-02T10:00:00Z,0.3
bob,q2,2026-01-03T10:00:00Z,0.8
"""


def folder(at: Path, questions: bytes = b"", forecasts: bytes = b"") -> Path:
    (at / "questions.csv").write_bytes(questions or QUESTIONS.encode())
    (at / "forecasts.csv").write_bytes(forecasts or FORECASTS.encode())
    return at


@pytest.fixture
def expected(tmp_path: Path) -> str:
    plain = tmp_path / "plain"
    plain.mkdir()
    return Panel.read(folder(plain)).data_hash


def with_semicolons(text: str) -> str:
    return text.replace(",", ";").replace('"Will it rain; or', '"Will it rain, or')


def with_extras(text: str) -> str:
    """A column that nobody reads, missing trailing cells, and the empty rows of spreadsheets."""
    header, _, rest = text.partition("\n")
    return f"{header},note\n{rest},,,\n\n"


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        (lambda text: "\ufeff" + text, "utf-8"),
        (lambda text: text.replace("\n", "\r\n"), "utf-8"),
        (lambda text: text.replace("\n", "\r"), "utf-8"),
        (with_semicolons, "utf-8"),
        (lambda text: "sep=;\n" + with_semicolons(text), "utf-8"),
        (lambda text: with_semicolons(text).replace(";", "\t"), "utf-8"),
        (with_extras, "utf-8"),
        (str, "cp1252"),
        (str, "utf-16"),
        (lambda text: "\ufeff" + text.replace("\n", "\r\n"), "utf-16-le"),
    ],
    ids=["BOM", "CRLF", "CR", "semicolons", "sep=", "tabs", "extras", "cp1252", "utf-16", "le"],
)
def test_a_folder_is_read_whatever_wrote_it(
    tmp_path: Path, expected: str, change: Callable[[str], str], encoding: str
) -> None:
    folder(tmp_path, change(QUESTIONS).encode(encoding), change(FORECASTS).encode(encoding))
    dialect = Dialect(encoding)
    panel = platforms.read(tmp_path, dialect).panel
    # Line ends within a title become spaces in the service.
    assert panel.titles == ("Will the café open?", "Will it rain, or hail?")
    assert Panel.read(tmp_path, dialect).data_hash == panel.data_hash == expected


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_zip_of_a_folder_is_read_with_what_macos_adds(
    tmp_path: Path, expected: str, suffix: str
) -> None:
    packed = tmp_path / "survey.zip"
    forecasts = gzip.compress(FORECASTS.encode()) if suffix else FORECASTS.encode()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("survey/", "")
        archive.writestr("survey/questions.csv", QUESTIONS)
        archive.writestr(f"survey/forecasts.csv{suffix}", forecasts)
        archive.writestr("survey/.DS_Store", b"\0")
        archive.writestr("__MACOSX/survey/._questions.csv", b"\0\5\x16\7")
        archive.writestr("__MACOSX/survey/._forecasts.csv", b"\0\5\x16\7")
    assert platforms.read(packed).panel.data_hash == expected


@pytest.mark.parametrize(
    ("questions", "forecasts", "message"),
    [
        ("", "0.3→30%", r"forecasts.csv:2: probability: '30%' .*from 0 to 1, without a percent"),
        ("", '0.3→"0,3"', r"forecasts.csv:2: probability: '0,3' .*with a decimal point"),
        ("", "0.3→nan", r"forecasts.csv:2: probability: 'nan' is not a number from 0 to 1"),
        ("", "0.3→inf", r"forecasts.csv:2: probability: 'inf' is not a number from 0 to 1"),
        ("", "0.3→-0.1", r"forecasts.csv:2: probability: -0.1 is outside \[0, 1\]"),
        ("", "0.3→1e999", r"forecasts.csv:2: probability: 1e999 is outside \[0, 1\]"),
        ("", "0.3→" + "9" * 10_000, r"forecasts.csv:2: probability: 9{60} is outside"),
        ("", "0.3→", r"forecasts.csv:2: probability: '' is not a number from 0 to 1"),
        ("", "0.3→0,3", r"forecasts.csv:2: 5 cells where the header has 4; .*needs quotes"),
        ("", "ann→a\0n", r"forecasts.csv:2: forecaster_id: must not hold U\+0000 NULL"),
        ("", "2026-01-02T10:00:00Z→46024", r"forecasts.csv:2: time: 46024 may be a Unix time"),
        ("", "2026-01-02T10:00:00Z→1767348000.5", r"forecasts.csv:2: time: .*--times unix-s"),
        ("", "2026-01-02T10:00:00Z→1/2/2026", r"forecasts.csv:2: time: .*--dates mdy"),
        ("", "2026-01-02T10:00:00Z→9999-12-31T23:59-01:00", r"forecasts.csv:2: time: .*9999"),
        ("", "0.3→" + "x" * 200_000, r"forecasts.csv:2: a cell is longer than 131,072"),
        ("", '0.8→"0.8', r"forecasts.csv:3: not a valid CSV row: unexpected end"),
        ("café→ca\x07fe", "", r"questions.csv:2: title: must not hold U\+0007"),
        ("café→" + "e" * 2_000, "", r"questions.csv:2: title: must be at most 2,000 characters"),
        ("1,2026→yes,2026", "", r"questions.csv:2: outcome: 'yes' is none of: 0, 1, 0.0"),
        ("question_id,→id,", "", r"questions.csv:1: the header lacks question_id; it has 'id, "),
        ("2026-03-01→99999-03-01", "", r"questions.csv:2: close_time: '99999-03-01' is not an"),
    ],
)
def test_a_bad_cell_is_refused_with_its_place_and_what_is_allowed(
    tmp_path: Path, questions: str, forecasts: str, message: str
) -> None:
    def changed(text: str, change: str) -> bytes:
        old, _, new = change.partition("→")
        return text.replace(old, new, 1).encode() if old else text.encode()

    folder(tmp_path, changed(QUESTIONS, questions), changed(FORECASTS, forecasts))
    with pytest.raises(PanelError, match=message) as refused:
        platforms.read(tmp_path)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (QUESTIONS.encode("cp1252"), "utf-8", r":2: byte 0xe9 at character 16 .*--encoding cp1252"),
        (QUESTIONS.encode("utf-16"), "utf-8", r":1: byte 0xff at .*--encoding utf-16"),
        (QUESTIONS.encode(), "ascii", r":2: byte 0xc3 at character 16 is not ascii"),
        (QUESTIONS.encode(), "utf-16", r":1: not utf-16: .*--encoding"),
        (b"\x81", "cp1252", r":1: byte 0x81 at character 1 is not cp1252"),
        (b"", "utf-8", r":1: the file is empty; its first line names the columns"),
        (b"\n\n", "utf-8", r":1: the file is empty"),
    ],
)
def test_a_file_in_another_encoding_is_refused_with_the_byte_and_its_line(
    tmp_path: Path, content: bytes, encoding: str, message: str
) -> None:
    (folder(tmp_path) / "questions.csv").write_bytes(content)
    with pytest.raises(PanelError, match=rf"questions\.csv{message}"):
        platforms.read(tmp_path, Dialect(encoding))


@pytest.mark.parametrize("encoding", ["", "nonsense", "rot13", "hex", "\0"])
def test_an_encoding_that_no_text_has_is_refused(encoding: str) -> None:
    with pytest.raises(PanelError, match=r"is not a text encoding; utf-8, utf-16"):
        Dialect(encoding)


def test_a_header_alone_is_a_set_without_forecasts(tmp_path: Path) -> None:
    folder(tmp_path, forecasts=FORECASTS.partition("\n")[0].encode())
    panel = platforms.read(tmp_path).panel
    assert (len(panel.questions), panel.probability.size) == (2, 0)


@pytest.mark.parametrize("times", ["", "rounds"])
def test_small_whole_numbers_are_rounds_and_others_where_one_says_so(
    tmp_path: Path, times: str
) -> None:
    rounds = FORECASTS.replace("2026-01-02T10:00:00Z", "1").replace("2026-01-03T10:00:00Z", "2")
    folder(tmp_path, forecasts=rounds.encode())
    assert platforms.read(tmp_path, Dialect(times=times)).panel.rounds
    folder(tmp_path, forecasts=rounds.replace(",2,", ",20000,").encode())
    if times:
        assert platforms.read(tmp_path, Dialect(times=times)).panel.rounds
    else:
        with pytest.raises(PanelError, match=r"forecasts.csv:3: .* below 10,000 are rounds"):
            platforms.read(tmp_path)


def test_a_file_or_folder_of_something_else_names_every_platform(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Nothing, here.\n")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (tmp_path, tmp_path / "notes.txt", empty):
        with pytest.raises(PanelError) as refused:
            platforms.read(path)
        assert all(platform.name in str(refused.value) for platform in platforms.PLATFORMS)
    with pytest.raises(PanelError, match=r"image\.png:1: byte 0x89"):
        platforms.read(tmp_path / "image.png")


def archive_of(*files: tuple[str, bytes]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return into.getvalue()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "survey.zip"
    whole = archive_of(
        ("questions.csv", QUESTIONS.encode() * 50), ("forecasts.csv", FORECASTS.encode())
    )
    start = whole.index(b"questions.csv") + 20
    packed.write_bytes(whole[:start] + b"\xff" * 30 + whole[start + 30 :])
    with pytest.raises(PanelError, match=r"survey\.zip/questions\.csv"):
        platforms.read(packed)
    packed.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PanelError, match=r"survey\.zip"):
        platforms.read(packed)
    twice = archive_of(
        *((f"{part}/questions.csv", QUESTIONS.encode()) for part in "ab"),
        ("a/forecasts.csv", FORECASTS.encode()),
    )
    packed.write_bytes(twice)
    with pytest.raises(PanelError, match=r"holds 2 files questions\.csv; keep one"):
        platforms.read(packed)


def test_a_name_in_an_archive_steers_no_terminal(tmp_path: Path) -> None:
    packed = tmp_path / "survey.zip"
    packed.write_bytes(
        archive_of(("questions.csv", b"x"), ("forecasts.csv", b"x")).replace(
            b"questions.csv", b"questions.\n\x1bv", 1
        )
    )
    with pytest.raises(PanelError) as refused:
        platforms.read(packed)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("form", ["zip", "gz", "plain"])
def test_no_more_is_read_than_a_limited_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(csv_io, "LARGEST_FILE", 100_000)
    bomb = FORECASTS.encode() + b"ann,q1,2026-01-02,0.3\n" * 10_000
    path = folder(tmp_path, forecasts=bomb)
    if form == "gz":
        (tmp_path / "forecasts.csv").unlink()
        (tmp_path / "forecasts.csv.gz").write_bytes(gzip.compress(bomb))
    if form == "zip":
        path = tmp_path / "survey.zip"
        path.write_bytes(archive_of(("questions.csv", QUESTIONS.encode()), ("forecasts.csv", bomb)))
    with pytest.raises(PanelError, match=r"forecasts\.csv.*: holds more than 100,000 bytes"):
        platforms.read(path)
