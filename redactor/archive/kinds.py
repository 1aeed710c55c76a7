"""The kinds of content that are known; a module of theirs is imported when it may be needed.

Importing them all takes as long as everything else that a small text needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Final, NamedTuple

from redactor.archive.content import Kind

__all__ = ["every_kind", "recognise"]

_TEXT: Final = re.compile(rb"[\t\r\n -~]*")
_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+(?:\{|\[[ \t\r\n]*+[{\[\"])")
_ZIP_NAME: Final = re.compile(r"\.(?!log|txt|out|err)[a-z]{3,4}$", re.IGNORECASE)


class _Module(NamedTuple):
    """A module with ``KINDS``, and what must hold for one of them to recognise a head and a name."""

    name: str
    possible: Callable[[bytes, str], bool]


_MODULES: Final = (
    _Module("tar", lambda head, name: b"\0" in head or name.endswith(".tar")),
    _Module("zip", lambda head, name: head.startswith((b"PK", b"#!")) or _ZIP_NAME.search(name) is not None),
    _Module("compression", lambda head, _: head.startswith(b"BZh") or _TEXT.fullmatch(head[:16]) is None),
    _Module("documents", lambda head, _: _JSON.match(head) is not None),
    _Module("cookie_files", lambda head, _: b"\t" in head or head.startswith((b"#", b"\xef\xbb\xbf"))),
)
"""The modules, in the order in which they are asked."""


@cache
def _kinds_of(module: str) -> Sequence[Kind]:
    kinds: Sequence[Kind] = import_module(f"redactor.archive.{module}").KINDS
    return kinds


def every_kind() -> tuple[Kind, ...]:
    """Return all kinds, in the order in which they are asked whether they recognise a content."""
    return tuple(kind for module in _MODULES for kind in _kinds_of(module.name))


def recognise(head: bytes, name: str) -> Kind | None:
    """Return the kind of a content that starts with ``head`` and is called ``name``, None for text."""
    for module in _MODULES:
        if module.possible(head, name):
            for kind in _kinds_of(module.name):
                if kind.recognises(head, name):
                    return kind
    return None
