"""Write sample.log and its labels from sample.template.

    python sample.py FOLDER

In the template a secret stands between marks: `⟦kind:secret⟧`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from label import Label, write

MARK: Final = re.compile(r"⟦([a-z-]+):(.*?)⟧")
TEMPLATE: Final = Path(__file__).with_name("sample.template")


def unmark(number: int, line: str) -> tuple[str, list[Label]]:
    """Take the marks out of a line, keeping where the secrets are."""
    clean, found, position = "", [], 0
    for mark in MARK.finditer(line):
        clean += line[position : mark.start()]
        start = len(clean.encode())
        clean += mark[2]
        found.append(Label(number, start, len(clean.encode()), mark[1]))
        position = mark.end()
    return clean + line[position:], found


def main(folder: Path) -> None:
    """Write both files."""
    lines = TEMPLATE.read_text("utf-8").splitlines()
    parts = [unmark(number, line) for number, line in enumerate(lines, start=1)]
    log = folder / "sample.log"
    log.write_text("".join(f"{clean}\n" for clean, _ in parts), "utf-8")
    write(log, [label for _, found in parts for label in found])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
