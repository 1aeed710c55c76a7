"""Receipts of scrubbed content, for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence

from redactor import Redactor
from redactor.archive.content import Edit, Kind, Source, Work


def scrub(redactor: Redactor, kinds: Sequence[Kind], data: bytes, chunk: int = 262144) -> tuple[bytes, list[Edit]]:
    """Scrub ``data``, read ``chunk`` bytes at a time from a source that cannot seek."""
    file, sink = io.BytesIO(data), io.BytesIO()
    work = Work(redactor, kinds, receipt=True)
    work.scrub("content", Source(lambda size: file.read(min(size, chunk))), sink)
    return sink.getvalue(), work.ledger.edits


def check_receipt(edits: list[Edit], before: bytes, after: bytes) -> None:
    """Check that the bytes outside the edited ranges are the same, and the new lengths as noted."""
    position = place = 0
    for edit in edits:
        assert position <= edit.start <= edit.end
        assert before[position : edit.start] == after[place : place + edit.start - position]
        place += edit.start - position + edit.length
        position = edit.end
    assert before[position:] == after[place:]
