"""Drafting in the browser: whatever a file is called or holds, and whoever else drafts."""

import asyncio
import tempfile
import threading
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from service.curation.drafting import MOST_WAITING, DraftingQueue
from service.exceptions import Conflict
from service.models import Role
from service.permissions import Actor

TEXT = "The ministry may open a second harbour in 2027.\n"


@pytest.fixture
def upload(opened, tmp_path, monkeypatch) -> Callable[..., Any]:
    """Send a file to be drafted from; nothing of it is left afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def send(name: str, content: bytes = TEXT.encode()) -> Any:
        answer = opened("POST", "/curate/draft", "curator", files={"file": (name, content)})
        assert list(folder.iterdir()) == []
        return answer

    return send


NAMES = {
    "report.md": "report",
    "A" * 300 + ".md": "A" * 200,
    "../../etc/report.md": "report",
    "C:\\reports\\report.TXT": "report",
    "a/b/..md": "document",
    "... .md": "document",
    "re\u202eport\u200b.md": "report",
    "Bericht \u00fcber \u6e2f.md": "Bericht \u00fcber \u6e2f",
    "report.pdf.md": "report.pdf",
}


def test_a_file_of_any_name_is_drafted_under_a_name_of_our_own(upload) -> None:
    for name, title in NAMES.items():
        answer = upload(name)
        assert answer.status_code == 200, answer.text
        assert f'title = "{title}"' in unescape(answer.text)


NO_ENDING = "the file cannot be read as a document; allowed: .txt"
REFUSED = (
    ("..", TEXT.encode(), NO_ENDING),
    ("report", TEXT.encode(), NO_ENDING),
    ("x" * 300, TEXT.encode(), NO_ENDING),
    ("report.exe", TEXT.encode(), NO_ENDING),
    ("report.md/", TEXT.encode(), NO_ENDING),
    ("report.docx", b"\x00" * 100, "is not a DOCX document"),
    ("report.pdf", b"%PDF-1.7\n", "is damaged and cannot be read as PDF"),
    ("report.txt", b"\xff\xfe", "is not UTF-8"),
    ("report.md", b"\x00" * 100, "no sentence looks forward"),
)


def test_what_cannot_be_drafted_is_refused_beside_the_form(upload) -> None:
    for name, content, why in REFUSED:
        answer = upload(name, content)
        assert answer.status_code == 422
        assert why in unescape(answer.text)
        assert "temporary" not in answer.text, "the place of our own file is nobody's to see"


def test_a_nul_in_the_name_of_a_file_is_no_fault_of_ours(opened, client) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a\x00b.md"\r\n'
        b"Content-Type: text/plain\r\n\r\n" + TEXT.encode() + b"\r\n--b--\r\n"
    )
    client.headers["Content-Type"] = "multipart/form-data; boundary=b"
    answer = opened("POST", "/curate/draft", "curator", content=body)
    assert answer.status_code == 200, answer.text
    assert 'title = "ab"' in unescape(answer.text)


def test_an_account_takes_one_place_however_much_it_sends() -> None:
    ann, bob = (
        Actor(number, name, Role.curator, bot=False) for number, name in ((1, "ann"), (2, "bob"))
    )
    go_on = threading.Event()
    begun: list[str] = []
    both = threading.Barrier(3)

    def work(name: str) -> str:
        begun.append(name)
        if len(begun) <= 2:
            both.wait(60)
        assert go_on.wait(60)
        return name

    async def run() -> list[str]:
        turns = DraftingQueue()
        waiting = [
            asyncio.create_task(turns.run(ann, lambda: work("ann"))) for _ in range(MOST_WAITING)
        ]
        waiting.append(asyncio.create_task(turns.run(bob, lambda: work("bob"))))
        await asyncio.to_thread(both.wait, 60)
        with pytest.raises(Conflict, match="still being read"):
            await turns.run(ann, lambda: "more")
        assert sorted(begun) == ["ann", "bob"]
        go_on.set()
        done = await asyncio.gather(*waiting)
        assert await turns.run(ann, lambda: "again") == "again"
        return done

    assert asyncio.run(run()) == ["ann"] * MOST_WAITING + ["bob"]
