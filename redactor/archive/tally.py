"""How far the work of this process is, for whoever shows it.

One process works at one file at a time, in one thread, so what was read and found is
noted in one place and not handed through everything that reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Listener", "listening", "note"]

Listener = Callable[[int, int], None]
"""Takes the bytes read and the secrets found since it was last called; either may be negative."""

_listeners: list[Listener] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_listeners.clear)  # they listen to the parent


def note(read: int, found: int) -> None:
    """Note ``read`` more bytes of a file and ``found`` more secrets; does nothing if nobody listens."""
    for listener in _listeners:
        listener(read, found)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have ``listener`` called with all that is noted in this process while the body runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
