"""Run one command and write what it used, as JSON, to a file: ``child.py RESULT COMMAND...``.

A process of its own, so small that it does not show in the peak memory that Linux
counts for the command: that begins with the memory of whoever starts it.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run the command with the standard streams as they are; exit as it does."""
    result, *command = sys.argv[1:]
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    used = {
        "wall": time.perf_counter() - start,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    with open(result, "w", encoding="ascii") as file:
        json.dump(used, file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    raise SystemExit(main())
