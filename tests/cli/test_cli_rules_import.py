"""``redactor rules import``: rules of other tools to stdout, what is left out to stderr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GITLEAKS = r"""
[[rules]]
id = "acme-token"
description = "Made for this test"
regex = '''\b(acme_[a-z0-9]{20})\b'''

[[rules]]
id = "acme-path"
path = '''\.acmerc'''
"""


def run(*arguments: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "redactor", *arguments]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, check=False)


def test_imported_rules_are_usable_at_once(tmp_path: Path) -> None:
    """What import prints is a rule file that scrub takes with --rules."""
    (tmp_path / "gitleaks.toml").write_text(GITLEAKS, "utf-8")
    done = run("rules", "import", "gitleaks.toml", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        b"redactor: acme-path: left out, it has no pattern, only a path or keywords\n"
        b"redactor: 1 rules imported, 1 left out\n"
    )
    (tmp_path / "ours.toml").write_bytes(done.stdout)
    scrubbed = run("scrub", "--rules", "ours.toml", cwd=tmp_path, stdin=b"use acme_0123456789abcdefghij now\n")
    assert scrubbed.stdout == b"use [REDACTED:acme-token] now\n"


def test_an_unreadable_file_is_a_one_line_error(tmp_path: Path) -> None:
    """A file that is not there gives exit code 2 and one line that names it."""
    done = run("rules", "import", "none.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"redactor: none.toml: cannot be read: No such file or directory\n"
