"""What reading a document may cost: time, memory and the size of what comes of it."""

import os
import zipfile
import zlib
from pathlib import Path

import pytest

from questions import confined
from questions.confined import LimitExceeded, Limits, call
from questions.documents import DocumentError
from questions.draft import draft

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
KIND = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def test_a_function_runs_elsewhere_and_gives_or_raises_what_it_does_here() -> None:
    assert call(os.getpid) != os.getpid()
    assert call(sorted, [2, 1], reverse=True) == [2, 1]
    with pytest.raises(ValueError, match="invalid literal"):
        call(int, "x")


def test_what_it_prints_is_not_what_it_gives() -> None:
    assert call(print, "a") is None


def test_processor_time_is_limited(monkeypatch) -> None:
    monkeypatch.setattr(confined, "LIMITS", Limits(cpu_seconds=1))
    with pytest.raises(LimitExceeded, match="1 seconds of processor time"):
        call(sum, range(10**12))


def test_memory_is_limited() -> None:
    with pytest.raises(LimitExceeded, match="takes too much memory; allowed: 1000 MB"):
        call(bytes, 2_000_000_000)


def test_what_it_gives_is_limited() -> None:
    with pytest.raises(LimitExceeded, match="takes too much memory"):
        call(bytes, confined.LIMITS.result_bytes + 1)


def test_a_process_that_dies_is_an_error_in_words() -> None:
    with pytest.raises(LimitExceeded, match="allowed"):
        call(os.abort)


def docx(path: Path, paragraphs: int) -> Path:
    paragraph = "<w:p><w:r><w:t>It may rain.</w:t></w:r></w:p>"
    body = f'<w:document xmlns:w="{WORD}"><w:body>{paragraph * paragraphs}</w:body></w:document>'
    part = f'<Override PartName="/word/document.xml" ContentType="{KIND}"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", f'<Types xmlns="{TYPES}">{part}</Types>')
        file.writestr("word/document.xml", body)
    return path


def pdf(path: Path, operators: int, kids: str = "3 0 R") -> Path:
    content = zlib.compress(
        b"BT /F1 12 Tf\n" + b"(It may rain.) Tj T*\n" * (operators // 2) + b"ET"
    )
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/MediaBox[0 0 600 800]/Kids[{kids}]/Count 1>>".encode(),
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    file, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(file))
        file += b"%d 0 obj%bendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(file)
    file += b"xref\n0 6\n0000000000 65535 f \n" + table
    path.write_bytes(file + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start)
    return path


def test_documents_within_the_limits_are_drafted(tmp_path: Path) -> None:
    for path in (docx(tmp_path / "a.docx", 10), pdf(tmp_path / "a.pdf", 20)):
        assert "[[implications]]" in draft(path)


def test_documents_beyond_the_limits_are_refused_in_a_sentence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(confined, "LIMITS", Limits(cpu_seconds=2, memory_bytes=500_000_000))
    bomb = tmp_path / "bomb.docx"
    docx(bomb, 600_000)
    many = pdf(tmp_path / "many.pdf", 1_500_000)
    recursive = pdf(tmp_path / "recursive.pdf", 10, kids="2 0 R")
    cut = tmp_path / "cut.pdf"
    cut.write_bytes(many.read_bytes()[:1_000])
    for path in (bomb, many, recursive, cut):
        with pytest.raises(DocumentError, match=f"{path.name}: .*; allowed: ") as refusal:
            draft(path)
        assert "\n" not in str(refusal.value)
