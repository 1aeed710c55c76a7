"""``redactor key``: make the key of fingerprints, and say which one a file holds."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from redactor.cli import exits
from redactor.cli.io import OpenFile
from redactor.errors import SourceError, shown

__all__ = ["command"]


@click.group("key")
def command() -> None:
    """Make the key that fingerprints need, or show which one it is."""


@command.command("new")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
def new(path: Path) -> int:
    """Make a key of 32 random bytes in FILE, which must not exist, and print its id.

    Only you can read the file. Name it in REDACTOR_HMAC_KEY_FILE. The id stands behind each
    fingerprint, so that those of several keys can be told apart.
    """
    key_id = f"k{secrets.token_hex(3)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags, 0o600)
        try:
            os.write(handle, f"{key_id}:{secrets.token_hex(32)}\n".encode("ascii"))
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise SourceError(f"{shown(path)}: {error.strerror}, expected a name for a new file") from None
    return _print(key_id)


@command.command("show-id")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
def show_id(path: Path) -> int:
    """Print the id of the key in FILE; an empty line if it has none."""
    from redactor.replace import HmacKey

    return _print(HmacKey.from_file(path).id)


def _print(key_id: str) -> int:
    with OpenFile() as output:
        output.write(f"{key_id}\n".encode("ascii"))
    return exits.DONE
