"""Reading documents: Markdown, plain text, HTML, DOCX and PDF, each as one text.

`python -m questions.documents DOCUMENT` writes the text that positions refer to.
"""

import logging
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from zipfile import ZipFile, is_zipfile

if TYPE_CHECKING:
    from pypdf import PdfReader

Markup = Literal["text", "html"]

MAX_BYTES: Final = 20_000_000
MAX_UNPACKED_BYTES: Final = 200_000_000
MAX_CHARACTERS: Final = 1_000_000

# Not allowed in UTF-8 files, but produced by faulty PDF fonts.
UNWRITABLE: Final = re.compile("[\x00\ud800-\udfff]")


class DocumentError(ValueError):
    """An unusable document: one sentence with the reason and what is allowed."""


class Extract(NamedTuple):
    """The result of reading a file; `pages` are the positions in `text` at which pages begin."""

    text: str
    markup: Markup = "text"
    pages: tuple[int, ...] = ()


@dataclass(frozen=True)
class Manuscript:
    """A document as it was read.

    Attributes:
        sha256: SHA-256 of the file's bytes.
        text: the text that positions refer to, in characters from the start. For plain text,
            Markdown and HTML it is the decoded file itself, including markup. For DOCX and PDF it
            is the extracted text; for DOCX with `# ` before headings and `- ` before items.
        markup: `html` when `text` is HTML.
        pages: where each page of a PDF begins in `text`; empty for other formats.
    """

    sha256: str
    text: str
    markup: Markup = "text"
    pages: tuple[int, ...] = ()

    @property
    def prose(self) -> str:
        """The text without HTML markup, as the lint uses it."""
        return html_text(self.text)[0] if self.markup == "html" else self.text

    def page(self, position: int) -> int | None:
        """Return the page of a position, counted from 1.

        Examples:
            >>> Manuscript("", "It may rain.", pages=(0, 7)).page(8)
            2
        """
        return bisect_right(self.pages, position) if self.pages else None


def read_document(path: Path) -> Manuscript:
    """Read a document in the format given by its file extension.

    Args:
        path: `.txt`, `.text`, `.md`, `.markdown`, `.html` or `.htm` in UTF-8, `.docx`, or `.pdf`;
            at most 20 MB with at most 1,000,000 characters of text.

    Raises:
        DocumentError: the document cannot be read, is protected or too large, or has no text.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise DocumentError(f"{path}: cannot be read as a document; allowed: {', '.join(READERS)}.")
    content = _content(path)
    extract = read(path, content)
    if len(extract.text) > MAX_CHARACTERS:
        raise DocumentError(
            f"{path}: holds more text than can be looked through; "
            f"allowed: {MAX_CHARACTERS} characters."
        )
    text = UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", extract.text)
    return Manuscript(sha256(content).hexdigest(), text, extract.markup, extract.pages)


def html_text(document: str) -> tuple[str, Sequence[int]]:
    """Return the text of HTML and, for each of its characters, its position in the HTML.

    Examples:
        >>> html_text("<h1>Rain</h1>")[0].strip()
        '# Rain'
    """
    reader = _HtmlText(document)
    reader.feed(document)
    reader.close()
    return "".join(reader.characters), reader.offsets


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DocumentError(f"{path}: is too large, {size} bytes; allowed: {MAX_BYTES} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror}).") from error


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{path}: is not UTF-8 at byte {error.start}; allowed: UTF-8 text."
        ) from error


def _read_text(path: Path, content: bytes) -> Extract:
    return Extract(_decoded(path, content))


def _read_html(path: Path, content: bytes) -> Extract:
    return Extract(_decoded(path, content), "html")


def _read_docx(path: Path, content: bytes) -> Extract:
    if not is_zipfile(BytesIO(content)):
        raise DocumentError(
            f"{path}: is not a DOCX document, or is protected by a password; allowed: DOCX "
            "without a password."
        )
    try:
        with ZipFile(BytesIO(content)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        html = _docx_html(content) if unpacked <= MAX_UNPACKED_BYTES else ""
    except MemoryError:
        raise
    except Exception as error:
        raise DocumentError(
            f"{path}: is damaged and cannot be read as DOCX; allowed: DOCX that a word processor "
            "opens."
        ) from error
    if unpacked > MAX_UNPACKED_BYTES:
        raise DocumentError(
            f"{path}: unpacks to {unpacked} bytes; allowed: {MAX_UNPACKED_BYTES} bytes."
        )
    return Extract(html_text(html)[0].strip())


def _docx_html(content: bytes) -> str:
    import mammoth  # noqa: PLC0415 - loaded for this format only

    # Otherwise every picture would be read and embedded into the HTML.
    pictures = mammoth.images.img_element(lambda _image: {"src": ""})
    return str(mammoth.convert_to_html(BytesIO(content), convert_image=pictures).value)


def _read_pdf(path: Path, content: bytes) -> Extract:
    try:
        texts = _pdf_pages(content)
    except MemoryError:
        raise
    except Exception as error:
        raise DocumentError(
            f"{path}: is damaged and cannot be read as PDF; allowed: PDF that a viewer opens."
        ) from error
    if texts is None:
        raise DocumentError(
            f"{path}: is protected by a password or encrypted; allowed: PDF without protection."
        )
    if not any(map(str.isalnum, "".join(texts))):
        raise DocumentError(
            f"{path}: holds no text, only pictures of it or nothing; allowed: PDF with text, such "
            "as text recognition adds."
        )
    starts = accumulate((len(text) + 1 for text in texts[:-1]), initial=0)
    return Extract("\n".join(texts), pages=tuple(starts))


def _pdf_pages(content: bytes) -> list[str] | None:
    """Return the text of each page, or None if the file is locked.

    A file that forbids printing, for example, is encrypted but opens without a password.
    """
    import pypdf  # noqa: PLC0415 - loaded for this format only

    # A damaged file is either read or refused in one sentence; details of the damage are not
    # logged.
    logging.getLogger(pypdf.__name__).setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(BytesIO(content))
        is_locked = reader.is_encrypted and not reader.decrypt("")
        return None if is_locked else list(_up_to_one_too_many(reader))
    except pypdf.errors.DependencyError:  # a cipher that needs a further package
        return None


def _up_to_one_too_many(reader: "PdfReader") -> Iterator[str]:
    """Yield the texts of the pages until they exceed the maximum length."""
    size = 0
    for page in reader.pages:
        if size > MAX_CHARACTERS:
            return
        text = page.extract_text()
        size += len(text)
        yield text


READERS: Final[dict[str, Callable[[Path, bytes], Extract]]] = {
    ".txt": _read_text,
    ".text": _read_text,
    ".md": _read_text,
    ".markdown": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".docx": _read_docx,
    ".pdf": _read_pdf,
}


class _HtmlText(HTMLParser):
    """The text of HTML with the offset of each character; headings and items are marked."""

    HIDDEN: Final = frozenset({"script", "style", "head", "template", "noscript", "nav"})
    BLOCKS: Final = frozenset(
        {"p", "div", "li", "ul", "ol", "br", "tr", "td", "th", "table", "section", "article",
         "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "body", "main", "header", "footer"}
    )  # fmt: skip

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=False)
        self.characters: list[str] = []
        self.offsets: list[int] = []
        self._hidden = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", document))]

    def handle_starttag(
        self,
        tag: str,
        attrs: list[tuple[str, str | None]],  # noqa: ARG002 - the parser's signature
    ) -> None:
        self._hidden += tag in self.HIDDEN
        if tag in self.BLOCKS:
            mark = "# " if re.fullmatch("h[1-6]", tag) else "- " if tag == "li" else ""
            self._add(f"\n{mark}", 0)

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(self._hidden - (tag in self.HIDDEN), 0)
        if tag in self.BLOCKS:
            self._add("\n\n", 0)

    def handle_data(self, data: str) -> None:
        self._add(re.sub(r"\s", " ", data), 1)

    def handle_entityref(self, name: str) -> None:
        self._add(unescape(f"&{name};"), 0)

    def handle_charref(self, name: str) -> None:
        self._add(unescape(f"&#{name};"), 0)

    def _add(self, text: str, step: int) -> None:
        if self._hidden:
            return
        line, column = self.getpos()
        start = self._starts[line - 1] + column
        self.characters.extend(text)
        self.offsets.extend(start + step * index for index in range(len(text)))


def _main(arguments: Sequence[str]) -> str:
    try:
        (path,) = arguments
        return read_document(Path(path)).text
    except DocumentError as error:
        sys.exit(str(error))
    except ValueError:
        sys.exit("usage: python -m questions.documents DOCUMENT")


if __name__ == "__main__":
    sys.stdout.write(_main(sys.argv[1:]))
