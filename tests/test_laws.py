"""The laws that hold for every input: rules' examples mixed with noise, cut, encoded and joined."""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Redactor
from redactor.model import Rule
from redactor.rulefiles import load_rules
from redactor.scanner import CONTEXT
from redactor.stream import BLOCK, HOLD, OPEN

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the examples to choose from

RULES = load_rules()
EXAMPLES = [(each.text, secret) for rule in RULES for each in rule.examples for secret in each.secrets]
TEXTS = [each.text.encode() for rule in RULES for each in rule.examples]
SECRETS = sorted({secret for _, secret in EXAMPLES})
NAMES = [
    "token", "session", "sid", "sessionid", "session_id", "access_token", "refreshToken", "password", "otp", "code", "state",
    "Cookie", "Set-Cookie", "Authorization", "Bearer ", "Basic ", "csrf", "api_key", "name", "value", "key", "data", "theme",
    "id", "reset", "verify", "sig", "SAMLResponse", "JSESSIONID", "session_timeout", "nextPageToken", "next", "x",
]  # fmt: skip
JOINTS = [
    "=", ": ", ":", '": "', '":"', "': '", " = ", " => ", "=%22", "%3D", "%253D", "\\u003d", "&", "&amp;", "; ", ";", ", ", ",",
    '"', "'", "\\\"", "\\\\\"", "&quot;", "&#34;", "%22", "%2522", "%26", "%2F", "/", "//", "://", "@", "?", "#", " ", "  ", "\t",
    "\n", "\r\n", "\\n", "\\u0026", "<", ">", "</", "/>", "|", " | ", "(", ")", "[", "]", "{", "}", "=\n", "=\r\n", "\x1b[36m",
    "\x1b[0m", "\\", "%", "$1 = '", " IN ('", " VALUES ('", '", "value": "', "\r\n\r\n", '";s:32:"', '"]=>\n  string(32) "', "\0",
    "[REDACTED", "[REDACTED:jwt]", "[REDACTED:", "]", "eyJ", ".", "..", "\u00fc", "\u20ac", "\ud800", "-", "_", "*", "********",
]  # fmt: skip
VALUES = [
    "kL9xQ2mZ8vBk3J7wT1aN4c", "9f86d081884c7d659a2feaa0c55ad015", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
    "eyJhbGciOiJIUzI1NiJ9", "s%3Aq3Zk1LrYw9b2.Hn8d0PqT5vXc7sB1aE4", "YWxpY2U6b3BlbiBzZXNhbWU=", "492817", "hunter2%21", "dark", "true",
    "550e8400-e29b-41d4-a716-446655440000", "Zk3v", "pL9+xQ2mZ8vB/k3J7wT1aN4cR6sD5fG0hY==", "a.b.c", "xoxb-123456789012-abcDEF123",
    "GA1.2.1804746323.1700000000", "c9xyz1-3f786850e387550fdab836ed7e6dc881", "A" * 70, "aB3" * 90,
]  # fmt: skip


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _cut(text: bytes, low: float, high: float) -> bytes:
    return text[int(low * len(text)) : int(high * len(text))]


_share = st.floats(0, 1)
_fragments = st.sampled_from([_encode(each) for each in (*NAMES, *JOINTS, *JOINTS, *VALUES)])
#: Joined pieces of the syntaxes: names, separators, quotes, escapes, colours and values.
joined = st.lists(_fragments, max_size=16).map(b"".join)
_pieces = st.one_of(
    st.sampled_from(TEXTS),
    st.builds(_cut, st.sampled_from(TEXTS), _share, _share),
    st.sampled_from([quote(text, safe="").encode() for text in TEXTS]),
    st.sampled_from([json.dumps(text.decode())[1:-1].encode() for text in TEXTS]),
    st.sampled_from([_encode(each) for each in JOINTS]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.encode),
    st.text(max_size=12).map(_encode),
    st.binary(max_size=12),
)
#: Examples, whole, cut or encoded, among separators, text and arbitrary bytes.
mixed = st.lists(_pieces, max_size=8).map(b"".join)
documents = st.one_of(mixed, joined)
texts = st.one_of(
    documents.map(lambda data: data.decode("utf-8", "replace")),
    st.lists(st.one_of(st.sampled_from([*JOINTS, *NAMES, *VALUES]), st.text(max_size=8)), max_size=12).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=40),
)


def _chunked(redactor: Redactor, data: bytes, cuts: list[int], line_buffered: bool = False) -> bytes:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return b"".join(
        redactor.stream((data[low:high] for low, high in itertools.pairwise(places)), line_buffered=line_buffered)
    )


# --- any document ---------------------------------------------------------------------


@given(data=documents)
def test_redacting_twice_changes_nothing(built_in: Redactor, data: bytes) -> None:
    """What was redacted once comes back as the same object the second time."""
    once = built_in.bytes(data)
    assert built_in.bytes(once) is once


@given(data=documents)
def test_bytes_outside_the_matches_are_identical(built_in: Redactor, data: bytes) -> None:
    """The result is the input with each match replaced by its placeholder, and nothing else."""
    matches = built_in.matches(data)
    pieces, position = [], 0
    for match in matches:
        assert position <= match.start < match.end <= len(data)
        pieces += [data[position : match.start], f"[REDACTED:{match.rule}]".encode()]
        position = match.end
    assert built_in.bytes(data) == b"".join([*pieces, data[position:]])


@given(data=documents)
def test_clean_text_is_the_same_object(built_in: Redactor, data: bytes) -> None:
    """Where there is no match, text, bytes and values come back as the objects that went in."""
    if built_in.matches(data):
        return
    text = data.decode("utf-8", "replace")
    assert built_in.bytes(data) is data
    if text.encode() == data:
        value = {"msg": [text, data, 1]}
        assert built_in.text(text) is text
        assert built_in.value(value) is value


@given(data=documents, cuts=st.lists(st.integers(0, 4000), max_size=6), line_buffered=st.booleans())
def test_any_chunking_equals_whole(built_in: Redactor, data: bytes, cuts: list[int], line_buffered: bool) -> None:
    """However a document is cut into chunks, the stream gives the bytes of the whole."""
    assert _chunked(built_in, data, cuts, line_buffered) == built_in.bytes(data)


@given(data=documents)
def test_text_and_bytes_agree(built_in: Redactor, data: bytes) -> None:
    """A text and its UTF-8 bytes are redacted alike, and their matches are the same places."""
    text = data.decode("utf-8", "replace")
    data = text.encode()
    assert built_in.text(text).encode() == built_in.bytes(data)
    assert [(m.rule, text[m.start : m.end].encode()) for m in built_in.matches(text)] == [
        (m.rule, data[m.start : m.end]) for m in built_in.matches(data)
    ]


@given(data=mixed)
def test_engines_agree_on_documents(both: tuple[Redactor, Redactor], data: bytes) -> None:
    """Both engines give equal matches for examples among noise."""
    hyperscan, portable = both
    assert hyperscan.matches(data) == portable.matches(data)


@given(data=joined)
def test_engines_agree_on_joined_fragments(both: tuple[Redactor, Redactor], data: bytes) -> None:
    """Both engines give equal matches for joined names, separators, quotes, escapes and values."""
    hyperscan, portable = both
    assert hyperscan.matches(data) == portable.matches(data)


# --- never raises ---------------------------------------------------------------------


@given(text=texts)
def test_any_text_is_redacted(built_in: Redactor, text: str) -> None:
    """Any text, lone surrogates included, is redacted without an error and idempotently."""
    errors = built_in.summary.errors
    once = built_in.text(text)
    assert isinstance(once, str)
    assert built_in.text(once) == once
    assert isinstance(built_in.beside("token", text), str)
    assert built_in.summary.errors == errors


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=4))
def test_any_bytes_are_redacted(built_in: Redactor, data: bytes, cuts: list[int]) -> None:
    """Arbitrary bytes, UTF-16 marks included, are redacted without an error, however they are cut."""
    errors = built_in.summary.errors
    for start in (b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"):
        assert _chunked(built_in, start + data, cuts) == built_in.bytes(start + data)
    assert built_in.summary.errors == errors


_leaves = st.one_of(
    texts,
    documents,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(VALUES),
)
_keys = st.one_of(st.sampled_from(NAMES), texts, st.integers(), st.none(), st.binary(max_size=8), st.booleans())
values = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(_keys, inner),
        st.dictionaries(_keys, inner, max_size=4),
        st.fixed_dictionaries({"name": st.sampled_from(NAMES), "value": inner}),
    ),
    max_leaves=8,
)


def _same(left: Any, right: Any) -> bool:
    """Equality in which NaN equals itself and types count."""
    return repr(left) == repr(right)


@given(value=values)
def test_the_callers_value_is_never_changed(built_in: Redactor, value: Any) -> None:
    """Redacting a value leaves the caller's object as it was, and the result is stable."""
    before = copy.deepcopy(value)
    errors = built_in.summary.errors
    once = built_in.value(value)
    assert _same(value, before)
    assert _same(built_in.value(once), once)
    assert built_in.summary.errors == errors


@given(value=values)
def test_an_unchanged_value_is_the_same_object(built_in: Redactor, value: Any) -> None:
    """A value that redaction leaves equal comes back as the same object, and so do its parts."""
    redacted = built_in.value(value)
    if _same(redacted, value):
        assert redacted is value
    elif isinstance(value, list):
        for old, new in zip(value, redacted, strict=True):
            assert not _same(old, new) or new is old


class _Hostile:
    """An object whose every method fails."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("kL9xQ2mZ8vBk3J7wT1aN4c")

    __repr__ = __str__ = __eq__ = __len__ = __iter__ = __bool__ = __format__ = _fail
    __hash__ = _fail
    __getattr__ = _fail


class _HostileHash(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        return 1


class _HostileMapping(Mapping[Any, Any]):
    def __init__(self, failing: str) -> None:
        self._failing = failing

    def __getitem__(self, key: object) -> Any:
        if self._failing == "getitem":
            raise RuntimeError
        return "kL9xQ2mZ8vBk3J7wT1aN4c"

    def __iter__(self) -> Iterator[Any]:
        if self._failing == "iter":
            raise RuntimeError
        return iter(["token"])

    def __len__(self) -> int:
        if self._failing == "len":
            raise RuntimeError
        return 1

    def keys(self) -> Any:
        if self._failing == "keys":
            raise RuntimeError
        return super().keys()

    def items(self) -> Any:
        if self._failing == "items":
            raise RuntimeError
        return super().items()

    def __contains__(self, key: object) -> bool:
        if self._failing == "contains":
            raise RuntimeError
        return key == "token"


class _HostileList(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


class _Text(str):
    __slots__ = ()


class _HostileText(str):
    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = str.__hash__


_MAPPINGS = [_HostileMapping(name) for name in ("getitem", "iter", "len", "keys", "items", "contains", "nothing")]
_HOSTILE = [
    _Hostile(),
    {"token": _Hostile()},
    {"Cookie": [_Hostile()]},
    [_Hostile(), "token=kL9xQ2mZ8vBk3J7wT1aN4c"],
    {_HostileHash("value"): 1},
    {"name": _Hostile(), "value": "kL9xQ2mZ8vBk3J7wT1aN4c"},
    *_MAPPINGS,
    *({"event": mapping} for mapping in _MAPPINGS),
    _HostileList(["token=kL9xQ2mZ8vBk3J7wT1aN4c"]),
    _HostileText("token=kL9xQ2mZ8vBk3J7wT1aN4c"),
    {"token": _HostileText("kL9xQ2mZ8vBk3J7wT1aN4c")},
]


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    """Every string that a plain reader of the value would see."""
    kind = type(value)
    if kind is dict and depth < 200:
        for key, inner in value.items():
            yield from _strings(key, depth + 1)
            yield from _strings(inner, depth + 1)
    elif kind in (list, tuple, set, frozenset) and depth < 200:
        for inner in value:
            yield from _strings(inner, depth + 1)
    elif isinstance(value, str):
        yield str.__str__(value)
    elif kind in (bytes, bytearray):
        yield value.decode("utf-8", "replace")


@pytest.mark.parametrize("number", range(len(_HOSTILE)))
def test_a_hostile_value_neither_raises_nor_leaks(built_in: Redactor, number: int) -> None:
    """A value whose methods fail comes back, as itself or as an error mark, without the secret in it."""
    redacted = built_in.value(_HOSTILE[number])
    assert not any("kL9xQ2mZ8vBk3J7wT1aN4c" in text for text in _strings(redacted))


def test_text_of_a_wrong_type_becomes_an_error_mark(built_in: Redactor) -> None:
    """What is no text or no bytes becomes the error mark and is counted."""
    errors = built_in.summary.errors
    wrong: Any = _Hostile()
    assert built_in.text(wrong) == "[REDACTED:error]"
    assert built_in.bytes(wrong) == b"[REDACTED:error]"
    assert built_in.text(_HostileText("sid=kL9xQ2mZ8vBk3J7wT1aN4c")) in ("[REDACTED:error]", "sid=[REDACTED:session]")
    assert built_in.summary.errors >= errors + 2


def test_a_cycle_is_cut_where_it_has_to_be_copied(built_in: Redactor) -> None:
    """A cyclic value is copied up to its cycle; without a secret it is returned as it is."""
    clean: dict[str, Any] = {"user": "alice"}
    clean["self"] = clean
    assert built_in.value(clean) is clean
    loop: dict[str, Any] = {"token": "kL9xQ2mZ8vBk3J7wT1aN4c"}
    loop["self"] = loop
    assert built_in.value(loop) == {"token": "[REDACTED:token]", "self": "[REDACTED:error]"}
    assert loop["token"] == "kL9xQ2mZ8vBk3J7wT1aN4c"
    items: list[Any] = ["sid=kL9xQ2mZ8vBk3J7wT1aN4c"]
    items.append(items)
    assert built_in.value(items) == ["sid=[REDACTED:session]", "[REDACTED:error]"]


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_a_value_of_any_depth_is_redacted(built_in: Redactor, wrap: Callable[[Any], Any]) -> None:
    """A secret 100,000 levels down does not survive, whatever the levels are made of."""
    value: Any = "sid=kL9xQ2mZ8vBk3J7wT1aN4c"
    for _ in range(100_000):
        value = wrap(value)
    redacted = built_in.value(value)
    levels = 0
    while type(redacted) in (list, tuple, dict):
        redacted = next(iter(redacted.values() if type(redacted) is dict else redacted))
        levels += 1
    assert redacted == "[REDACTED:error]"
    assert levels <= 64
    while type(value) in (list, tuple, dict):  # taken apart here: freeing it whole would recurse
        value = next(iter(value.values() if type(value) is dict else value))


def test_subclasses_and_named_tuples_are_walked(built_in: Redactor) -> None:
    """Subclasses of dict, list, tuple and str are read like their base; a named tuple keeps its type."""
    point = namedtuple("point", "token place")
    secret = "kL9xQ2mZ8vBk3J7wT1aN4c"
    ordered = OrderedDict([("token", secret), ("b", 1)])
    assert built_in.value(ordered) == {"token": "[REDACTED:token]", "b": 1}
    assert built_in.value(UserDict(token=secret)) == {"token": "[REDACTED:token]"}
    redacted = built_in.value(point(f"token={secret}", 3))
    assert redacted == point("token=[REDACTED:token]", 3)
    assert type(redacted) is point
    assert built_in.value(_Text(f"token={secret}")) == "token=[REDACTED:token]"
    assert built_in.value({_Text("token"): _Text(secret)}) == {"token": "[REDACTED:token]"}
    assert built_in.value({f"sid={secret}"}) == {"sid=[REDACTED:session]"}
    assert built_in.value(frozenset({f"sid={secret}"})) == frozenset({"sid=[REDACTED:session]"})
    clean = point("a", 3)
    assert built_in.value(clean) is clean


def test_a_secret_in_a_mappings_key_is_replaced(built_in: Redactor) -> None:
    """A secret in a key goes as well, and two keys that become equal both stay."""
    one, two = "sid=kL9xQ2mZ8vBk3J7wT1aN4c", "sid=Zk3vQ9xT1mB7aZ4nL8pR2s"
    redacted = built_in.value({one: 1, two: 2})
    assert list(redacted.values()) == [1, 2]
    assert all("kL9xQ" not in key and "Zk3vQ" not in key for key in redacted)


# --- no example's secret survives -----------------------------------------------------


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES])
def test_every_split_in_two_equals_the_whole(built_in: Redactor, rule: Rule) -> None:
    """Cut at any byte, each example streams to the bytes of the whole."""
    for example in rule.examples:
        data = example.text.encode()
        whole = built_in.bytes(data)
        for cut in range(len(data) + 1):
            assert b"".join(built_in.stream([data[:cut], data[cut:]])) == whole
            assert b"".join(built_in.stream([data[:cut], data[cut:]], line_buffered=True)) == whole


@given(
    data=st.lists(st.sampled_from(range(len(EXAMPLES))), min_size=1, max_size=6),
    joint=st.sampled_from(["\n", "\n\n", "\r\n"]),
)
def test_no_secret_survives_among_other_lines(built_in: Redactor, data: list[int], joint: str) -> None:
    """In a file of any examples, one a line, no secret is left."""
    text = joint.join(EXAMPLES[number][0] for number in data)
    redacted = built_in.text(text)
    assert not [EXAMPLES[number][1] for number in data if EXAMPLES[number][1] in redacted]


def _named_rules() -> list[Any]:
    return [
        pytest.param(rule, id=rule.id) for rule in RULES if rule.named is not None and rule.named.where == "anywhere"
    ]


def _spelled(name: tuple[str, ...]) -> list[str]:
    camel = name[0] + "".join(word.capitalize() for word in name[1:])
    return list(dict.fromkeys(["_".join(name), "-".join(name), camel, "_".join(name).upper()]))


def _secret_of(rule: Rule) -> str:
    """The first secret of the rule's examples that stands beside a name of the rule."""
    return next(secret for example in rule.examples for secret in example.secrets)


_PLACES = {
    "form": lambda name, secret: f"POST /x {name}={secret}&lang=en",
    "json": lambda name, secret: json.dumps({"user": "alice", name: secret, "n": 1}),
    "json-in-json": lambda name, secret: json.dumps({"body": json.dumps({name: secret})}),
    "percent": lambda name, secret: f"GET /?next={quote(f'/cb?{name}={secret}&lang=en', safe='')} HTTP/1.1",
    "repr": lambda name, secret: f"{ {'user': 'alice', name: secret, 'n': 1}!r}",
    "html": lambda name, secret: f"{{&quot;{name}&quot;:&quot;{secret}&quot;}}",
}  # fmt: skip


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("rule", _named_rules())
def test_a_rules_names_are_found_in_every_syntax(built_in: Redactor, rule: Rule, place: str) -> None:
    """Beside every name of a rule, in every way to write the name, an example's secret goes."""
    assert rule.named is not None
    if rule.named.value == "cookies":
        return
    secret = _secret_of(rule)
    kept = []
    for name in rule.named.names:
        for spelled in _spelled(name):
            text = _PLACES[place](spelled, secret)
            redacted = built_in.text(text)
            if secret in redacted or quote(secret, safe="") in redacted:
                kept.append(text)
    assert kept == []


@pytest.mark.parametrize("rule", _named_rules())
def test_a_rules_names_are_found_as_keys(built_in: Redactor, rule: Rule) -> None:
    """In a dict, the value beside a name of the rule goes, raw, percent-encoded and JSON-escaped."""
    assert rule.named is not None
    if rule.named.value == "cookies":
        return
    secret = _secret_of(rule)
    kept = []
    for name in rule.named.names:
        for spelled in _spelled(name):
            for written in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], json.dumps(secret)}:
                for value in ({spelled: written}, [(spelled, written)], {"name": spelled, "value": written}):
                    redacted = built_in.value(value)
                    if any(secret in text or quote(secret, safe="") in text for text in _strings(redacted)):
                        kept.append(value)
    assert kept == []


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES if rule.named is not None])
def test_a_rules_names_are_found_as_cookies(built_in: Redactor, rule: Rule) -> None:
    """In a Cookie header, the value beside a name of a rule for cookies goes."""
    assert rule.named is not None
    if rule.named.where == "path" or rule.named.value in ("cookies", "digits"):
        return
    secret = "kL9xQ2mZ8vBk3J7wT1aN4c"
    kept = []
    for name in rule.named.names:
        for spelled in _spelled(name):
            for text in (f"Cookie: a=b; {spelled}={secret}", f"Set-Cookie: {spelled}={secret}; Path=/; HttpOnly"):
                if secret in built_in.text(text):
                    kept.append(text)
    assert kept == []


# --- long lines -----------------------------------------------------------------------


def _kept_bytes(stream: Any) -> int:
    """How many bytes an object and the objects it is made of hold on to."""
    seen: set[int] = set()
    waiting, total = [stream], 0
    while waiting:
        each = waiting.pop()
        if isinstance(each, bytes | bytearray):
            total += len(each)
        elif type(each).__module__ == "redactor.stream" and id(each) not in seen:
            seen.add(id(each))
            waiting += vars(each).values()
    return total


_LIMIT = OPEN + BLOCK + HOLD + CONTEXT


def _token(length: int, seed: int = 7) -> bytes:
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return bytes(random.Random(seed).choices(letters, k=length))


@pytest.mark.parametrize("length", [65_000, 65_536, 65_537, 67_584, 100_000, 300_000])
@pytest.mark.parametrize("lead", [b'{"token": "', b"sid=", b"Cookie: a=b; sessionid=", b"Authorization: Bearer "])
@pytest.mark.parametrize("after", [b"", b'" x', b" x", b'\\" x', b"\n x"])
def test_a_token_of_any_length_goes_whole(built_in: Redactor, length: int, lead: bytes, after: bytes) -> None:
    """Of a token of 64 KiB and more nothing is left, however it is cut, and what follows it stays."""
    data = b"start " + lead + _token(length) + after
    whole = built_in.bytes(data)
    assert re.fullmatch(re.escape(b"start " + lead) + rb"\[REDACTED:[a-z\-]+\]" + re.escape(after), whole)
    for size in (4096, 65_536, 262_144):
        assert b"".join(built_in.stream(data[at : at + size] for at in range(0, len(data), size))) == whole


@pytest.mark.parametrize("length", [65_000, 65_537, 140_000])
def test_a_jwt_of_any_length_goes_whole(built_in: Redactor, length: int) -> None:
    """A JWT of 64 KiB and more is replaced to its last character."""
    token = b"eyJhbGciOiJIUzI1NiJ9." + _token(length) + b"." + _token(43)
    for before, after in ((b"got ", b" end"), (b'"', b'"'), (b"a\n", b"\nb")):
        assert built_in.bytes(before + token + after) == before + b"[REDACTED:jwt]" + after


@pytest.mark.parametrize("size", [997, 65_536, 262_144, 1_000_000])
def test_a_line_of_megabytes_streams_in_bounded_memory(built_in: Redactor, size: int) -> None:
    """A line of more than a megabyte without an end gives the whole's bytes and keeps few of them."""
    piece = b'{"user":"alice","sid":"kL9xQ2mZ8vBk3J7wT1aN4c","note":"' + b"plain words " * 90 + b'"},'
    data = piece * (1_300_000 // len(piece))
    stream = built_in.open_stream()
    pieces, most = [], 0
    for at in range(0, len(data), size):
        pieces.append(stream.feed(data[at : at + size]))
        most = max(most, _kept_bytes(stream))
    pieces.append(stream.finish())
    assert b"".join(pieces) == data.replace(b"kL9xQ2mZ8vBk3J7wT1aN4c", b"[REDACTED:session]")
    assert most <= _LIMIT


def test_a_token_of_megabytes_streams_in_bounded_memory(built_in: Redactor) -> None:
    """A token of three megabytes becomes one placeholder while the stream keeps few bytes."""
    stream = built_in.open_stream()
    pieces, most = [stream.feed(b"x token=")], 0
    for number in range(60):
        pieces.append(stream.feed(_token(50_000, number)))
        most = max(most, _kept_bytes(stream))
    pieces += [stream.feed(b" end\n"), stream.finish()]
    assert b"".join(pieces) == b"x token=[REDACTED:token] end\n"
    assert most <= _LIMIT


# --- hostile generators ---------------------------------------------------------------

_JWT = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
HOSTILE = {
    "eyJ": b"eyJ",
    "jwt-head": b"eyJhbGciOi",
    "token=": b"token=",
    "bearer": b"Bearer ",
    "cookie-header": b"Cookie: a=b; ",
    "cookie-names": b"Cookie=a=b;",
    "spaces": b" ",
    "double-quotes": b'"',
    "single-quotes": b"'",
    "json-names": b'"token":',
    "encoded-quotes": b"sid=%22",
    "jwts": _JWT + b" ",
    "jwts-joined": _JWT + b".",
    "placeholder-heads": b"[REDACTED",
    "parameters": b"a=b&",
    "backslashes": b"\\",
    "userinfo": b"https://a:",
    "at-signs": b"https://a:b@",
    "slashes": b"/reset/",
    "escapes": b"\\u003d",
    "tabs": b"sid\t",
    "newlines": b"\n",
    "soft-breaks": b"token=" + b"aB3x" * 17 + b"=\n",
    "pairs": b'{"name": "token", "value": ',
    "dots": b"ey.",
    "base64": b"QUJD",
    "percent": b"%25",
    "basic": b"Basic YWxp",
    "php": b's:5:"token";',
    "names": b"session_id_",
    "colons": b"session:",
    "prose": b"session id is ",
    "colours": b"\x1b[36m",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_repetition_streams_like_the_whole(built_in: Redactor, name: str) -> None:
    """Two hundred kilobytes of a hostile piece are worked off, and any chunking equals the whole."""
    piece = HOSTILE[name]
    data = piece * (200_000 // len(piece))
    whole = built_in.bytes(data)
    for size in (1_000, 65_537):
        assert b"".join(built_in.stream(data[at : at + size] for at in range(0, len(data), size))) == whole
    assert built_in.bytes(whole) == whole
