"""docs/api.md: its example runs against a real server, and it names every type of problem."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from service import exceptions
from service.app import create_app
from service.background import tasks
from service.client import Client
from service.database.engine import Database
from service.web.openapi import WRITING_ERRORS
from service.web.openapi_examples import of_problem

GUIDE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.fixture
def address(settings) -> Iterator[str]:
    """A real server on a free port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(settings), log_config=None)
        server = uvicorn.Server(config)
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        while not server.started and serving.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        serving.join()


EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def run(block: str, address: str, **known: Any) -> dict[str, Any]:
    """Run an example on our server; what it leaves."""
    at_home = block.replace("http://127.0.0.1:8000", address)
    exec(compile(at_home, "docs/api.md", "exec"), known)  # noqa: S102  # our own text
    return known


async def do_tasks(database: Database) -> None:
    """What a worker does all the time."""
    async with database.read() as session:
        found = await tasks.unfinished(session)
    for task in found:
        await tasks.run(database, task.id, kept=timedelta(hours=1))


def test_the_example_of_a_task_runs(address, account, question, on_database, capsys) -> None:
    ann, ended = account("ann"), threading.Event()
    ann.forecast(question(), 0.3)

    def work() -> None:
        while not ended.is_set():
            on_database(do_tasks)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        left = run(EXAMPLES[1], address, token=ann.token, Client=Client)
    finally:
        ended.set()
        worker.join()
    assert len(EXAMPLES) == 2
    assert f"done 1 {left['task'].file.sha256}" in capsys.readouterr().out


def test_the_example_runs(address, account, question, capsys) -> None:
    ann, _ = account("ann"), question()
    left = run(EXAMPLES[0], address, token=ann.token)
    assert left["answer"].aggregate.forecasters == 1
    assert left["best"] is None
    said = capsys.readouterr().out
    assert "Will rain come" in said
    assert "urn:credence:invalid [FieldError(field='probability'" in said


def test_every_type_of_problem_is_named_with_its_status() -> None:
    named = dict(re.findall(r"\| `(urn:credence:[a-z-]+)` \| (\d+) \|", GUIDE))
    kinds = {
        f"urn:credence:{kind.slug}": str(kind.status.value)
        for kind in exceptions.Problem.__subclasses__()
        if kind.__module__ == "service.exceptions"
    }
    documented = {
        of_problem(status)["type"]: str(HTTPStatus(status).value) for status in WRITING_ERRORS
    }
    assert kinds.items() <= named.items()
    assert documented.items() <= named.items()


def test_where_a_key_is_taken_is_said(client) -> None:
    document = client.get("/schema/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            names = {one["name"] for one in operation.get("parameters", [])}
            if "Idempotency-Key" in names and path.startswith("/api/v1"):
                short = re.sub(r"{\w+_id}", "{id}", path.removeprefix("/api/v1"))
                assert short in GUIDE, (method, short)
