"""What the web hosts share: the secrets of a request and of its response, made known.

The rules judge every cookie, header and query parameter as they would judge it in a log,
so what is harmless there (a theme, a locale, analytics, consent, words, numbers) is not
registered here. A secret is registered as it was sent and as the application reads it:
without percent-encoding, without the signature behind it, without its scheme.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from redactor import known
from redactor.redactor import Redactor, default_redactor
from redactor.validators import harmless, machine_made, starts_as_jose

__all__ = ["SecretValues"]

_SCHEME: Final = re.compile(rb"([A-Za-z][A-Za-z0-9\-]{0,31}) +([^\s,]+)\Z")
_SIGNED: Final = re.compile(rb"(?:s:)?([A-Za-z0-9_\-]{16,128})\.[A-Za-z0-9_+/=\-]{1,128}\Z")
"""A session id with a signature or the name of a node behind it; Express writes ``s:`` in front."""

_AUTHORIZATION: Final = ("REDIRECT_HTTP_AUTHORIZATION", "AUTHORIZATION")
"""Where Apache and FastCGI put the Authorization header."""

_PARAMETER_NAME: Final = re.compile(rb"[\w.\-\[\]]{1,96}\Z")
_NO_VALUE: Final = ("mask", "template", "repeats")
_MOST_FIELDS: Final = 1024
_MOST_NAMES: Final = 1024
_DEEPEST: Final = 8


class _Field(NamedTuple):
    """A value with the text around it that lets the rules judge it, as a line of a log."""

    name: str
    before: bytes
    value: bytes
    after: bytes


class SecretValues:
    """Registers the secrets of requests, responses and named values; never raises.

    ``redactor`` judges (the shared default one unless given); ``fields`` are the names of
    further headers, cookies, query parameters and arguments whose values are secret.
    """

    def __init__(self, redactor: Redactor | None = None, fields: Iterable[str] = ()) -> None:
        self._redactor = default_redactor() if redactor is None else redactor
        self._fields = frozenset(map(_folded, fields))
        self._rules: dict[str, int | None] = {}

    def connection(self, scope: Mapping[str, Any]) -> None:
        """Register the secrets of a request as ASGI describes it: of its path, query and headers."""
        self._quietly(lambda: self._request(*_head_of_scope(scope)))

    def environ(self, environ: Mapping[str, Any]) -> None:
        """Register the secrets of a request as WSGI describes it: of its path, query and headers."""
        self._quietly(lambda: self._request(*_head_of_environ(environ)))

    def response(self, headers: Iterable[tuple[bytes | str, bytes | str]]) -> None:
        """Register the secrets of a response's headers: the cookies it sets, the tokens it sends."""
        self._quietly(lambda: self._judge(self._headers((_bytes(name), _bytes(value)) for name, value in headers)))

    def named(self, values: Mapping[str, Any]) -> None:
        """Register the strings under secret names in ``values`` and in what it holds, 8 levels deep."""
        self._quietly(lambda: self._judge_each(_strings(values, "", _DEEPEST)))

    def _quietly(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            self._redactor.summary.add_error()

    def _request(self, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._judge((*_target(target), *self._headers(headers)))

    # --- judging ------------------------------------------------------------------------

    def _judge(self, fields: Iterable[_Field]) -> None:
        """Register what the rules find in ``fields``, read as one text of a line each."""
        read = list(islice(fields, _MOST_FIELDS))
        text = bytearray()
        starts = []
        for field in read:
            text += field.before
            starts.append(len(text))
            text += field.value + field.after + b"\n"
            self._configured(field.name, field.value)
        for start, end, rule in self._redactor.scanner.scan(bytes(text)):
            number = bisect_right(starts, start) - 1
            if number >= 0 and start - starts[number] < len(read[number].value):
                self._found(read[number].value, start - starts[number], end - starts[number], rule)

    def _judge_each(self, strings: Iterable[tuple[str, bytes]]) -> None:
        """Register what the rules find in each string beside its name."""
        for name, value in islice(strings, _MOST_FIELDS):
            self._configured(name, value)
            for start, end, rule in self._redactor.scanner.scan_value(name, value):
                self._found(value, start, end, rule)

    def _found(self, value: bytes, start: int, end: int, rule: int) -> None:
        self._register(value[start:end], rule)
        if start == 0 and end < len(value):
            # The rules end a value where a log could; here it is known where it ends.
            self._register(value, rule)

    def _configured(self, name: str, value: bytes) -> None:
        if self._fields and _folded(name) in self._fields:
            self._register(value, None)

    def _register(self, value: bytes, rule: int | None) -> None:
        kind = "known-value" if rule is None else self._redactor.ruleset.rules[rule].id
        if value.startswith(b"[REDACTED"):
            return
        plain = unquote_to_bytes(value) if b"%" in value else value
        for form in dict.fromkeys((value, plain)):
            known.register(form, kind)
        signed = _SIGNED.match(plain)
        if signed is not None and machine_made(signed[1]) and not starts_as_jose(signed[1]):
            known.register(signed[1], kind)

    # --- headers ------------------------------------------------------------------------

    def _headers(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[_Field]:
        for raw_name, value in headers:
            name = raw_name.decode("latin-1")
            rule = self._rule_of(name)
            named = None if rule is None else self._redactor.ruleset.rules[rule].named
            if named is not None and named.value == "cookies":
                yield from _cookies(raw_name, value)
                continue
            if named is not None and named.value == "credentials":
                self._credentials(value, rule)
            yield _Field(name, raw_name + b": ", value, b"")

    def _rule_of(self, name: str) -> int | None:
        if name not in self._rules:
            if len(self._rules) >= _MOST_NAMES:
                self._rules.clear()
            self._rules[name] = self._redactor.scanner.rule_of_key(name)
        return self._rules[name]

    def _credentials(self, value: bytes, rule: int | None) -> None:
        """Register what follows the scheme (RFC 9110 section 11.4), and a Basic password."""
        credentials = _SCHEME.match(value)
        if credentials is None or harmless(credentials[2]) in _NO_VALUE:
            return
        self._register(credentials[2], rule)
        if credentials[1].lower() == b"basic":
            user, _, password = _decoded(credentials[2]).partition(b":")
            known.register(password, "password")
            if machine_made(user):
                known.register(user, "password")  # a token in the user's place


def _head_of_scope(scope: Mapping[str, Any]) -> tuple[bytes, Iterable[tuple[bytes, bytes]]]:
    path = scope.get("raw_path") or _bytes(scope["path"])
    return b"?".join((path, scope.get("query_string", b""))), scope.get("headers", ())


def _head_of_environ(environ: Mapping[str, Any]) -> tuple[bytes, Iterable[tuple[bytes, bytes]]]:
    target = "".join(
        (environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", ""), "?", environ.get("QUERY_STRING", ""))
    )
    headers = [
        (_bytes(name.removeprefix("HTTP_").replace("_", "-")), _bytes(value))
        for name, value in environ.items()
        if isinstance(value, str) and (name.startswith("HTTP_") or name in _AUTHORIZATION)
    ]
    return _bytes(target), headers


def _bytes(text: bytes | str) -> bytes:
    """Return the bytes that a ``str`` of WSGI carries (PEP 3333), or those of a ``str`` of any other."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _cookies(name: bytes, header: bytes) -> Iterator[_Field]:
    """Yield each cookie as a header of its own, so that an odd one does not hide the next."""
    if name.lower().startswith(b"set"):
        cookie, semicolon, attributes = header.partition(b";")
        pairs = [(cookie, semicolon + attributes)]
    else:
        pairs = [(cookie, b"") for cookie in header.split(b";")]
    for cookie, after in pairs:
        cookie_name, equals, value = cookie.strip().partition(b"=")
        if equals:
            value = value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value
            yield _Field(cookie_name.decode("latin-1"), name + b": " + cookie_name + b"=", value, after)


def _target(target: bytes) -> Iterator[_Field]:
    """Yield the path and each parameter of the query as a request of its own."""
    path, _, query = target.partition(b"?")
    yield _Field("", b"GET ", path, b" HTTP/1.1")
    for pair in query.split(b"&"):
        raw_name, equals, value = pair.partition(b"=")
        if equals:
            plain = unquote_to_bytes(raw_name)
            name = plain if _PARAMETER_NAME.match(plain) else raw_name
            yield _Field(name.decode("latin-1"), b"GET /?" + name + b"=", value, b" HTTP/1.1")


def _strings(value: Any, name: str, deeper: int) -> Iterator[tuple[str, bytes]]:
    """Yield the strings of a JSON-like value with the names they stand under."""
    if isinstance(value, str):
        yield name, value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        yield name, value
    elif deeper and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(item, key if isinstance(key, str) else name, deeper - 1)
    elif deeper and isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _strings(item, name, deeper - 1)


def _decoded(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials + b"=" * (-len(credentials) % 4))
    except binascii.Error:
        return b""


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")
