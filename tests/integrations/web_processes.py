"""Real server processes for the tests of the web hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server(arguments: list[str], folder: Path, address: str) -> Iterator[tuple[str, Path]]:
    """Run ``python -m ARGUMENTS`` in ``folder``; give its URL, by ``address`` in its output, and that output's file."""
    log = folder / "log"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=folder, stdout=file, stderr=file, env=environment
        )
    try:
        yield wait_for(log, address, process)[1], log
    finally:
        process.terminate()
        process.wait()


def wait_for(log: Path, pattern: str, process: subprocess.Popen[bytes] | None = None) -> re.Match[str]:
    """Return the first match of ``pattern`` in what a process has written, once there is one."""
    while True:
        text = log.read_text()
        found = re.search(pattern, text)
        if found is not None:
            return found
        assert process is None or process.poll() is None, text
        time.sleep(0.02)
