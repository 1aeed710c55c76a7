from __future__ import annotations

import pytest

from redactor import known


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether values were ever registered in the process decides how large files are read: start afresh."""
    monkeypatch.setattr(known, "used", False)
