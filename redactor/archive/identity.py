"""Which file it is, and in which state: enough to tell that it has changed."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["Identity"]


class Identity(NamedTuple):
    """A file and its state, as ``stat`` tells them; ``modified`` is in nanoseconds.

    Two equal identities are the same unchanged file, unless it was written to within one
    tick of the file system's clock and kept its size.
    """

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Return the identity of the file that ``status`` describes."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
