"""Background work: durable workflows for refits, tasks and deliveries.

Sampling runs in a child process, whose crash does not stop the worker.
"""

import asyncio
import ctypes
import logging
import math
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from multiprocessing import get_context, parent_process
from multiprocessing.sharedctypes import RawValue
from typing import Any, ClassVar, Final, TypeVar

from dbos import DBOS, SetEnqueueOptions
from dbos import error as dbos_error
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.panel import Panel
from service.background import heartbeats, tasks
from service.background.heartbeats import Progress
from service.clock import now
from service.database import sqlite
from service.database.engine import Database
from service.fits import fits
from service.fits.fits import Sampled
from service.models import Fit, FitStatus
from service.notifications import deliveries, webhooks
from service.questions.aggregates import Aggregator
from service.settings import Settings

log = logging.getLogger(__name__)

QUEUE: Final = "refit"
DELIVERIES: Final = "deliveries"
TASKS: Final = "tasks"
AT_ONCE: Final = 16
"""Maximum number of accounts served with deliveries at the same time."""
TASKS_AT_ONCE: Final = 4
SCHEDULES: Final = frozenset({"look", "watch", "recover", "tidy"})
TELL_SECONDS: Final = 1.0
KEPT_RECORDS: Final = timedelta(hours=1)

Result = TypeVar("Result")


class Stopped(Exception):  # noqa: N818  # an expected stop, not an error
    """The sampler was stopped on request; this does not count as a failed fit."""


class ProgressMessage(ctypes.Structure):
    """Progress of the child process, in memory shared with the worker."""

    _fields_: ClassVar = [
        ("stage", ctypes.c_char * 200),
        ("drawn", ctypes.c_int64),
        ("draws", ctypes.c_int64),
    ]


class Sampler:
    """A child process for sampling, kept alive because compiling the model takes half a minute.

    A crash of the child costs one fit: the next one starts a new child.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self.child: int | None = None
        self._stopped = threading.Event()
        self._told = RawValue(ProgressMessage)

    def sample(self, panel: Panel, settings: Settings) -> Sampled:
        """Fit the model to a panel; raises only Stopped, since failures are part of the result."""
        if self._stopped.is_set():
            raise Stopped
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=_begin, initargs=(self._told,)
            )
        limit, level = settings.fit_timeout_seconds, settings.interval_level
        options = {
            "seed": settings.fit_seed,
            "chains": settings.fit_chains,
            "draws": settings.fit_draws,
            "tune": settings.fit_tune,
        }
        try:
            self.child = self._pool.submit(os.getpid).result()
            return self._pool.submit(_sample, panel, level, options).result(timeout=limit)
        except TimeoutError:
            self._kill()
            self.close()
            return Sampled(FitStatus.failed, f"the sampler did not finish within {limit:g} s")
        except BrokenProcessPool:
            if self._stopped.is_set():
                raise Stopped from None
            self.close()
            return Sampled(FitStatus.failed, "the sampler's process died")
        finally:
            self._told.stage, self._told.drawn, self._told.draws = b"", 0, 0

    @property
    def progress(self) -> Progress:
        """Progress of the current sampling."""
        told = self._told
        return Progress(told.stage.decode(errors="replace"), told.drawn, told.draws)

    def stop(self) -> None:
        """Abort the current sampling immediately."""
        self._stopped.set()
        self._kill()

    def _kill(self) -> None:
        if self.child is not None:
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)

    def close(self) -> None:
        """Terminate the child process, if any."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
            self.child = None


_progress = ProgressMessage()
"""Where the child process reports its progress."""


def _begin(progress: ProgressMessage) -> None:
    """Share progress with the worker, and exit when the worker exits for any reason."""
    global _progress  # noqa: PLW0603  # set once by the pool's initializer
    _progress = progress
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _tell(stage: str) -> None:
    _progress.stage, _progress.drawn, _progress.draws = stage.encode()[:199], 0, 0


def _tell_drawn(drawn: int, draws: int) -> None:
    _progress.drawn, _progress.draws = drawn, draws


def _sample(panel: Panel, level: float, options: dict[str, Any]) -> Sampled:
    # Only this process loads the sampler and SciPy.
    from forecasting.fit import FitRefused, fit  # noqa: PLC0415
    from forecasting.forecasters import summarise  # noqa: PLC0415

    try:
        posterior = fit(panel, progress=_tell, drawn=_tell_drawn, **options)
    except FitRefused as refusal:
        return Sampled(FitStatus.refused, refusal.reason, diagnostics=refusal.diagnostics)
    except Exception as error:  # noqa: BLE001  # a failure costs this fit only
        return Sampled(FitStatus.failed, f"{type(error).__name__}: {error}")
    _tell("summarising")
    summaries = summarise(panel, posterior, level=level)
    return Sampled(FitStatus.accepted, posterior=posterior, summaries=summaries)


class Heartbeat:
    """Records every few seconds, in a thread, that a worker is alive, its job and its progress.

    Changes are recorded every second.
    """

    def __init__(self, settings: Settings, progress: Callable[[], Progress]) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._settings = settings
        self._progress = progress
        self._seconds = settings.worker_patience_seconds / heartbeats.BEATS
        self._doing: list[str] = []
        self._changing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Record the first heartbeat and start the thread."""
        self._beat()
        self._thread.start()

    @contextmanager
    def alone(self, what: str) -> Iterator[bool]:
        """Show a job while the block runs; yields False if this worker is already doing it."""
        with self._changing:
            alone = what not in self._doing
            if alone:
                self._doing.append(what)
        if not alone:
            yield False
            return
        self._beat()
        try:
            yield True
        finally:
            self._doing.remove(what)
            self._beat()

    def stop(self) -> None:
        """Stop the thread and deregister the worker."""
        self._stopped.set()
        self._thread.join()
        self._tell(lambda session: heartbeats.deregister(session, self.name))

    def _run(self) -> None:
        reported, reported_at = self._progress(), time.monotonic()
        while not self._stopped.wait(min(self._seconds, TELL_SECONDS)):
            progress = self._progress()
            if progress != reported or time.monotonic() - reported_at >= self._seconds:
                self._beat()
                reported, reported_at = progress, time.monotonic()

    def _beat(self) -> None:
        doing, progress = ", ".join(self._doing), self._progress()
        self._tell(lambda session: heartbeats.record_heartbeat(session, self.name, doing, progress))

    def _tell(self, work: Callable[[AsyncSession], Awaitable[None]]) -> None:
        async def write(database: Database) -> None:
            async with database.write() as session:
                await work(session)

        try:
            asyncio.run(_with_database(self._settings, write))
        except Exception as error:  # noqa: BLE001  # the thread must survive any failure
            log.warning("the worker's heartbeat could not be recorded: %s", error)


async def fit_once(
    database: Database, settings: Settings, sampler: Sampler, *, anew: bool = True
) -> Fit | None:
    """Fit to all resolved questions, and store the result.

    Without `anew`, nothing is stored and None returned if another worker has stored such a fit in
    the meantime.
    """
    async with database.read() as session:
        job = await fits.read_job(session)
    sampled = await asyncio.to_thread(sampler.sample, job.panel, settings)
    aggregator = Aggregator(settings.interval_level)
    if not anew:
        async with database.read() as session:
            if await fits.covered(session) >= job.resolutions:
                return None
    fit = await fits.record(database, aggregator, job, sampled, seed=settings.fit_seed)
    log.info(
        "fit %d %s: %d questions, %d forecasts%s",
        fit.id,
        fit.status,
        fit.questions,
        fit.forecasts,
        f": {fit.reason}" if fit.reason else "",
    )
    return fit


def _make_private(settings: Settings) -> None:
    """Make the job database readable by its owner only, if it is a file."""
    url = make_url(settings.jobs_url)
    if url.get_backend_name() == "sqlite" and url.database:
        sqlite.create_private(url.database)
        sqlite.close_to_others(url.database)


def run_worker(settings: Settings, stop: threading.Event, *, beside: bool = False) -> None:
    """Run the jobs of one installation until `stop` is set; several workers may run at once.

    Every few seconds a scheduled workflow checks whether a fit is due and enqueues one refit (the
    queue runs one at a time) and the unfinished tasks. Another one records events for webhooks and
    enqueues the deliveries that are due. All jobs are derived from the rows, so a lost job loses no
    work: jobs of workers without a heartbeat are cancelled and become due again. A slow worker that
    was considered lost repeats nothing.

    A worker `beside` a web process does not log its readiness, so that the server's address is
    logged last.
    """
    sampler = Sampler()
    heartbeat = Heartbeat(settings, lambda: sampler.progress)
    enqueue_tasks = _tasks(settings, heartbeat, stop)

    @DBOS.step(name="fit")
    def attempt() -> str:
        with heartbeat.alone("refit") as alone:
            if not alone:
                return "this worker is already fitting"
            return asyncio.run(_with_database(settings, lambda db: _fit(db, settings, sampler)))

    @DBOS.step(name="need")
    def fit_is_due() -> bool:
        return asyncio.run(_with_database(settings, lambda db: _is_due(db, settings)))

    @DBOS.workflow(name="refit")
    def refit() -> str:
        return attempt() if fit_is_due() else "no longer needed"

    @DBOS.workflow(name="look")
    def schedule_refit(_scheduled_at: datetime, _context: object) -> None:
        _log_failure("enqueueing tasks", enqueue_tasks)
        if not fit_is_due():
            return
        try:
            with SetEnqueueOptions(deduplication_id="refit"):
                DBOS.enqueue_workflow(QUEUE, refit)
        except dbos_error.DBOSQueueDeduplicatedError:
            log.debug("a refit is already waiting or running")

    recover = _recovery(settings)
    poll_webhooks = _deliveries(settings)

    @DBOS.step(name="expire")
    def expire() -> None:
        asyncio.run(_with_database(settings, _expire))

    @DBOS.workflow(name="tidy")
    def cleanup(_scheduled_at: datetime, _context: object) -> None:
        _log_failure("removing expired files", expire)
        before = (now() - KEPT_RECORDS).isoformat()
        finished = DBOS.list_workflows(
            name=["look", "watch", "deliver", "tidy", "recover", "task"],
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before,
            load_input=False,
            load_output=False,
        )
        DBOS.delete_workflows([record.workflow_id for record in finished])

    _make_private(settings)
    DBOS(
        config={
            "name": "credence",
            "system_database_url": settings.jobs_url,
            "application_version": "credence",
            "executor_id": heartbeat.name,
            "log_level": "WARNING",
            "console_log_level": "WARNING",
            "scheduler_polling_interval_sec": 1.0,
        }
    )
    heartbeat.start()
    DBOS.launch()
    try:
        DBOS.register_queue(QUEUE, global_concurrency=1)
        DBOS.register_queue(DELIVERIES, concurrency=AT_ONCE)
        DBOS.register_queue(TASKS, concurrency=TASKS_AT_ONCE)
        DBOS.apply_schedules(
            [
                {
                    "schedule_name": "look",
                    "workflow_fn": schedule_refit,
                    "schedule": f"*/{settings.fit_check_seconds} * * * * *",
                },
                {
                    "schedule_name": "watch",
                    "workflow_fn": poll_webhooks,
                    "schedule": f"*/{settings.webhooks_check_seconds} * * * * *",
                },
                {
                    "schedule_name": "recover",
                    "workflow_fn": recover,
                    "schedule": f"*/{math.ceil(min(settings.worker_patience_seconds, 30) / 3)} "
                    "* * * * *",
                },
                {"schedule_name": "tidy", "workflow_fn": cleanup, "schedule": "17 * * * *"},
            ]
        )
        _forget_old_schedules()
        log.log(logging.DEBUG if beside else logging.INFO, "the worker is ready")
        stop.wait()
    finally:
        sampler.stop()
        DBOS.destroy()
        sampler.close()
        heartbeat.stop()


def _log_failure(what: str, work: Callable[[], None]) -> None:
    """Run work and log its failure, so that subsequent steps still run."""
    try:
        work()
    except Exception:
        log.exception("%s failed", what)


def _forget_old_schedules() -> None:
    """Delete schedules of earlier versions, whose workflows no longer exist."""
    for known in DBOS.list_schedules():
        if known["schedule_name"] not in SCHEDULES:
            DBOS.delete_schedule(known["schedule_name"])


def _recovery(settings: Settings) -> Callable[[datetime, object], None]:
    """Define the workflow that cancels jobs of workers without a heartbeat."""

    @DBOS.step(name="alive")
    def alive() -> list[str]:
        return asyncio.run(
            _with_database(settings, lambda db: _alive(db, heartbeats.patience(settings)))
        )

    @DBOS.workflow(name="recover")
    def recover(_scheduled_at: datetime, _context: object) -> None:
        alive_workers = alive()
        pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        orphaned = [one for one in pending if one.executor_id not in alive_workers]
        if orphaned:
            log.warning("%d jobs of lost workers are cancelled", len(orphaned))
            DBOS.cancel_workflows([one.workflow_id for one in orphaned])

    return recover


def _deliveries(settings: Settings) -> Callable[[datetime, object], None]:
    """Define the webhook workflows; returns the one to schedule."""

    def note() -> None:
        asyncio.run(_with_database(settings, _note))

    @DBOS.step(name="note")
    def accounts_with_deliveries() -> list[int]:
        _log_failure("recording events for webhooks", note)
        return asyncio.run(_with_database(settings, _accounts_with_deliveries))

    @DBOS.step(name="attempt")
    def attempt_deliveries(account_id: int) -> None:
        private = settings.private_networks
        asyncio.run(
            _with_database(settings, lambda db: deliveries.run(db, account_id, private=private))
        )

    @DBOS.workflow(name="deliver")
    def deliver(account_id: int) -> None:
        attempt_deliveries(account_id)

    @DBOS.workflow(name="watch")
    def poll_webhooks(_scheduled_at: datetime, _context: object) -> None:
        for account_id in accounts_with_deliveries():
            try:
                with SetEnqueueOptions(deduplication_id=f"deliveries-{account_id}"):
                    DBOS.enqueue_workflow(DELIVERIES, deliver, account_id)
            except dbos_error.DBOSQueueDeduplicatedError:
                log.debug("deliveries of account %d are already waiting or running", account_id)

    return poll_webhooks


def _tasks(settings: Settings, heartbeat: Heartbeat, stop: threading.Event) -> Callable[[], None]:
    """Define the task workflow; returns a function that enqueues every unfinished task."""
    kept = timedelta(hours=settings.export_kept_hours)

    @DBOS.step(name="unfinished")
    def next_tasks() -> list[tuple[int, str]]:
        return asyncio.run(_with_database(settings, _next_tasks))

    @DBOS.step(name="go on")
    def go_on(task_id: int, kind: str) -> None:
        def work(database: Database) -> Awaitable[None]:
            return tasks.run(database, task_id, kept=kept, stopped=stop.is_set)

        with heartbeat.alone(f"{kind} {task_id}") as alone:
            if alone:
                asyncio.run(_with_database(settings, work))

    @DBOS.workflow(name="task")
    def task(task_id: int, kind: str) -> None:
        go_on(task_id, kind)

    def enqueue_tasks() -> None:
        for task_id, kind in next_tasks():
            try:
                with SetEnqueueOptions(deduplication_id=f"task-{task_id}"):
                    DBOS.enqueue_workflow(TASKS, task, task_id, kind)
            except dbos_error.DBOSQueueDeduplicatedError:
                log.debug("task %d is already waiting or running", task_id)

    return enqueue_tasks


async def _with_database(
    settings: Settings, work: Callable[[Database], Awaitable[Result]]
) -> Result:
    database = Database(settings.url)
    try:
        return await work(database)
    finally:
        await database.close()


async def _fit(database: Database, settings: Settings, sampler: Sampler) -> str:
    fit = await fit_once(database, settings, sampler, anew=False)
    return fit.status if fit else "another worker has fitted already"


async def _alive(database: Database, patience: timedelta) -> list[str]:
    async with database.read() as session:
        return list(await heartbeats.alive(session, patience))


async def _next_tasks(database: Database) -> list[tuple[int, str]]:
    async with database.read() as session:
        return await tasks.next_of_each(session)


async def _expire(database: Database) -> None:
    async with database.write() as session:
        await tasks.tidy(session)


async def _note(database: Database) -> None:
    async with database.write() as session:
        await webhooks.note(session, now())


async def _accounts_with_deliveries(database: Database) -> list[int]:
    async with database.write() as session:
        return list(await deliveries.due(session, now()))


async def _is_due(database: Database, settings: Settings) -> bool:
    async with database.read() as session:
        needed = await fits.need(
            session,
            quiet=timedelta(seconds=settings.fit_debounce_seconds),
            longest_wait=timedelta(seconds=settings.fit_longest_wait_seconds),
            at=now(),
        )
    return needed.due
