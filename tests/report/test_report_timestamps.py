from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor.report.timestamps import LATEST, iso, parse_iso, written_at

NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
AT = 1_714_565_696  # 2024-05-01T12:14:56Z


@pytest.mark.parametrize(
    "line",
    [
        b"2024-05-01T12:14:56Z sid=1",
        b"2024-05-01T14:14:56.123456+02:00 app",
        b"2024-05-01 12:14:56,789 INFO app",
        b"INFO [main] 2024-05-01 12:14:56.789 - x",
        b"2024/05/01 12:14:56 [error] 1#1: x",
        b'1.2.3.4 - alice [01/May/2024:14:14:56 +0200] "GET / HTTP/1.1" 200 1',
        b"[Wed May 01 12:14:56.123456 2024] [core:error] x",
        b"<34>1 2024-05-01T12:14:56.003Z host su - ID47 - x",
        b'{"msg":"2020-01-01T00:00:00Z","ts":1714565696.25}',
        b'{"timestamp": 1714565696123}',
        b'{"@timestamp":"2024-05-01T12:14:56.000Z","msg":"x"}',
        b'level=info ts=2024-05-01T12:14:56Z msg="x"',
    ],
)
def test_forms(line):
    """Every form of timestamp gives the same second."""
    assert written_at(line, NOW) == AT


def test_no_year():
    """A time without a year is the latest one that is not after now."""
    assert iso(written_at(b"<13>Jan 14 08:00:00 host app: x", NOW) or 0) == "2027-01-14T08:00:00Z"
    assert iso(written_at(b"Dec 31 23:59:59 host app: x", NOW) or 0) == "2026-12-31T23:59:59Z"
    assert iso(written_at(b"Feb 29 00:00:00 host app: x", NOW) or 0) == "2024-02-29T00:00:00Z"


@pytest.mark.parametrize("line", [b"", b"sid=1", b"2024-13-01T00:00:00Z", b"2024-02-30 00:00:00", b"trace 1714565696"])
def test_no_time(line):
    """A line without a time, or with one that does not exist, has none."""
    assert written_at(line, NOW) is None


@given(st.integers(0, LATEST), st.integers(-14 * 60, 14 * 60))
def test_any_time_in_any_zone_comes_back(when, minutes):
    """What is written as RFC 3339 in any zone is read as the same second."""
    written = datetime.fromtimestamp(when, UTC)
    assert parse_iso(iso(when).encode()) == when
    try:
        local = written.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    assert parse_iso(local.isoformat().encode()) == when


@given(st.binary(max_size=300), st.integers(0, LATEST - 10**9))
def test_never_raises(line, now):
    """Any bytes give a time or none."""
    when = written_at(line, now)
    assert when is None or 0 <= when <= LATEST
