"""Encoding in a thread of its own, beside the decoding and the search for secrets."""

from __future__ import annotations

import threading
from queue import Queue
from typing import Final, TypeAlias

from redactor.archive.compression.members import Encoder

__all__ = ["Aside"]

_SHORT: Final = 1024 * 1024
"""Members up to this many bytes of content are not worth a thread."""

_WAITING: Final = 2
"""How many pieces, of a block each, may wait to be encoded."""

_Pieces: TypeAlias = "Queue[bytes | memoryview | None]"


class Aside:
    """Has an encoder write in another thread, once a member turns out to be long.

    What the encoder raises is raised by a later call. Only ``finish`` or ``abandon`` ends the
    thread; until then, the encoder's sink is that
    thread's alone.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._length = 0
        self._running: tuple[_Pieces, threading.Thread] | None = None
        self._problem: BaseException | None = None

    def write(self, data: bytes | memoryview, /) -> None:
        self._length += len(data)
        if self._length <= _SHORT:
            self._encoder.write(data)
            return
        self._raise_problem()
        waiting, _ = self._running = self._running or self._start()
        waiting.put(data)

    def finish(self) -> None:
        self._join()
        self._raise_problem()
        self._encoder.finish()

    def abandon(self) -> None:
        """End the thread; the member stays unfinished."""
        self._join()

    def _start(self) -> tuple[_Pieces, threading.Thread]:
        waiting: _Pieces = Queue(_WAITING)
        thread = threading.Thread(target=self._run, args=(waiting,), name="redactor-encoder", daemon=True)
        thread.start()
        return waiting, thread

    def _join(self) -> None:
        if self._running is not None:
            waiting, thread = self._running
            waiting.put(None)
            thread.join()
            self._running = None

    def _run(self, waiting: _Pieces) -> None:
        while (piece := waiting.get()) is not None:
            # After a problem the pieces are taken still, so that nobody waits for room.
            if self._problem is None:
                try:
                    self._encoder.write(piece)
                except BaseException as problem:
                    self._problem = problem

    def _raise_problem(self) -> None:
        if self._problem is not None:
            # Without the frames that hold what was to be written.
            raise self._problem.with_traceback(None)
