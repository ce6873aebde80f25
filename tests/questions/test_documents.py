import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZipFile

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from questions.claims import find_claims
from questions.documents import MAX_BYTES, DocumentError, read_document
from questions.draft import draft

ROOT = Path(__file__).parents[2]
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"

# Style of a paragraph, its runs.
PARAGRAPHS = (
    ("Heading1", ["2. What follows"]),
    ("", ["Freight ", "may", " move from road to rail & sea. Nothing else."]),
    ("", ["A late opening would mean:"]),
    ("ListParagraph", ["Higher fares in Norhaven"]),
)
PAGES = (
    ["Northfell: a report", "The canteen sells soup."],
    ["Freight may move from road", "to rail in the north. Buses leave", "at noon."],
    ["The port could close."],
)


def docx(paragraphs: tuple[tuple[str, list[str]], ...]) -> bytes:
    def properties(style: str) -> str:
        numbered = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
        list_part = numbered if style == "ListParagraph" else ""
        return f'<w:pPr><w:pStyle w:val="{style}"/>{list_part}</w:pPr>' if style else ""

    def runs(texts: list[str]) -> str:
        return "".join(
            f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r>' for text in texts
        )

    body = "".join(f"<w:p>{properties(style)}{runs(texts)}</w:p>" for style, texts in paragraphs)
    content = BytesIO()
    with ZipFile(content, "w") as parts:
        parts.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{TYPES}"><Default Extension="rels" ContentType="application/vnd.'
            'openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{MAIN}"/></Types>',
        )
        parts.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}" '
            'Target="word/document.xml"/></Relationships>',
        )
        parts.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        )
        parts.writestr(
            "word/styles.xml",
            f'<w:styles xmlns:w="{WORD}"><w:style w:type="paragraph" w:styleId="Heading1">'
            '<w:name w:val="heading 1"/></w:style><w:style w:type="paragraph" '
            'w:styleId="ListParagraph"><w:name w:val="List Paragraph"/></w:style></w:styles>',
        )
        parts.writestr(
            "word/numbering.xml",
            f'<w:numbering xmlns:w="{WORD}"><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0">'
            '<w:numFmt w:val="bullet"/></w:lvl></w:abstractNum><w:num w:numId="1">'
            '<w:abstractNumId w:val="0"/></w:num></w:numbering>',
        )
    return content.getvalue()


def pdf(pages: tuple[list[str], ...], *, password: str | None = None) -> bytes:
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    fonts = DictionaryObject({NameObject("/F1"): font})
    for lines in pages:
        page = writer.add_blank_page(300, 400)
        drawn = DecodedStreamObject()
        shown = " T* ".join(f"({line}) Tj" for line in lines)
        drawn.set_data(f"BT /F1 12 Tf 14 TL 20 360 Td {shown} ET".encode())
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        page[NameObject("/Contents")] = writer._add_object(drawn)
    if password is not None:
        writer.encrypt(password, "owner", algorithm="RC4-128")
    content = BytesIO()
    writer.write(content)
    return content.getvalue()


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


Written = Callable[[str, bytes], Path]


def test_docx_is_read_with_its_headings_and_items(written: Written) -> None:
    manuscript = read_document(written("report.docx", docx(PARAGRAPHS)))
    claims = find_claims(manuscript.text, manuscript.markup)
    assert [manuscript.text[slice(*claim.places[0])] for claim in claims] == [
        "Freight may move from road to rail & sea.",
        "Higher fares in Norhaven",
    ]
    assert [claim.section for claim in claims] == ["2", "2"]
    assert manuscript.text[slice(*(claims[1].lead or ()))] == "A late opening would mean:"
    assert manuscript.text.startswith("# 2. What follows")


def test_pdf_is_read_with_the_page_of_each_claim(written: Written) -> None:
    path = written("report.pdf", pdf(PAGES))
    text = read_document(path).text
    comments = re.findall(
        r"^# claim at (\d+)-(\d+) \(page (\d)\): (.*)$", draft(path), re.MULTILINE
    )
    assert [(page, words) for _, _, page, words in comments] == [
        ("2", "Freight may move from road to rail in the north."),
        ("3", "The port could close."),
    ]
    for start, end, _, words in comments:
        assert " ".join(text[int(start) : int(end)].split()) == words


def test_a_claim_that_runs_over_a_page_is_one(written: Written) -> None:
    path = written("report.pdf", pdf((["The port of Norhaven may"], ["close in winter."])))
    manuscript = read_document(path)
    (claim,) = find_claims(manuscript.text)
    assert manuscript.page(claim.places[0].start) == 1
    assert manuscript.page(claim.places[0].end - 1) == 2


def test_pdf_that_bars_only_printing_is_read(written: Written) -> None:
    text = read_document(written("report.pdf", pdf(PAGES, password=""))).text
    assert "The port could close." in text


@pytest.mark.parametrize("name", ["report.docx", "report.pdf"])
def test_a_draft_of_every_format_is_a_set(name: str, written: Written) -> None:
    content = docx(PARAGRAPHS) if name.endswith("docx") else pdf(PAGES)
    drafted = tomllib.loads(draft(written(name, content)))
    assert drafted["slug"] == "report"
    assert len(drafted["implications"]) == len(drafted["questions"]) == 2


def test_html_is_compared_without_its_markup(written: Written) -> None:
    manuscript = read_document(written("a.html", b"<p>It <b>may</b> rain &amp; hail.</p>"))
    assert manuscript.prose.strip() == "It may rain & hail."
    assert manuscript.text.startswith("<p>It")


def test_a_mark_of_the_byte_order_is_no_part_of_the_text(written: Written) -> None:
    assert read_document(written("a.md", b"\xef\xbb\xbfIt may rain.")).text == "It may rain."


def test_no_text_is_read_that_a_set_could_not_hold(written: Written) -> None:
    path = written("a.txt", b"It may\x00 rain on Monday\x00 in Norhaven.")
    assert "\x00" not in read_document(path).text
    assert tomllib.loads(draft(path))["implications"]


LOCKED = pdf(PAGES, password=PAGES[0][0])
OLE = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 504
NO_DOCX = "is not a DOCX document, or is protected by a password; allowed: DOCX without a password."
NO_TEXT = "holds no text, only pictures of it or nothing; allowed: PDF with text, such as text "


def with_aes(content: bytes) -> bytes:
    """Name the cipher that most PDF writers use today."""
    filters = b"/CF << /StdCF << /CFM /AESV2 /Length 16 >> >> /StmF /StdCF /StrF /StdCF"
    assert b"/V 2" in content
    return content.replace(b"/V 2", b"/V 4 " + filters).replace(b"/R 3", b"/R 4")


def empty_zip() -> bytes:
    content = BytesIO()
    with ZipFile(content, "w") as parts:
        parts.writestr("a.txt", "It may rain.")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.odt", b"PK", "cannot be read as a document; allowed: .txt, .text, .md"),
        ("a", b"It may rain.", "cannot be read as a document; allowed: .txt"),
        ("a.txt", b"It may be \xff", "is not UTF-8 at byte 10; allowed: UTF-8 text."),
        ("a.html", "Café".encode("latin-1"), "is not UTF-8 at byte 3; allowed: UTF-8 text."),
        ("a.md", b" " * 1_000_001, "holds more text than can be looked through; allowed: 1000000"),
        ("a.docx", OLE, NO_DOCX),
        ("a.docx", b"", NO_DOCX),
        ("a.docx", empty_zip(), "is damaged and cannot be read as DOCX; allowed: DOCX that"),
        ("a.docx", docx(PARAGRAPHS)[:-400], NO_DOCX),
        ("a.pdf", b"%PDF-1.7\nnothing", "is damaged and cannot be read as PDF; allowed: PDF that"),
        ("a.pdf", b"", "is damaged and cannot be read as PDF; allowed: PDF that"),
        ("a.pdf", LOCKED, "is protected by a password or encrypted; allowed: PDF without pro"),
        ("a.pdf", with_aes(LOCKED), "is protected by a password or encrypted"),
        ("a.pdf", with_aes(pdf(PAGES, password="")), "is protected by a password or encrypted"),
        ("a.pdf", pdf(([],)), NO_TEXT),
    ],
)
def test_other_documents_are_refused_in_a_sentence(
    name: str, content: bytes, sentence: str, written: Written, capfd: pytest.CaptureFixture[str]
) -> None:
    path = written(name, content)
    with pytest.raises(DocumentError) as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")
    assert str(caught.value).count("\n") == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.txt", "a.docx", "a.pdf"])
def test_50_megabytes_are_refused_unread(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(DocumentError, match=f"is too large, 50000000 bytes; allowed: {MAX_BYTES} "):
        read_document(path)


def test_a_small_file_that_unpacks_to_too_much_is_refused(written: Written) -> None:
    content = BytesIO(docx(PARAGRAPHS))
    with ZipFile(content, "a", compression=8) as parts, parts.open("word/big.xml", "w") as part:
        for _ in range(201):
            part.write(bytes(1_000_000))
    with pytest.raises(DocumentError, match=r"unpacks to 201\d+ bytes; allowed: 200000000 bytes"):
        read_document(written("a.docx", content.getvalue()))


def test_the_command_writes_the_text_in_which_positions_count(written: Written) -> None:
    path = written("report.pdf", pdf(PAGES))
    command = [sys.executable, "-m", "questions.documents"]
    done = subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode() == read_document(path).text
    for wrong in ([], ["none.pdf"]):
        failed = subprocess.run([*command, *wrong], cwd=ROOT, capture_output=True, check=False)
        assert failed.returncode == 1
        assert len(failed.stderr.splitlines()) == 1


def test_a_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.mkdir()
    with pytest.raises(DocumentError, match=r"a\.md: cannot be read \(Is a directory\)"):
        read_document(path)


def test_the_pdf_of_these_tests_is_one() -> None:
    assert len(PdfReader(BytesIO(pdf(PAGES)), strict=True).pages) == len(PAGES)
