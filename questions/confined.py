"""Running parsers of untrusted input in a separate process with resource limits.

`call` starts `python -m questions.confined`, which runs one function and ends. The function uses
none of the caller's memory, and no more time than the limits allow.
"""

import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Final, NamedTuple, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Limits(NamedTuple):
    """Resource limits of a function.

    Attributes:
        cpu_seconds: processor time in seconds.
        seconds: elapsed time in seconds, allowing for a busy machine.
        memory_bytes: address space of its process in bytes.
        result_bytes: size of its result in bytes.
    """

    cpu_seconds: int = 20
    seconds: int = 120
    memory_bytes: int = 1_000_000_000
    result_bytes: int = 50_000_000


LIMITS: Final = Limits()


class LimitExceeded(Exception):  # noqa: N818  # a decision, not an error of the function
    """A function exceeded its limits; the message continues after the name of its input."""


def call(function: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
    """Run a function of a module in a separate process; its exceptions are raised here.

    Raises:
        LimitExceeded: it exceeded `LIMITS`.
    """
    limits = LIMITS
    try:
        done = subprocess.run(  # noqa: S603  # this interpreter and this module
            [sys.executable, "-P", "-m", __name__, *map(str, limits)],
            input=pickle.dumps((function, given, named)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LimitExceeded(_too_long(limits)) from None
    if done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        raise LimitExceeded(_too_long(limits))
    if done.returncode:
        raise LimitExceeded(_too_large(limits))
    result, error = pickle.loads(done.stdout)  # noqa: S301  # from our own child process
    if isinstance(error, MemoryError):
        raise LimitExceeded(_too_large(limits)) from None
    if error is not None:
        raise error
    value: Result = result
    return value


def _too_long(limits: Limits) -> str:
    return f"takes too long to read; allowed: {limits.cpu_seconds} seconds of processor time"


def _too_large(limits: Limits) -> str:
    return f"takes too much memory; allowed: {limits.memory_bytes // 1_000_000} MB"


def _main() -> None:
    limits = Limits(*map(int, sys.argv[1:]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The soft limit ends the process; the hard limit covers functions that ignore the signal.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(
        sys.stderr.fileno(), sys.stdout.fileno()
    )  # output of libraries must not mix with the result
    function, given, named = pickle.load(sys.stdin.buffer)  # noqa: S301  # from our own parent process
    try:
        said = pickle.dumps((function(*given, **named), None))
    except Exception as error:  # noqa: BLE001  # the parent raises it
        said = pickle.dumps((None, error))
    if len(said) > limits.result_bytes:
        said = pickle.dumps((None, MemoryError()))
    answer.write(said)
    answer.close()


if __name__ == "__main__":
    _main()
