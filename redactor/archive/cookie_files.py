"""Cookie files in the format of Netscape, as curl, wget, yt-dlp and browser add-ons write them.

A line is one cookie in seven fields with tabs between them: domain, whether subdomains
count, path, whether it is for HTTPS only, expiry, name, value. ``#HttpOnly_`` before the
domain marks a cookie that scripts do not see. Other lines that start with ``#`` are
comments. (https://curl.se/docs/http-cookies.html)
"""

from __future__ import annotations

import re
from typing import Final

from redactor.archive.changes import Change, Rewriting, settle
from redactor.archive.content import Kind, Sink, Source, Work, pass_on
from redactor.archive.json_values import in_cookie

__all__ = ["KINDS"]

_TITLE: Final = re.compile(rb"(?:\xef\xbb\xbf)?#[ \t]*(?:Netscape )?HTTP Cookie File", re.IGNORECASE)
_COOKIE: Final = re.compile(
    rb"^(#HttpOnly_)?[^\t\r\n#][^\t\r\n]*\t(?:TRUE|FALSE)\t[^\t\r\n]*\t(?:TRUE|FALSE)\t-?[0-9.]+\t([^\t\r\n]*)\t([^\t\r\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
_LONGEST_LINE: Final = 1024 * 1024
"""How many bytes a line may have; what is longer is no cookie but text."""


def _recognises(head: bytes, name: str) -> bool:  # noqa: ARG001 (the names of cookie files say little)
    lines = head.splitlines()
    first = next((line for line in lines if line.strip() and (line[:1] != b"#" or line.startswith(b"#HttpOnly_"))), b"")
    return _TITLE.match(head) is not None or _COOKIE.match(first) is not None


def _scrub(work: Work, name: str, source: Source, sink: Sink) -> None:
    pass_on(work, name, source, sink, _transform)


def _transform(work: Work, name: str, source: Source, sink: Sink) -> None:
    rewriting = Rewriting(work, name, sink)
    while block := source.read():
        rewriting.feed(block)
        end = rewriting.data.rfind(b"\n", 0, max(0, rewriting.certain)) + 1
        if not end and len(rewriting.data) > _LONGEST_LINE:
            end = rewriting.certain
        _give(work, rewriting, end)
    rewriting.finish()
    _give(work, rewriting, len(rewriting.data))


def _give(work: Work, rewriting: Rewriting, end: int) -> None:
    """Pass on the whole lines up to ``end``."""
    data = bytes(rewriting.data[:end])
    changes: list[Change] = []
    for cookie in _COOKIE.finditer(data):
        name = cookie.group(2).decode("ascii", "replace")
        found = in_cookie(work.redactor, name, cookie.group(3), http_only=cookie.group(1) is not None)
        changes += [change.moved(cookie.start(3)) for change in found]
    rewriting.give(end, settle(changes + rewriting.text_before(end)))


KINDS: Final = (Kind("cookies.txt", _recognises, _scrub),)
"""What this module scrubs."""
