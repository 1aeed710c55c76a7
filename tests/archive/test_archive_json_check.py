"""The check of JSON says what a parser says, however the bytes come."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor.archive.content import Source
from redactor.archive.json_check import JsonCheck


def mistakes(data: bytes, chunk: int = 262144) -> int | None:
    file = io.BytesIO(data)
    check = JsonCheck(Source(lambda size: file.read(min(size, chunk))))
    while check.read(chunk):
        pass
    assert not check.read(chunk)
    return check.mistakes


def parses(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.lists(VALUES, min_size=1), st.integers(1, 9), st.sampled_from([None, 1, "\t"]))
def test_json_has_no_mistake(values, chunk, indent):
    """Whatever a serialiser writes has no mistake, cut into chunks of any size."""
    data = json.dumps([values, {}], indent=indent).encode()
    assert mistakes(data, chunk) == 0
    assert mistakes(b"\xef\xbb\xbf" + data + b"\n" + data, chunk) == 0


@given(
    st.lists(VALUES, min_size=1, max_size=3),
    st.integers(0, 1000),
    st.sampled_from(list(b'{}[],:"\\x1 u-')),
    st.integers(1, 9),
)
def test_changed_json_has_a_mistake_if_it_does_not_parse(values, at, byte, chunk):
    """One byte more in a document on one line is a mistake exactly if it can no longer be parsed."""
    data = json.dumps([values, {}]).encode()
    at = min(at, len(data) - 1)
    changed = b'{"a":' + data[:at] + bytes([byte]) + data[at:] + b"}"
    assert (mistakes(changed, chunk) == 0) == parses(changed)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"plain text", None),
        (b'{"a":1}\n{"a":[REDACTED:otp]}\n{"a":2}\n', 1),
        (b'{"a":1}\nbroken\n{"a":2}\nbroken too\n', 2),
        (b'{"a":"\\u00[REDACTED]"}', 1),
        (b'{"a":"x"', 1),
        (b'{"a":"x', 1),
        (b'{"a":1]', 1),
        (b'{"a":1,}', 1),
        (b'{"a" 1}', 1),
        (b'{"a"}', 1),
        (b"[{},,{}]", 1),
        (b"[{}", 1),
        (b"[{1:2}]", 1),
        (b"[{}, 01]", 1),
        (b"[{}, -]", 1),
        (b"[{}, 1.5e-3, -0, NaN]", 0),
        (b"[{}] tru", 1),
        (b"[{}]]", 1),
        (b"[" + b"[" * 70_000, None),
        (b'["' + b"a" * 5_000_000 + b'"]', 0),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_mistakes_are_counted(data, expected):
    """Each line with a mistake counts once; what cannot be judged is not."""
    assert mistakes(data) == expected
    assert mistakes(data, 4096) == expected
