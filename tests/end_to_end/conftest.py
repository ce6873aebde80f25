"""The real server as a process on a free port, with a database of its own, of either kind."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE_SECONDS = 300
# Tests that run elsewhere, beside packages that this service does not know, say where it is.
PYTHON = os.environ.get("PYTHON_OF_CREDENCE", sys.executable)


@dataclass(frozen=True)
class Installation:
    """A working folder with a database; runs `credence` there."""

    folder: Path
    environment: dict[str, str]
    python: str = PYTHON

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.python, "-m", "service.cli", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def serving(self, *arguments: str, command: str = "serve") -> Iterator[str]:
        """The server's address while it runs; what it prints is in `serve.log`."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = self.folder / "serve.log"
        with log.open("w") as output:
            server = subprocess.Popen(
                [self.python, "-m", "service.cli", command, "--port", str(port), *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        address = f"http://127.0.0.1:{port}"
        try:
            until(lambda: server.poll() is not None or _ready(address), "the server to be ready")
            assert server.poll() is None, log.read_text()
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def until(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it gives something; fails when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {PATIENCE_SECONDS} s for {what}")


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def wait() -> Callable[[Callable[[], Any], str], Any]:
    return until


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def install(request: pytest.FixtureRequest) -> Iterator[Callable[..., Installation]]:
    """Make a folder an installation; on PostgreSQL those of one file share a database."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("CREDENCE_")
    }
    environment |= {"CREDENCE_FIT_DEBOUNCE_SECONDS": "1", "CREDENCE_FIT_CHECK_SECONDS": "1"}
    if request.param == "sqlite":
        yield lambda folder, *python: Installation(folder, environment, *python)
        return
    with request.getfixturevalue("postgresql").fresh() as url:
        environment["CREDENCE_DATABASE_URL"] = url
        yield lambda folder, *python: Installation(folder, environment, *python)


@pytest.fixture
def installation(tmp_path: Path, install: Callable[[Path], Installation]) -> Installation:
    return install(tmp_path)
