"""The demonstration as a user starts it, and the README's tour of it, command by command."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOUR = README[README.index("## A tour") : README.index("## Your own instance")]
WHOLE = re.sub(r" \\\n\s+", " ", TOUR)
COMMANDS = re.findall(r"^\$ (curl .*|\.venv/bin/credence .*)$", WHOLE, re.MULTILINE)
PAGES = ("/", "/questions", "/questions/1", "/sets/port-aldery", "/leaderboard", "/calibration")

on_sqlite = pytest.mark.parametrize("install", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def demonstration(
    install: Any, tmp_path_factory: pytest.TempPathFactory, wait: Any
) -> Iterator[tuple[str, str, Path]]:
    """The address of a running demonstration, the token that it printed, and where it ran."""
    place = install(tmp_path_factory.mktemp("demonstration"))
    with place.serving(command="demo") as address:
        log = place.folder / "serve.log"
        printed = wait(lambda: re.search(r"(?s).*export TOKEN=(\S+)\n", log.read_text()), "a token")
        assert "Ada Okafor (simulated)" in printed[0]
        yield address, printed[1], place.folder


@on_sqlite
def test_it_has_life_on_every_page_and_says_what_it_is(demonstration) -> None:
    address, token, folder = demonstration
    for path in PAGES:
        page = httpx.get(f"{address}{path}", timeout=60)
        assert page.status_code == 200, path
        assert "This is a demonstration" in page.text, path
    fits = httpx.get(f"{address}/api/v1/fits", headers={"Authorization": f"Bearer {token}"}).json()
    assert [one["status"] for one in fits["items"]] == ["accepted", "refused"]
    assert [one.name for one in folder.iterdir()] == ["serve.log"], "nothing is left in the folder"


def test_the_readme_has_a_tour() -> None:
    assert sum(one.startswith("curl") for one in COMMANDS) >= 5
    assert sum("credence" in one for one in COMMANDS) >= 4


@on_sqlite
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_tour_runs(demonstration, tmp_path: Path, command: str) -> None:
    address, token, _ = demonstration
    for name in ("questions", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "credence").symlink_to(Path(sys.executable).with_name("credence"))
    kept = {name: text for name, text in os.environ.items() if "CREDENCE" not in name}
    done = subprocess.run(
        ["bash", "-c", command.replace("http://127.0.0.1:8000", address).replace("-s ", "-sf ", 1)],
        cwd=tmp_path,
        env=kept | {"TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    if command.startswith("curl"):
        answer = json.loads(done.stdout)
        shown = re.search(re.escape(command) + r"\n(\{.*?)\n(?:\$|```)", WHOLE, re.DOTALL)
        promised = set(re.findall(r'"(\w+)":', shown[1])) if shown else set()
        assert promised <= set(re.findall(r'"(\w+)":', done.stdout))
        assert answer
