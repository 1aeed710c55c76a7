"""Compiled artefacts on disk: private to the user, checked on reading, rebuilt when bad.

The directory is ``REDACTOR_CACHE_DIR``, else ``redactor`` below ``XDG_CACHE_HOME`` or
``~/.cache``. Every function returns quietly where there is no usable directory: a cache
that cannot be used costs time and nothing else.
"""

from __future__ import annotations

import os
import stat
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Final

__all__ = ["directory", "load", "store"]

_DIGEST: Final = 16


def directory() -> Path | None:
    """Return the cache directory, or ``None`` when ``REDACTOR_CACHE_DIR`` is set to nothing."""
    named = os.environ.get("REDACTOR_CACHE_DIR")
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "redactor"
    except RuntimeError:
        return None


def load(name: str) -> bytes | None:
    """Return what was stored under ``name``; ``None`` if it is absent, foreign or damaged."""
    folder = directory()
    if folder is None:
        return None
    try:
        with open(folder / name, "rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    payload = content[_DIGEST:]
    return payload if content[:_DIGEST] == _digest(name, payload) else None


def store(name: str, payload: bytes) -> None:
    """Store ``payload`` under ``name``, whole or not at all."""
    folder = directory()
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder.stat()):
            return
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    except OSError:
        return
    try:
        with open(handle, "wb") as file:
            file.write(_digest(name, payload) + payload)
        os.replace(temporary, folder / name)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def _digest(name: str, payload: bytes) -> bytes:
    return blake2b(name.encode() + b"\0" + payload, digest_size=_DIGEST).digest()


def _is_private(status: os.stat_result) -> bool:
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return own and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
