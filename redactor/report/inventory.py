"""The inventory of exposed secrets: which, where, since when, and what to do about each.

A secret is known by its fingerprint alone, so that one session is one exposure, in
whatever files and spellings it was found. An inventory in a file is a SQLite database of
mode 0600 that holds no secret; several runs add to it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from redactor.errors import PolicyError, SourceError
from redactor.report.findings import Finding
from redactor.report.liveness import Expiry

__all__ = ["STATUSES", "Exposure", "Inventory"]

STATUSES: Final = ("open", "revoked", "accepted")
"""What can have become of an exposure."""

_APPLICATION: Final = 0x52444358
"""Marks the file as ours (``application_id``)."""

_MIGRATIONS: Final = (
    """
    CREATE TABLE exposures (
        fingerprint TEXT PRIMARY KEY, issuer TEXT NOT NULL, client TEXT NOT NULL, key_id TEXT NOT NULL,
        subject TEXT NOT NULL, remedy TEXT NOT NULL, issued INTEGER, expires INTEGER, basis TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'open'
    ) WITHOUT ROWID;
    CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE places (
        fingerprint TEXT NOT NULL, source INTEGER NOT NULL, rule INTEGER NOT NULL, host INTEGER NOT NULL,
        run INTEGER NOT NULL, count INTEGER NOT NULL, first_seen INTEGER, last_seen INTEGER,
        PRIMARY KEY (fingerprint, source, rule, host)
    ) WITHOUT ROWID;
    CREATE TABLE runs (id INTEGER PRIMARY KEY, at INTEGER NOT NULL);
    """,
)
"""What makes each version of the schema (``user_version``) from the one before."""

_BATCH: Final = 16384
"""How many exposures and places are collected before they are written."""

_ADD_EXPOSURE: Final = """
    INSERT INTO exposures (fingerprint, issuer, client, key_id, subject, remedy, issued, expires, basis)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET expires = excluded.expires, basis = excluded.basis
    WHERE excluded.expires IS NOT NULL AND excluded.expires > coalesce(exposures.expires, -1)
"""
# A source that is looked at again is counted anew; when it was seen is kept for ever.
_ADD_PLACE: Final = """
    INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        count = excluded.count + CASE WHEN run = excluded.run THEN count ELSE 0 END, run = excluded.run,
        first_seen = min(coalesce(first_seen, excluded.first_seen), coalesce(excluded.first_seen, first_seen)),
        last_seen = max(coalesce(last_seen, excluded.last_seen), coalesce(excluded.last_seen, last_seen))
"""
_SELECT: Final = """
    SELECT e.fingerprint, e.issuer, e.client, e.key_id, e.subject, e.remedy, e.issued, e.expires, e.basis, e.status,
        sum(p.count), min(p.first_seen), max(p.last_seen),
        group_concat(DISTINCT p.rule), group_concat(DISTINCT p.source), group_concat(DISTINCT p.host)
    FROM exposures e JOIN places p USING (fingerprint)
"""


class Exposure(NamedTuple):
    """A secret that got out, by its fingerprint.

    ``rules``, ``sources`` and ``hosts`` are sorted; times are seconds of Unix time.
    ``times`` is how often it stood in each source when that was last looked at, together.
    ``subject`` is the fingerprint of a token's ``sub``.
    """

    fingerprint: str
    issuer: str
    client: str
    key_id: str
    subject: str
    remedy: str
    issued: int | None
    expiry: Expiry
    status: str
    times: int
    first_seen: int | None
    last_seen: int | None
    rules: tuple[str, ...]
    sources: tuple[str, ...]
    hosts: tuple[str, ...]

    def action(self, now: int) -> str:
        """Say what to do: the remedy, unless the secret has expired for its server, or something was done."""
        if self.status != "open":
            return f"nothing: {self.status}"
        if self.expiry.binding and self.expiry.at is not None and self.expiry.at <= now:
            return "nothing: expired"
        return self.remedy


class Inventory:
    """Exposures in memory, or in the file at ``path``; a context manager.

    What was added counts once the body ended without an error: then it is committed, else
    rolled back. Raises ``SourceError`` if the file cannot be used and ``PolicyError`` if it
    is open to other users. Memory is bounded by ``_BATCH``, besides what SQLite holds.
    """

    def __init__(self, path: Path | None = None, *, now: int = 0, create: bool = True) -> None:
        self._name = ":memory:" if path is None else str(path)
        self._now = now
        self._exposures: dict[str, tuple[object, ...]] = {}
        self._places: dict[tuple[str, str, str, str], list[int | None]] = {}
        self._names: dict[str, int] = {}
        self._run = 0
        if path is not None:
            self._check_file(path, create)
        self._db = self._opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        try:
            if kind is None:
                self.flush()
                self._db.commit()
        except sqlite3.Error as failure:
            raise self._error(failure) from None
        finally:
            self._db.close()

    def add(self, findings: Iterable[Finding]) -> None:
        """Add described findings; those without a fingerprint are left out."""
        exposures, places = self._exposures, self._places
        for finding in findings:
            mark = finding.fingerprint
            if not mark:
                continue
            seen, expires = finding.seen, finding.expiry.at
            known = exposures.get(mark)
            if known is None or (expires is not None and (known[7] is None or expires > known[7])):  # type: ignore[operator]
                claims = finding.claims
                exposures[mark] = (
                    mark, claims.issuer, claims.client, claims.key_id, finding.subject, finding.remedy, claims.issued,
                    expires, finding.expiry.basis,
                )  # fmt: skip
            place = mark, finding.source, finding.rule, finding.host
            noted = places.get(place)
            if noted is None:
                places[place] = [1, seen, seen]
                if len(places) >= _BATCH:
                    self.flush()
                continue
            count, first, last = noted
            assert count is not None
            noted[0] = count + 1
            if seen is not None:
                noted[1] = seen if first is None or seen < first else first
                noted[2] = seen if last is None or seen > last else last

    def flush(self) -> None:
        """Write what was collected, without committing it."""
        try:
            if not self._run:
                made = self._db.execute("INSERT INTO runs (at) VALUES (?)", (self._now,))
                self._run = made.lastrowid or 0
            # In order, so that what is near each other in the tables is written together.
            self._db.executemany(_ADD_EXPOSURE, [row for _, row in sorted(self._exposures.items())])
            self._db.executemany(
                _ADD_PLACE,
                [
                    (mark, self._id(source), self._id(rule), self._id(host), self._run, *noted)
                    for (mark, source, rule, host), noted in sorted(self._places.items())
                ],
            )
        except sqlite3.Error as error:
            raise self._error(error) from None
        self._exposures.clear()
        self._places.clear()

    def exposures(self) -> Iterator[Exposure]:
        """Yield all exposures, those seen last first."""
        self.flush()
        names = self._all_names()
        order = " GROUP BY fingerprint ORDER BY max(p.last_seen) DESC, fingerprint"
        for row in self._db.execute(_SELECT + order):
            yield _exposure(row, names)

    def exposure(self, fingerprint: str) -> Exposure | None:
        """Return the exposure with a fingerprint, None if there is none."""
        self.flush()
        row = self._db.execute(_SELECT + " WHERE fingerprint = ? GROUP BY fingerprint", (fingerprint,)).fetchone()
        return None if row is None else _exposure(row, self._all_names())

    def fingerprints(self) -> Iterator[str]:
        """Yield the fingerprints of all exposures, in order."""
        self.flush()
        for (mark,) in self._db.execute("SELECT fingerprint FROM exposures ORDER BY fingerprint"):
            yield mark

    def mark(self, fingerprints: Iterable[str], status: str) -> None:
        """Note what became of exposures: one of ``STATUSES``. Later runs keep it."""
        if status not in STATUSES:
            raise PolicyError(f"unknown status '{status[:40]}', expected one of {', '.join(STATUSES)}")
        self.flush()
        self._db.executemany(
            "UPDATE exposures SET status = ? WHERE fingerprint = ?", ((status, mark) for mark in fingerprints)
        )

    # --- inside ---------------------------------------------------------------------------

    def _check_file(self, path: Path, create: bool) -> None:
        """Make the file, for nobody else to read, if it is not there."""
        flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | (os.O_CREAT if create else 0)
        try:
            handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise SourceError(f"{self._name}: {error.strerror}, expected an inventory") from None
        mode = os.fstat(handle).st_mode
        os.close(handle)
        if not stat.S_ISREG(mode):
            raise SourceError(f"{self._name}: is no regular file, expected an inventory")
        if os.name == "posix" and mode & 0o077:
            raise PolicyError(f"{self._name}: the inventory is open to other users, expected mode 0600")

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._name, isolation_level=None, timeout=30)
        try:
            db.execute("BEGIN IMMEDIATE")  # one writer at a time, from reading the version on
            self._migrate(db)
        except sqlite3.Error as error:
            db.close()
            raise self._error(error) from None
        except SourceError:
            db.close()
            raise
        return db

    def _migrate(self, db: sqlite3.Connection) -> None:
        application, version, tables = (
            db.execute(question).fetchone()[0]
            for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
        if tables and application != _APPLICATION:
            raise SourceError(f"{self._name}: is another program's database, expected an inventory")
        if version > len(_MIGRATIONS):
            raise SourceError(
                f"{self._name}: is an inventory of version {version}, expected at most {len(_MIGRATIONS)}: "
                "a newer redactor made it"
            )
        for migration in _MIGRATIONS[version:]:
            for statement in migration.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")

    def _id(self, name: str) -> int:
        number = self._names.get(name)
        if number is None:
            self._db.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (name,))
            number = int(self._db.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()[0])
            self._names[name] = number
        return number

    def _all_names(self) -> dict[str, str]:
        return {str(number): name for number, name in self._db.execute("SELECT id, name FROM names")}

    def _error(self, error: sqlite3.Error) -> SourceError:
        return SourceError(f"{self._name}: {error}, expected an inventory that can be written")


def _exposure(row: tuple[object, ...], names: dict[str, str]) -> Exposure:
    *facts, expires, basis, status, times, first, last, rules, sources, hosts = row
    named = [
        tuple(sorted({names[number] for number in str(numbers).split(",")} - {""}))
        for numbers in (rules, sources, hosts)
    ]
    return Exposure._make([*facts, Expiry(expires, basis), status, times, first, last, *named])  # type: ignore[arg-type]
