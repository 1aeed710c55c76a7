"""Runs the command line as real processes, in a directory and with a cache of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from cli_samples import LINE


class Outcome(NamedTuple):
    code: int
    out: bytes
    err: str


class Cli(NamedTuple):
    """How to start ``redactor`` here: the command, and the keyword arguments of a process."""

    command: list[str]
    options: dict

    def __call__(self, *args: str | Path, stdin: bytes = b"", **env: str) -> Outcome:
        done = subprocess.run(
            [*self.command, *args],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
            cwd=self.options["cwd"],
            env=self.options["env"] | env,
        )
        return Outcome(done.returncode, done.stdout, done.stderr.decode())

    def start(self, *args: str | Path, **pipes: object) -> subprocess.Popen[bytes]:
        wanted = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*self.command, *args], **(wanted | self.options | pipes))


@pytest.fixture(scope="session")
def cache_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache_directory: Path) -> None:
    for name in ("REDACTOR_HMAC_KEY_FILE", "REDACTOR_ENGINE", "NO_COLOR", "_REDACTOR_COMPLETE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REDACTOR_CACHE_DIR", str(cache_directory))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def redactor(clean_environment: None, tmp_path: Path) -> Cli:
    return Cli([sys.executable, "-W", "error", "-m", "redactor"], {"cwd": tmp_path, "env": dict(os.environ)})


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "hmac.key"
    path.write_bytes(b"k1:" + b"0123456789abcdef" * 2)
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file here and return its path."""

    def write(name: str, content: bytes = LINE) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def listing(tmp_path: Path) -> Callable[[], set[str]]:
    """Return the names of the files here."""
    return lambda: {path.name for path in tmp_path.iterdir()}
