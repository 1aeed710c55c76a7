"""What changes in one JSON value, judged by what its structure says.

The value is walked by its tokens, whose places are exact to the byte, so all else stays
as it is written. Judged are the members of objects by their keys, pairs like
``{"name": .., "value": ..}`` in any order, cookies as a browser or a HAR writes them, and
strings once their escapes are undone: as text, and, if they hold it, as JSON or base64 of
their own. What stands for a secret is valid where it stands: inside a string, or as a
string where a number was.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from redactor import known
from redactor.archive.changes import Change, Origin, Secret, apply, of_found, settle
from redactor.archive.json_elements import STARTS_AS_JSON
from redactor.model import Found
from redactor.redactor import Redactor

__all__ = ["JsonValues", "in_cookie"]

_DEEPEST: Final = 4
"""How many strings may hold one another."""

_MOST_LEVELS: Final = 1024
"""How deep objects and arrays are walked; what is deeper is but text."""

_MOST_MEMBERS: Final = 24
"""How many members an object may have whose members say something of one another."""

_LONGEST_NAME: Final = 96
_LONGEST_KEY: Final = 256
_MOST_KEYS: Final = 8192


# --- keys -----------------------------------------------------------------------------------


class _Role(IntEnum):
    """What a member says about its object."""

    NONE = 0
    NAME = 1
    VALUE = 2
    HTTP_ONLY = 3
    COOKIE = 4
    ENCODING = 5
    BODY = 6
    MEDIA_TYPE = 7
    TYPE = 8


_ROLES: Final = {
    "name": _Role.NAME,
    "key": _Role.NAME,
    "Name": _Role.NAME,
    "Key": _Role.NAME,
    "value": _Role.VALUE,
    "Value": _Role.VALUE,
    "content": _Role.VALUE,
    "stringValue": _Role.VALUE,
    "string_value": _Role.VALUE,
    "httpOnly": _Role.HTTP_ONLY,
    "HttpOnly": _Role.HTTP_ONLY,
    "http_only": _Role.HTTP_ONLY,
    "hostOnly": _Role.COOKIE,
    "sameSite": _Role.COOKIE,
    "encoding": _Role.ENCODING,
    "base64Encoded": _Role.ENCODING,
    "isBase64Encoded": _Role.ENCODING,
    "text": _Role.BODY,
    "body": _Role.BODY,
    "mimeType": _Role.MEDIA_TYPE,
    "type": _Role.TYPE,
}
_DEFERRED: Final = frozenset((_Role.VALUE, _Role.BODY))
"""What is judged when the whole object has been seen."""

_SAYS_NOTHING: Final = "value"
"""The name of a pair that does not tell what it is, as in Postman's ``apikey``: the list's key does."""

_SECRET_TYPE: Final = b"secret"
_SECRET_NAME: Final = "token"  # noqa: S105 (a name)
"""What a variable of Postman's type ``secret`` is judged as, if its own name says nothing."""


class _Key(NamedTuple):
    """A key: its text as it is judged, what it says of what stands beside it, and of its object.

    ``named`` is whether a rule names it, ``cookies`` whether it names cookies, ``escaped``
    whether it is written with escapes.
    """

    text: str = ""
    named: bool = False
    cookies: bool = False
    role: _Role = _Role.NONE
    escaped: bool = False


_NO_KEY: Final = _Key()


# --- tokens ---------------------------------------------------------------------------------

_WS: Final = r"[ \t\r\n]*+"
_CHARACTERS: Final = r'(?:[^"\\]++|\\.)*+'
_PLAIN: Final = r"-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+\-]?[0-9]++)?+|true|false|null|NaN|-?Infinity"
_MEMBER: Final = re.compile(
    rf'{_WS}(?:"({_CHARACTERS})"{_WS}:{_WS}(?:(?:"({_CHARACTERS})"|({_PLAIN})){_WS}([,}}])|([{{\[]))|(\}}))'.encode(),
    re.DOTALL,
)
_ITEM: Final = re.compile(rf'{_WS}()(?:(?:"({_CHARACTERS})"|({_PLAIN})){_WS}([,\]])|([{{\[])|(\]))'.encode(), re.DOTALL)
_ALONE: Final = re.compile(
    rf'{_WS}()(?:(?:"({_CHARACTERS})"|({_PLAIN})){_WS}(\Z|(?=["{{\[]))|([{{\[])|(\Z))'.encode(), re.DOTALL
)
"""A member, an item of an array, a value by itself: its key, string, scalar, what follows; an opening; a close."""

_KEY, _STRING, _SCALAR, _FOLLOWS, _OPENING, _CLOSE = range(1, 7)
_AFTER_MEMBER: Final = re.compile(rf"{_WS}[,}}]".encode())
_AFTER_ITEM: Final = re.compile(rf"{_WS}[,\]]".encode())
_COMMA: Final = ord(",")
_BRACE: Final = ord("{")
_BACKSLASH: Final = ord("\\")

_INTEGER: Final = re.compile(rb"-?[0-9]+")
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL
)
_LONGEST_ESCAPE: Final = 12
_TO_ESCAPE: Final = re.compile(rb'["\\]')
_BASE64_OF_JSON: Final = re.compile(rb"(?:ey[JAIL0-9]|ewo|ewk|ew0|W3[si]|Wy[AI]|Wwo|W1s)[A-Za-z0-9+/_\-]{20,}+={0,2}")
_BASE64_STARTS: Final = (b"ey", b"ew", b"W3", b"Wy", b"Ww", b"W1")
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_PICTURES: Final = re.compile(rb"(?:image/(?!svg)|audio/|video/|font/)", re.IGNORECASE)
_COOKIE_NAME: Final = re.compile(r"[!#$%&*+\-.^_`|~0-9A-Za-z:\[\]]{1,128}")
_NEVER: Final = 1 << 62


class _Span(NamedTuple):
    """The range of a value: of a string without its quotes, or of a scalar."""

    start: int
    end: int
    is_string: bool


class _Level:
    """An object or array whose end has not been reached, and what its members say together."""

    __slots__ = ("count", "deferred", "holds_cookies", "is_cookie", "items", "key", "pattern", "said")

    def __init__(self, pattern: re.Pattern[bytes], key: _Key, is_cookie: bool, holds_cookies: bool) -> None:
        self.pattern = pattern
        self.key = key
        self.is_cookie = is_cookie
        """Whether this is an object in a list of cookies."""
        self.holds_cookies = holds_cookies
        """Whether the members are cookies by their names."""
        self.count = 0
        self.said: dict[_Role, _Span] = {}
        self.deferred: list[tuple[_Key, _Span]] = []
        self.items: list[_Span] = []
        """The first strings of an array."""


# --- values ---------------------------------------------------------------------------------


class JsonValues:
    """Finds the changes in JSON values for one redactor. Remembers keys and names, never values."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._rules = {rule.id: number for number, rule in enumerate(redactor.ruleset.rules)}
        self._unnamed = self._rules["known-value"]
        self._keys: dict[bytes, _Key] = {}

    def changes(self, data: bytes, beside: bytes = b"", text: Sequence[Change] = ()) -> list[Change]:
        """Return the settled changes in ``data``: one value, or several behind one another.

        ``beside`` is the key it stands beside, as written, and ``text`` is what the text shows
        in ``data``, in order. If ``data`` breaks off or is no JSON, what was found up to there
        counts, and ``text`` from there on as it is.
        """
        return _Walk(self, data, 0, text).run(self.key(beside) if beside else _NO_KEY)

    def known(self, data: bytes) -> list[Change]:
        """Return the changes for the values that the current scope knows, in ``data`` as it is."""
        found: list[Found] = []
        plain: dict[int, bytes] = {}
        for place in known.find(data):
            found.append((place.start, place.end, self._rules.get(place.kind, self._unnamed)))
            plain[place.start] = place.value
        replacer = self._redactor.replacer
        wanted = replacer.wanted(data, found)
        return [
            Change(start, end, new, (Secret(rule, plain[start]),), Origin.KNOWN)
            for (start, end, rule), new in zip(wanted, replacer.replacements(data, wanted, plain), strict=True)
        ]

    # --- keys -----------------------------------------------------------------------------

    def key(self, raw: bytes) -> _Key:
        """Return what the key or name written as ``raw`` says."""
        key = self._keys.get(raw)
        if key is None:
            key = self.named(_decoded(raw).decode("utf-8", "replace"))._replace(escaped=b"\\" in raw)
            if len(raw) <= _LONGEST_KEY:
                if len(self._keys) >= _MOST_KEYS:
                    self._keys.clear()
                self._keys[raw] = key
        return key

    def named(self, text: str) -> _Key:
        """Return what the name ``text`` says. Of a long one its end is judged."""
        judged = text[-_LONGEST_NAME:]
        scanner = self._redactor.scanner
        named = len(judged) >= 2 and scanner.rule_of_key(judged) is not None
        return _Key(judged, named, named and scanner.holds_cookies(judged), _ROLES.get(text, _Role.NONE))

    # --- what a string holds --------------------------------------------------------------

    def in_text(self, text: bytes, key: _Key, looked_at: bool, depth: int) -> list[Change]:
        """Return the changes in a string's ``text``; ``looked_at`` if it has been scanned as it is."""
        scanner = self._redactor.scanner
        changes = [] if looked_at else of_found(self._redactor, text, scanner.scan(text), Origin.TEXT)
        if key.named:
            changes = settle(of_found(self._redactor, text, scanner.scan_value(key.text, text)) + changes)
        if depth < _DEEPEST and STARTS_AS_JSON.match(text):
            return _Walk(self, text, depth + 1, changes).run(_NO_KEY)
        if depth < _DEEPEST and text.startswith(_BASE64_STARTS) and _BASE64_OF_JSON.fullmatch(text):
            changes += self.in_base64(text, depth)
        return changes

    def in_base64(self, text: bytes, depth: int) -> list[Change]:
        """Return the change in a string of base64 (RFC 4648), if what it stands for has secrets."""
        try:
            data = base64.b64decode(text.translate(_STANDARD) + b"=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            return []
        found = of_found(self._redactor, data, self._redactor.scanner.scan(data), Origin.TEXT)
        changes = settle(found + self.known(data))
        if depth < _DEEPEST and STARTS_AS_JSON.match(data):
            changes = _Walk(self, data, depth + 1, changes).run(_NO_KEY)
        if not changes:
            return []
        encoded = base64.b64encode(apply(data, changes))
        if b"-" in text or b"_" in text:
            encoded = encoded.translate(_URL_SAFE)
        if len(text) % 4:
            encoded = encoded.rstrip(b"=")
        same = changes[0].start // 3 * 4
        secrets = tuple(secret for change in changes for secret in change.secrets)
        return [Change(same, len(text), encoded[same:], secrets, Origin.RECODED)]

    def in_cookie(self, name: _Key, text: bytes, http_only: bool) -> list[Change]:
        """Return the changes in ``text``, the value of the cookie ``name``."""
        return in_cookie(self._redactor, name.text, text, http_only)


def in_cookie(redactor: Redactor, name: str, text: bytes, http_only: bool) -> list[Change]:
    """Return the changes in ``text``, the value of a cookie, judged as its header would be.

    What stands for itself is one value, though a header would have to quote it.
    """
    if not _COOKIE_NAME.fullmatch(name):
        return []
    start = b"Set-Cookie: " + name.encode("ascii") + b"="
    low, high = len(start), len(start) + len(text)
    every = redactor.scanner.scan(start + text + (b"; HttpOnly" if http_only else b""))
    found = [(max(first, low) - low, min(end, high) - low, rule) for first, end, rule in every]
    found = [match for match in found if match[0] < match[1]]
    if found and not text[: found[0][0]].strip(b'"'):
        first, end, rule = found[0]
        found = [(first, max(end, len(text.rstrip(b'"'))), rule)]
    return of_found(redactor, text, found)


# --- one walk -------------------------------------------------------------------------------


class _Walk:
    """One walk over the tokens of a value, ``depth`` strings deep."""

    def __init__(self, values: JsonValues, data: bytes, depth: int, text: Sequence[Change]) -> None:
        self._values = values
        self._data = data
        self._depth = depth
        self._changes: list[Change] = []
        self._text = text
        self._placed = 0
        self._next_text = text[0].start if text else _NEVER

    def run(self, beside: _Key) -> list[Change]:
        """Return the settled changes."""
        end = self._tokens(beside)
        rest = self._text[self._placed :]
        self._changes += [change._replace(start=max(change.start, end)) for change in rest if change.end > end]
        return settle(self._changes)

    def _tokens(self, beside: _Key) -> int:
        """Walk to the end, or as far as the tokens are those of JSON; return the place."""
        data, key_of = self._data, self._values.key
        level = _Level(_ALONE, beside, is_cookie=False, holds_cookies=False)
        above: list[_Level] = []
        position = 0
        while token := level.pattern.match(data, position):
            which = token.lastindex
            if which == _OPENING and len(above) == _MOST_LEVELS:
                break
            position = token.end()
            if position > self._next_text:
                self._place_text(token)
            if which != _CLOSE:
                level.count += 1
                key = level.key
                if level.pattern is _MEMBER:
                    key = key_of(token.group(_KEY))
                    if key.escaped:
                        self._string(*token.span(_KEY), _NO_KEY)
                if which == _OPENING:
                    above.append(level)
                    level = self._inner(level, key, data[position - 1])
                    continue
                self._simple(level, key, token)
                if not above or data[position - 1] == _COMMA:
                    continue
            elif not above:
                break
            # The level is at its end, and so may be those above it.
            while True:
                self._close(level)
                level = above.pop()
                if not above:
                    break
                after = (_AFTER_MEMBER if level.pattern is _MEMBER else _AFTER_ITEM).match(data, position)
                if after is None:
                    return self._break_off(level, above, position)
                position = after.end()
                if data[position - 1] == _COMMA:
                    break
        return self._break_off(level, above, position)

    def _break_off(self, level: _Level, above: list[_Level], position: int) -> int:
        """Judge what has been read of objects and arrays that have no end."""
        for unfinished in (level, *above):
            self._close(unfinished)
        return position

    # --- objects and arrays ---------------------------------------------------------------

    def _inner(self, level: _Level, key: _Key, bracket: int) -> _Level:
        """Return the level that opens beside ``key``; a pair's name reaches down to its value."""
        if level.pattern is _MEMBER and key.role is _Role.VALUE:
            name = self._name(level)
            key = name if name.named else level.key if level.key.named else key
        is_item = level.pattern is not _MEMBER
        return _Level(
            _MEMBER if bracket == _BRACE else _ITEM,
            key,
            is_cookie=key.cookies and is_item,
            holds_cookies=key.cookies and not is_item and bracket == _BRACE,
        )

    def _simple(self, level: _Level, key: _Key, token: re.Match[bytes]) -> None:
        """Judge a string or scalar, or keep it until the rest of its object or pair is known."""
        start, end = token.span(_STRING)
        is_string = start >= 0
        if not is_string:
            start, end = token.span(_SCALAR)
        if level.pattern is _MEMBER:
            if key.role:
                span = _Span(start, end, is_string)
                if key.role not in _DEFERRED:
                    level.said[key.role] = span
                elif level.count <= _MOST_MEMBERS:
                    level.deferred.append((key, span))
                    return
            elif level.holds_cookies and is_string:
                self._cookie(start, end, key, http_only=False)
        elif is_string and level.pattern is _ITEM and level.count <= 2:
            level.items.append(_Span(start, end, is_string))
        if is_string:
            self._string(start, end, key)
        elif key.named:
            self._scalar(start, end, key)

    def _close(self, level: _Level) -> None:
        """Judge what the members of an object, or the two items of an array, say together."""
        if level.deferred:
            together = level.count <= _MOST_MEMBERS
            name = self._name(level) if together else _NO_KEY
            encoded = together and self._is_base64(level)
            for key, span in level.deferred:
                self._deferred(level, name, encoded, key, span)
        elif level.count == 2 and len(level.items) == 2:
            first, second = level.items
            name = self._values.named(self._said(first))
            if name.named:
                self._string(second.start, second.end, name)

    def _deferred(self, level: _Level, name: _Key, encoded: bool, key: _Key, span: _Span) -> None:
        if encoded and span.is_string:
            self._base64(span.start, span.end)
            return
        if key.role is _Role.VALUE:
            key = self._beside_value(level, name, key)
            is_cookie = level.is_cookie or level.holds_cookies or bool(level.said.keys() & _OF_COOKIES)
            if is_cookie and name.text and span.is_string:
                self._cookie(span.start, span.end, name, self._said_of(level, _Role.HTTP_ONLY) == b"true")
        if span.is_string:
            self._string(span.start, span.end, key)
        elif key.named:
            self._scalar(span.start, span.end, key)

    def _beside_value(self, level: _Level, name: _Key, key: _Key) -> _Key:
        """Return what the value of a pair is judged by: its name, or else what the pair stands beside."""
        if name.named and name.text != _SAYS_NOTHING:
            return name
        if self._said_of(level, _Role.TYPE) == _SECRET_TYPE and name.text:
            return self._values.named(_SECRET_NAME)
        if level.key.named and name.text in ("", _SAYS_NOTHING):
            return level.key
        return _NO_KEY if name.text else key

    def _name(self, level: _Level) -> _Key:
        """Return the name in ``{"name": "sessionid", "value": ...}``, as far as it has been read."""
        span = level.said.get(_Role.NAME)
        if span is None or not span.is_string:
            return _NO_KEY
        return self._values.key(self._data[span.start : span.end])

    def _is_base64(self, level: _Level) -> bool:
        """Tell whether the object says that its body is base64, and not of a picture, a sound or a font."""
        said = self._said_of(level, _Role.ENCODING)
        return said.lower() in (b"base64", b"true") and not _PICTURES.match(self._said_of(level, _Role.MEDIA_TYPE))

    def _said_of(self, level: _Level, role: _Role) -> bytes:
        span = level.said.get(role)
        return b"" if span is None else self._data[span.start : span.end]

    def _said(self, span: _Span) -> str:
        return _decoded(self._data[span.start : span.end]).decode("utf-8", "replace")

    # --- strings and scalars --------------------------------------------------------------

    def _string(self, start: int, end: int, key: _Key) -> None:
        """Judge the string in ``start`` to ``end``, which stands beside ``key``."""
        data = self._data
        escaped = data.find(b"\\", start, end) >= 0
        if not (escaped or key.named or data.startswith(_BASE64_STARTS, start, end)):
            return
        raw = data[start:end]
        text = _decoded(raw) if escaped else raw
        self._add(start, raw, text, self._values.in_text(text, key, text == raw, self._depth))

    def _base64(self, start: int, end: int) -> None:
        raw = self._data[start:end]
        text = _decoded(raw)
        self._add(start, raw, text, self._values.in_base64(text, self._depth))

    def _cookie(self, start: int, end: int, name: _Key, http_only: bool) -> None:
        raw = self._data[start:end]
        text = _decoded(raw)
        self._add(start, raw, text, self._values.in_cookie(name, text, http_only))

    def _scalar(self, start: int, end: int, key: _Key) -> None:
        """Judge a whole number by how it is written; what stands for it is a string."""
        raw = self._data[start:end]
        if _INTEGER.fullmatch(raw):
            for change in self._values.in_text(raw, key, True, _DEEPEST):
                self._changes.append(change._replace(start=start, end=end, new=b'"%b"' % change.new))

    def _add(self, start: int, raw: bytes, text: bytes, changes: list[Change]) -> None:
        """Take ``changes`` in ``text``, which is written as ``raw`` at ``start``."""
        if not changes:
            return
        settled = settle(changes)
        for change in settled if text == raw else _as_written(raw, settled):
            new = _TO_ESCAPE.sub(rb"\\\g<0>", change.new)
            self._changes.append(change.moved(start)._replace(new=new))

    # --- what the text shows --------------------------------------------------------------

    def _place_text(self, token: re.Match[bytes]) -> None:
        """Take what the text shows in the strings and scalars of ``token``, and only there."""
        text = self._text
        while self._placed < len(text) and text[self._placed].start < token.end():
            change = text[self._placed]
            for group in (_KEY, _STRING, _SCALAR):
                start, end = token.span(group)
                if change.start < end and start < change.end:
                    self._changes.append(self._placed_in(change, start, end, group == _SCALAR))
            if change.end > token.end():
                break
            self._placed += 1
        self._next_text = text[self._placed].start if self._placed < len(text) else _NEVER

    def _placed_in(self, change: Change, start: int, end: int, is_scalar: bool) -> Change:
        if is_scalar:
            return change._replace(start=start, end=end, new=b'"%b"' % change.new)
        low = max(start, change.start)
        high = min(end, change.end)
        return change._replace(
            start=_escape_around(self._data, start, low)[0], end=_escape_around(self._data, start, high)[1]
        )


_OF_COOKIES: Final = frozenset((_Role.HTTP_ONLY, _Role.COOKIE))


# --- escapes --------------------------------------------------------------------------------


def _decoded(raw: bytes) -> bytes:
    """Return the text of the string written as ``raw``; as it is if it is no string of JSON."""
    if b"\\" not in raw:
        return raw
    try:
        text: str = json.loads(f'"{raw.decode()}"', strict=False)
    except ValueError:
        return raw
    return text.encode("utf-8", "surrogatepass")


def _as_written(raw: bytes, changes: list[Change]) -> Iterator[Change]:
    """Yield ``changes`` of a text with their ranges in ``raw``, which it is written as."""
    places = _Places(raw)
    for change in changes:
        start = places.of(change.start)[0]
        yield change._replace(start=start, end=places.of(change.end)[1])


class _Places:
    """Where the bytes of a text are in the string it is written as; asked in ascending order."""

    def __init__(self, raw: bytes) -> None:
        self._escapes = _ESCAPE.finditer(raw)
        self._difference = 0
        """By how much what stands before the next escape is further right than in the text."""
        self._start = self._end = 0
        """The next escape, as written."""
        self._length = 0
        """Of how many bytes of text it is."""
        self._step()

    def of(self, offset: int) -> tuple[int, int]:
        """Return where what is written for ``offset`` starts and ends; the same unless inside an escape."""
        while offset + self._difference >= self._start + self._length:
            self._difference += self._end - self._start - self._length
            self._step()
        place = offset + self._difference
        return (self._start, self._end) if place > self._start else (place, place)

    def _step(self) -> None:
        escape = next(self._escapes, None)
        if escape is None:
            self._start = self._end = _NEVER
            self._length = 0
        else:
            self._start, self._end = escape.span()
            self._length = len(_decoded(escape.group()))


def _escape_around(data: bytes, low: int, place: int) -> tuple[int, int]:
    """Return the range of the escape that ``place`` cuts, in a string that starts at ``low``, or ``place`` twice."""
    start = data.rfind(b"\\", max(low, place - _LONGEST_ESCAPE), place)
    if start < 0:
        return place, place
    run = start
    while run > low and data[run - 1] == _BACKSLASH:
        run -= 1
    if (start - run) % 2:
        return place, place  # the second half of an escaped backslash
    escape = _ESCAPE.match(data, start)
    end = start if escape is None else escape.end()
    return (start, end) if end > place else (place, place)
