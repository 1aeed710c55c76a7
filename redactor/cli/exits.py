"""The exit codes.

====  ==========================================================================
code  meaning
====  ==========================================================================
0     done; also when the reader of a pipe has gone away, which is not our error
1     findings: ``scan``, ``scrub --check``, ``rules test``, ``doctor``, ``match``, or a difference: ``verify``
2     a wrong option, rule, policy or configuration
3     some source could not be processed, or the output could not be written
4     an input changed while it was read; the destination is as it was
129   ended by SIGHUP, 130 by SIGINT, 143 by SIGTERM
====  ==========================================================================

Where several fit, 4 goes before 3 and 3 before 1: a result that is not complete is the
more important news.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CHANGED", "DONE", "FINDINGS", "SOURCE", "USAGE", "of_signal"]

DONE: Final = 0
FINDINGS: Final = 1
USAGE: Final = 2
SOURCE: Final = 3
CHANGED: Final = 4


def of_signal(number: int) -> int:
    """Return the exit code for a signal, as shells have it."""
    return 128 + number
