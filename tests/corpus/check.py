"""Check the corpus: ids, spellings, and that no harmless line holds a secret.

Exits with 1 and says why at the first broken promise.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from contexts import held_out, is_untold

HERE = Path(__file__).parent
SECRET_FILES = ("python.jsonl", "node.jsonl", "other.jsonl")
PIECE = 14  # a run of a secret this long must not stand outside the listed spellings


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def remainder(line: dict[str, Any]) -> str:
    """The text without its secrets."""
    text = str(line["text"])
    for secret in sorted(line["secrets"], key=len, reverse=True):
        text = text.replace(secret, "\0")
    return text


def faults(line: dict[str, Any]) -> list[str]:
    """What is wrong with one line of a secret file."""
    rest = remainder(line)
    found = [f"secret not in text: {line['id']}" for secret in line["secrets"] if secret not in line["text"]]
    for secret in line["secrets"]:
        if any(secret[at : at + PIECE] in rest for at in range(len(secret) - PIECE + 1)):
            found.append(f"part of a secret is not listed: {line['id']}")
    if not line["secrets"] or line["cue"] not in ("name", "shape", "weak", "none"):
        found.append(f"no secrets or no cue: {line['id']}")
    if line["cue"] in ("weak", "none"):
        untold = is_untold(line["context"], line["text"], line["secrets"])
        if untold != (line["cue"] == "none"):
            found.append(f"cue is weak where nothing tells, or none where something does: {line['id']}")
    return found


def main() -> int:
    """The exit status."""
    minted = [line for name in SECRET_FILES for line in read(name)]
    harmless = read("benign.jsonl")
    found = [fault for line in minted for fault in faults(line)]
    secrets = {secret for line in minted for secret in line["secrets"] if len(secret) > 7}
    for line in harmless:
        if line["secrets"] or line["cue"] != "benign" or any(secret in line["text"] for secret in secrets):
            found.append(f"harmless line with a secret: {line['id']}")
    for line in minted + harmless:
        if line.get("held_out", False) != held_out(line["kind"], line["context"]):
            found.append(f"wrong held_out: {line['id']}")
    found += [
        f"id used twice: {name}"
        for name, count in Counter(line["id"] for line in minted + harmless).items()
        if count > 1
    ]
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
