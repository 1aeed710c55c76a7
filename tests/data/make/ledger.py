"""The ledger: every secret the apps mint and the driver sees, written down as it happens.

`record` appends one JSON line to the file named by SHOP_LEDGER, and does nothing where the
variable is not set. `label.py` looks for the recorded values in the logs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

VARIABLE: Final = "SHOP_LEDGER"


def record(kind: str, value: str | None) -> None:
    """Write one secret down; empty values are no secrets."""
    path = os.environ.get(VARIABLE)
    if not path or not value:
        return
    entry = json.dumps({"kind": kind, "value": value}) + "\n"
    with open(path, "a", encoding="utf-8") as ledger:
        ledger.write(entry)  # shorter than a page and opened for append: safe between processes


def read(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (kind, value) in the order of recording."""
    for line in path.read_text("utf-8").splitlines():
        entry = json.loads(line)
        yield entry["kind"], entry["value"]
