"""Closed-loop load on an HTTP server: each connection sends a request after every response.

The client is a bare asyncio protocol to keep its share of the processor small; `Measured` reports
that share.
"""

import asyncio
import json
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil


@dataclass(frozen=True)
class Measured:
    """The result of a closed loop: seconds per response, in total, and CPU seconds by process."""

    seconds: list[float]
    took: float
    server: float
    database: float
    client: float

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.seconds) / self.took

    def __str__(self) -> str:
        cuts = statistics.quantiles(self.seconds, n=100)
        each = 1e3 / len(self.seconds)
        return (
            f"{self.rate:6.0f}/s  p50 {cuts[49] * 1e3:6.1f}  p95 {cuts[94] * 1e3:6.1f}  "
            f"p99 {cuts[98] * 1e3:6.1f} ms  CPU ms each: server {self.server * each:5.2f} "
            f"database {self.database * each:5.2f} client {self.client * each:4.2f}"
        )


def measure(
    port: int,
    requests: Iterator[bytes],
    connections: int,
    seconds: float,
    *,
    server: psutil.Process,
    database: Sequence[psutil.Process] = (),
) -> Measured:
    """Run closed loops until the time is up or the requests are exhausted."""
    before = spent([server]), spent(database), time.process_time()
    started = time.perf_counter()
    answers = asyncio.run(_loops(port, requests, connections, seconds))
    took = time.perf_counter() - started
    after = spent([server]), spent(database), time.process_time()
    return Measured(answers, took, *(b - a for a, b in zip(before, after, strict=True)))


def spent(processes: Sequence[psutil.Process]) -> float:
    """CPU seconds of processes and their children."""
    every = [one for process in processes for one in (process, *process.children(recursive=True))]
    times = [one.cpu_times() for one in every]
    return sum(one.user + one.system for one in times)


def resident(process: psutil.Process) -> list[float]:
    """Resident megabytes of a process and its children, counting shared pages in each."""
    every = [process, *process.children(recursive=True)]
    return [one.memory_info().rss / 1e6 for one in every]


def held(process: psutil.Process) -> float:
    """Proportional megabytes of a process and its children, dividing shared pages between them."""
    every = [process, *process.children(recursive=True)]
    return sum(one.memory_full_info().pss / 1e6 for one in every)


def request(method: str, path: str, token: str, body: Any = None) -> bytes:
    """A complete request as sent over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def _loops(
    port: int, requests: Iterator[bytes], connections: int, seconds: float
) -> list[float]:
    until, answers = time.perf_counter() + seconds, []
    running = asyncio.get_running_loop()
    made = [
        await running.create_connection(lambda: _Loop(requests, until, answers), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(loop.ended for _, loop in made))
    return answers


class _Loop(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], until: float, answers: list[float]) -> None:
        self.requests, self.until, self.answers = requests, until, answers
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.came = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        asked = next(self.requests, None) if time.perf_counter() < self.until else None
        if asked is None:
            self.ended.set_result(None)
            self.transport.close()
            return
        self.asked_at = time.perf_counter()
        self.transport.write(asked)

    def data_received(self, data: bytes) -> None:
        self.came += data
        head = self.came.find(b"\r\n\r\n")
        told = re.search(rb"content-length: (\d+)", self.came[: max(head, 0)], re.IGNORECASE)
        if told is None or len(self.came) < head + 4 + int(told[1]):
            return
        if self.came[9:10] != b"2":
            self.ended.set_exception(RuntimeError(self.came.decode()))
            self.transport.close()
            return
        self.answers.append(time.perf_counter() - self.asked_at)
        self.came = b""
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or RuntimeError("the server hung up"))
