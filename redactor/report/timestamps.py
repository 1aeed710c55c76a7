"""When a log line was written, by the line's own timestamp.

Times are whole seconds since 1970-01-01T00:00:00Z; fractions are dropped. A time without
a zone is taken as UTC, one without a year (RFC 3164) as the latest that is not after now.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

__all__ = ["LATEST", "READ", "iso", "parse_iso", "written_at"]

READ: Final = 4096
"""How many bytes of a line are looked at."""

LATEST: Final = 253402300799
"""The last second of the year 9999, the latest time there is."""

_DAY: Final = 86400
_HEAD: Final = 192
"""How far from the line's start a timestamp without a name may begin."""

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_MONTH: Final = rb"(" + b"|".join(_MONTHS) + rb")"
_CLOCK: Final = rb"([0-9]{2}):([0-9]{2}):([0-9]{2})"

_ISO: Final = re.compile(
    rb"(?<![0-9])([0-9]{4})[\-/]([0-9]{2})[\-/]([0-9]{2})[T t]"
    + _CLOCK
    # RFC 3339, section 5.6; the comma is that of ISO 8601, of logback and of Python's logging.
    + rb"(?:[.,][0-9]{1,9})?(?: ?([Zz]|[+\-][0-9]{2}:?[0-9]{2})(?![0-9]))?"
)
_COMMON: Final = re.compile(rb"\[([0-9]{2})/" + _MONTH + rb"/([0-9]{4}):" + _CLOCK + rb" ([+\-][0-9]{4})\]")
"""The common log format, ``%t`` of Apache's mod_log_config."""
_APACHE_ERROR: Final = re.compile(
    rb"\[[A-Z][a-z]{2} " + _MONTH + rb" ([0-9]{2}) " + _CLOCK + rb"(?:\.[0-9]{1,9})? ([0-9]{4})\]"
)
_SYSLOG: Final = re.compile(rb"(?:<[0-9]{1,3}>)?" + _MONTH + rb" ([ 0-9][0-9]) " + _CLOCK + rb"(?![0-9])")
"""RFC 3164, section 4.1.2: at the line's start, without a year and a zone."""
_NAMED: Final = re.compile(
    rb"(?:\"(?:@?timestamp|time|ts|asctime|datetime)\"[ ]?:[ ]?|\b(?:time|ts|timestamp)=)\"?(?:"
    rb"([0-9]{10}|[0-9]{13})(?:\.[0-9]{1,9})?(?![0-9.\-:])|(?=[0-9]{4}[\-/]))"
)
"""A member of a JSON object or a pair of logfmt: epoch seconds, milliseconds, or the place of a date."""


def written_at(line: bytes, now: int) -> int | None:
    """Return when the line says it was written, None where it does not say.

    Only the first ``READ`` bytes are looked at. What looks like a time and is none (month
    13, second 61) is passed over. Never raises.
    """
    line = line[:READ]
    named = _NAMED.search(line)
    if named is not None:
        if named[1]:
            return int(named[1][:10])
        if (when := parse_iso(line, named.end())) is not None:
            return when
    places = ((found.start(), read, found) for form, read in _FORMS if (found := form.search(line, 0, _HEAD)))
    for _, read, found in sorted(places, key=lambda place: place[0]):
        when = read(found)
        if when is not None:
            return when
    syslog = _SYSLOG.match(line)
    return None if syslog is None else _without_year(syslog, now)


def parse_iso(text: bytes, start: int = 0) -> int | None:
    """Return the time of RFC 3339 that stands at ``start``, None if there is none."""
    found = _ISO.match(text, start)
    return None if found is None else _of_iso(found)


def iso(when: int) -> str:
    """Write a time as RFC 3339 in UTC: ``2024-05-01T12:00:00Z``. It must lie in 0 to ``LATEST``."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_iso(found: re.Match[bytes]) -> int | None:
    year, month, day, hour, minute, second, zone = found.groups()
    return _epoch(int(year), int(month), int(day), hour, minute, second, zone)


def _of_common(found: re.Match[bytes]) -> int | None:
    day, month, year, hour, minute, second, zone = found.groups()
    return _epoch(int(year), _MONTHS[month], int(day), hour, minute, second, zone)


def _of_apache_error(found: re.Match[bytes]) -> int | None:
    month, day, hour, minute, second, year = found.groups()
    return _epoch(int(year), _MONTHS[month], int(day), hour, minute, second, None)


_FORMS: Final = ((_ISO, _of_iso), (_COMMON, _of_common), (_APACHE_ERROR, _of_apache_error))


def _without_year(found: re.Match[bytes], now: int) -> int | None:
    month, day, hour, minute, second = found.groups()
    this_year = datetime.fromtimestamp(now, UTC).year
    for year in range(this_year + 1, this_year - 9, -1):  # 29 February comes every fourth year, or every eighth
        when = _epoch(year, _MONTHS[month], int(day), hour, minute, second, None)
        if when is not None and when <= now + _DAY:  # a zone may be ahead of UTC
            return when
    return None


def _epoch(
    year: int, month: int, day: int, hour: bytes, minute: bytes, second: bytes, zone: bytes | None
) -> int | None:
    days = _days(year, month, day)
    hours, minutes, seconds = int(hour), int(minute), int(second)
    if days is None or hours > 23 or minutes > 59 or seconds > 60:
        return None
    when = days * _DAY + hours * 3600 + minutes * 60 + seconds - _offset(zone)
    return when if 0 <= when <= LATEST else None


@lru_cache(maxsize=1024)
def _days(year: int, month: int, day: int) -> int | None:
    """Return the days since 1970-01-01, None for a day that does not exist."""
    try:
        return date(year, month, day).toordinal() - 719163
    except ValueError:
        return None


def _offset(zone: bytes | None) -> int:
    """Return the seconds that a zone is ahead of UTC."""
    if zone is None or zone in b"Zz":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone.startswith(b"-") else seconds
