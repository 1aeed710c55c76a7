"""What would be replaced, shown on standard output and written nowhere."""

from __future__ import annotations

import gzip

import pytest
from cli_samples import CLEAN, LINE, SECRET

from redactor.archive.content import Limits
from redactor.archive.walk import Selection
from redactor.cli.options import Settings
from redactor.cli.scrub_diff import diff_files, diff_streams

HUNK = "@@ -1 +1 @@\n-user=alice sessionid=<32 bytes of session> ok\n+user=alice sessionid=[REDACTED:session] ok\n"


@pytest.fixture
def files(tmp_path, write):
    """Write a tree of a text, a compressed and a clean file, and one that is broken."""
    (tmp_path / "logs").mkdir()
    write("logs/a.log")
    write("logs/b.gz", gzip.compress(LINE))
    write("logs/c.log", CLEAN)
    return {path: path.read_bytes() for path in (tmp_path / "logs").iterdir()}


def test_files_are_shown_and_left_alone(capfd, files):
    """Every file of a selection that would change is shown, and none is written."""
    selection = Selection(("logs",), directory="out")
    assert diff_files(selection, Settings(), Limits(), check=False) == 0
    out, err = capfd.readouterr()
    assert out == f"--- logs/a.log\n+++ logs/a.log\n{HUNK}--- logs/b.gz!b\n+++ logs/b.gz!b\n{HUNK}"
    assert err == ""
    assert SECRET not in out
    assert {path: path.read_bytes() for path in files} == files
    assert diff_files(selection, Settings(), Limits(), check=True) == 1


def test_files_that_cannot_be_shown_are_told(capfd, files, write):
    """A broken file and a missing path are one line each on stderr; the others are shown."""
    write("logs/b.gz", gzip.compress(LINE)[:-1])
    assert diff_files(Selection(("nope", "logs")), Settings(), Limits(), check=True) == 3
    out, err = capfd.readouterr()
    assert out == f"--- logs/a.log\n+++ logs/a.log\n{HUNK}"
    assert err.splitlines() == [
        "redactor: nope: No such file or directory, expected a file or folder",
        "redactor: logs/b.gz: ends inside the gzip member at byte 0, expected all of it",
    ]


def test_sources_are_shown(capfd, write):
    """Named sources are shown one after the other; --check counts what would change."""
    write("a.log")
    write("clean.log", CLEAN)
    assert diff_streams(("clean.log",), Settings(), Limits(), check=True) == 0
    assert diff_streams(("a.log", "clean.log"), Settings(), Limits(), check=True) == 1
    assert diff_streams(("a.log", "nope"), Settings(), Limits(), check=False) == 3
    out, err = capfd.readouterr()
    assert out == 2 * f"--- a.log\n+++ a.log\n{HUNK}"
    assert err == "redactor: nope: No such file or directory, expected a readable file\n"
