"""The page of all rules is what the rule files say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_reference_page_is_up_to_date() -> None:
    """docs/rules.md is exactly what ``redactor rules reference`` prints."""
    command = [sys.executable, "-m", "redactor", "rules", "reference", "--no-config"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == PAGE.read_bytes()
