"""Processes that do jobs, any of which may be killed at any time.

``concurrent.futures`` breaks the whole pool when one of its processes dies and cannot say
which job was in hand. Here each process has a pipe of its own and works off its jobs in
order, so the oldest job without an answer is the one it died of.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType
from typing import Any, Final, Generic, NoReturn, Self, TypeVar

from redactor.archive.tally import listening
from redactor.errors import RedactorError, SourceError
from redactor.redactor import Redactor

__all__ = ["Job", "MakeRedactor", "Ticket", "WorkerLostError", "Workers"]

_Result = TypeVar("_Result")

Job = Callable[[Redactor], _Result]
"""Work for one process. It and its result are pickled; what it raises becomes one line."""

MakeRedactor = Callable[[], Redactor]
"""Makes the redactor of a run. It must be picklable where processes cannot be forked."""

_AHEAD: Final = 2
"""How many jobs a process has: one in hand, and one so that it need not wait for the next.

So few fit into a pipe's buffer, and sending them never waits for a process that itself
waits to send a large result.
"""

_PATIENCE: Final = 10.0
"""How many seconds processes have to undo what they are at before they are killed."""

_ENDING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class WorkerLostError(RedactorError):
    """The process that had the job in hand is gone; the message says how it ended."""


class Ticket(Generic[_Result]):
    """The claim to the result of a job; ``done`` when there is one, or never will be."""

    def __init__(self, job: Job[_Result]) -> None:
        self.job = job
        self.done = False
        self.dropped = False
        self._result: _Result | None = None
        self._error: RedactorError | None = None

    def fulfil(self, result: _Result) -> None:
        """Take the result."""
        self._result, self.done = result, True

    def fail(self, error: RedactorError) -> None:
        """Take note that there is no result."""
        self._error, self.done = error, True

    def result(self) -> _Result:
        """Return the result of a job that is done; raises what it failed of."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


class Workers:
    """Up to ``jobs`` processes, each with a redactor of its own, as a context manager.

    They are started when there is work for them. One that dies is replaced; only the job it
    had in hand is lost. On the way out all are told to stop, waited for, and killed after
    ``_PATIENCE`` seconds: none outlives the ``with``. Raises what ``make_redactor`` raises, and
    ``SourceError`` if no process can be started.

    Processes are forked where that is safe, on Linux from a process with one thread, and
    else started anew. Not to be shared between threads.
    """

    def __init__(self, make_redactor: MakeRedactor, jobs: int) -> None:
        self.jobs = jobs
        self.redactor = make_redactor()
        """The redactor of this process; forked processes get a copy of it."""
        self._forks = sys.platform == "linux" and threading.active_count() == 1
        self._context: BaseContext = multiprocessing.get_context("fork" if self._forks else "spawn")
        self._make_redactor: MakeRedactor = _Given(self.redactor) if self._forks else make_redactor
        self._waiting: deque[Ticket[Any]] = deque()
        self._first: deque[Ticket[Any]] = deque()
        """The jobs that go before those that wait."""
        self._workers: list[_Worker] = []
        # How many bytes and secrets each process has noted: two numbers for each, which only it writes.
        self._tallies: Any = self._context.RawArray("q", 2 * jobs)

    @property
    def noted(self) -> tuple[int, int]:
        """How many bytes and secrets the processes have noted so far; see ``redactor.archive.tally``."""
        return sum(self._tallies[0::2]), sum(self._tallies[1::2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            for worker in self._workers:
                worker.stop()
            for worker in self._workers:
                worker.join()
        finally:
            # A second signal may have cut the waiting short.
            for worker in self._workers:
                worker.kill()

    def submit(self, job: Job[_Result], *, first: bool = False) -> Ticket[_Result]:
        """Have ``job`` done, ``first`` before those that wait; never blocks."""
        ticket = Ticket(job)
        (self._first if first else self._waiting).append(ticket)
        self._hand_out()
        return ticket

    def result(self, ticket: Ticket[_Result]) -> _Result:
        """Wait for the result of a job.

        Raises ``WorkerLostError`` if the process that had it in hand is gone, and
        ``SourceError`` with the one line of what it raised.
        """
        while not ticket.done:
            self.attend()
        return ticket.result()

    def drop(self, tickets: Iterable[Ticket[Any]]) -> None:
        """Give up jobs: those not begun are not done, and no result is kept."""
        for ticket in tickets:
            ticket.dropped = True

    def attend(self, timeout: float | None = None) -> None:
        """Take results as they come and hand out jobs; return after the first, or ``timeout`` seconds."""
        self._hand_out()
        connections = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(connections), timeout):
            worker = connections[connection]  # type: ignore[index]
            if not worker.take():
                self._workers.remove(worker)
                self._mourn(worker)
        self._hand_out()

    def _hand_out(self) -> None:
        while queue := self._first or self._waiting:
            if queue[0].dropped:
                queue.popleft()
                continue
            worker = self._least_busy()
            if worker is None:
                return
            worker.give(queue.popleft())

    def _least_busy(self) -> _Worker | None:
        """Return the process to have the next job: an idle one, a new one, or one with room for one more."""
        worker = min(self._workers, key=lambda worker: len(worker.pending), default=None)
        if len(self._workers) < self.jobs and (worker is None or worker.pending):
            worker = self._start()
        return worker if worker is not None and len(worker.pending) < _AHEAD else None

    def _start(self) -> _Worker:
        """Start one more process."""
        place = min(set(range(self.jobs)) - {worker.place for worker in self._workers})
        ours, its = self._context.Pipe()
        # A forked process has our ends of all pipes too; were they left open, none would notice that we are gone.
        inherited = [*(worker.connection for worker in self._workers), ours] if self._forks else []
        process = self._context.Process(  # type: ignore[attr-defined]
            target=_serve,
            args=(its, inherited, self._make_redactor, self._tallies, place),
            name=f"redactor-worker-{place}",
            daemon=True,
        )
        # No ending signal may arrive in the new process before it is ready for it, nor here before it is on the list.
        with _deaf():
            try:
                process.start()
            except OSError as error:
                ours.close()
                raise SourceError(
                    f"{error.strerror}, expected to be able to start a process (-j1 needs none)"
                ) from None
            finally:
                its.close()
            worker = _Worker(process, ours, place)
            self._workers.append(worker)
        return worker

    def _mourn(self, worker: _Worker) -> None:
        """Fail the job that a dead process had in hand, and put its others back in front."""
        worker.join()
        if worker.pending:
            worker.pending.popleft().fail(WorkerLostError(worker.how_it_ended()))
        self._first.extendleft(reversed(worker.pending))


class _Given:
    """Gives a redactor that is there already."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self) -> Redactor:
        return self._redactor


class _Worker:
    """One process as its parent sees it: ``pending`` are its jobs, the one in hand first."""

    def __init__(self, process: BaseProcess, connection: Connection, place: int) -> None:
        self._process = process
        self.connection = connection
        self.place = place
        self.pending: deque[Ticket[Any]] = deque()

    def give(self, ticket: Ticket[Any]) -> None:
        self.pending.append(ticket)
        with suppress(OSError):  # it is gone, as reading will show
            self.connection.send(ticket.job)

    def take(self) -> bool:
        """Take one result; return whether the process is still there."""
        try:
            succeeded, result = self.connection.recv()
        except (EOFError, OSError):
            return False
        ticket = self.pending.popleft()
        if ticket.dropped:
            return True
        if succeeded:
            ticket.fulfil(result)
        else:
            ticket.fail(SourceError(result))
        return True

    def stop(self) -> None:
        """Have the process undo what it is at and end."""
        self._process.terminate()

    def join(self) -> None:
        self._process.join(_PATIENCE)
        self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()

    def how_it_ended(self) -> str:
        status = self._process.exitcode or 0
        if status < 0:
            return f"the process at work on it was ended by signal {-status}, expected none (out of memory?)"
        return f"the process at work on it ended with status {status}, expected it to go on"


@contextmanager
def _deaf() -> Iterator[None]:
    """Hold ending signals back while the body runs, where that is possible."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- in the process -------------------------------------------------------------------------

_stopping: list[int] = []


def _serve(
    connection: Connection, inherited: Sequence[Connection], make_redactor: MakeRedactor, tallies: Any, place: int
) -> None:
    """Do jobs until the parent stops us or is gone. Shows nothing of what goes wrong: the parent tells."""
    try:
        for other in inherited:
            other.close()
        _stop_on_signal()
        redactor = make_redactor()
        with listening(partial(_add, tallies, place)):
            while True:
                job: Job[Any] = connection.recv()
                answer = _answer(job, redactor)
                if _stopping:  # a library has swallowed what the signal raised
                    return
                connection.send(answer)
    except (KeyboardInterrupt, EOFError, OSError):
        return
    except Exception:
        sys.exit(1)


def _add(tallies: Any, place: int, read: int, found: int) -> None:
    tallies[2 * place] += read
    tallies[2 * place + 1] += found


def _answer(job: Job[Any], redactor: Redactor) -> tuple[bool, Any]:
    try:
        return True, job(redactor)
    except RedactorError as error:
        return False, str(error)
    except Exception as error:
        return False, f"internal error ({type(error).__name__}), expected none; please report it"


def _stop_on_signal() -> None:
    """Leave Ctrl-C and hangups to the parent, which stops us in turn: SIGTERM unwinds the job in hand."""
    for number in _ENDING:
        signal.signal(number, _stop if number == signal.SIGTERM else signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    _stopping.append(number)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
