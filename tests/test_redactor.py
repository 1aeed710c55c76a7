"""The redactor as a whole: texts, values, keys and counts."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import uuid
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from redactor import HmacKey, Policy, Redactor, RuleError, Summary, default_redactor

SECRET = "kL9xQ2mZ8vBk3J7wT1aN4c"
OTHER = "Zk3vQ9xT1mB7aZ4nL8pR2s"
HEX = "9f86d081884c7d659a2feaa0c55ad015"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"token": SECRET}, {"token": "[REDACTED:token]"}),
        ({"user": {"sessionId": SECRET, "n": 1}}, {"user": {"sessionId": "[REDACTED:session]", "n": 1}}),
        ({"headers": {"Authorization": f"Bearer {SECRET}"}}, {"headers": {"Authorization": "Bearer [REDACTED:bearer]"}}),
        ({"headers": {"Cookie": f"theme=dark; sessionid={SECRET}"}}, {"headers": {"Cookie": "theme=dark; sessionid=[REDACTED:session]"}}),
        ({"headers": [("token", SECRET), ("Host", "x")]}, {"headers": [("token", "[REDACTED:token]"), ("Host", "x")]}),
        ([["token", SECRET], ["a", "b"]], [["token", "[REDACTED:token]"], ["a", "b"]]),
        ([(b"token", SECRET.encode())], [(b"token", b"[REDACTED:token]")]),
        ({"token": [SECRET, OTHER]}, {"token": ["[REDACTED:token]", "[REDACTED:token]"]}),
        ({"token": (SECRET,)}, {"token": ("[REDACTED:token]",)}),
        ({"token": [SECRET, OTHER, SECRET]}, {"token": ["[REDACTED:token]"] * 3}),
        ({"name": "sessionid", "value": SECRET}, {"name": "sessionid", "value": "[REDACTED:session]"}),
        ({"key": "sid", "value": {"stringValue": HEX}}, {"key": "sid", "value": {"stringValue": "[REDACTED:session]"}}),
        ({"otp": 492817}, {"otp": "[REDACTED:otp]"}),
        ({"token": SECRET.encode()}, {"token": b"[REDACTED:token]"}),
        ({"msg": f"sid={SECRET}"}, {"msg": "sid=[REDACTED:session]"}),
        ({1: f"sid={SECRET}"}, {1: "sid=[REDACTED:session]"}),
        ({f"sid={SECRET}": 1}, {"sid=[REDACTED:session]": 1}),
        ((f"sid={SECRET}", 1), ("sid=[REDACTED:session]", 1)),
        ({f"sid={SECRET}"}, {"sid=[REDACTED:session]"}),
        (f"sid={SECRET}", "sid=[REDACTED:session]"),
        (f"sid={SECRET}".encode(), b"sid=[REDACTED:session]"),
    ],
)  # fmt: skip
def test_values_are_redacted_by_name_and_by_text(built_in: Redactor, value: Any, expected: Any) -> None:
    """In a value, what stands beside a secret's name goes, and so does a secret in any text."""
    redacted = built_in.value(value)
    assert redacted == expected
    assert type(redacted) is type(value)


class _Colour(enum.Enum):
    RED = "red"


class _Level(enum.StrEnum):
    INFO = "info"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        "plain",
        b"plain",
        [],
        {},
        (),
        set(),
        {"session_timeout": 3600, "token_type": "Bearer", "csrf_enabled": True, "token_count": 12345678},
        {"token": None, "session": True, "sid": "", "password": "********", "secret": "[REDACTED]"},
        {"token": "[REDACTED:token]", "sid": "[REDACTED:session:3f2a9c1b7d04]"},
        {"a": [1, ("b", {"c": frozenset({"d"})})]},
        {
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "id": uuid.UUID(int=5),
            "at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        },
        {"colour": _Colour.RED, "level": _Level.INFO, "price": decimal.Decimal("1.5"), "path": Path("/tmp")},
        {"name": "theme", "value": "dark"},
        MappingProxyType({"a": 1}),
        collections.deque(["a"]),
        bytearray(b"plain"),
        object(),
    ],
)
def test_a_clean_value_is_the_same_object(built_in: Redactor, value: Any) -> None:
    """A value without a secret, whatever its type, comes back as the same object."""
    assert built_in.value(value) is value


def test_only_what_changes_is_copied(built_in: Redactor) -> None:
    """Parts of a value that hold no secret are the caller's own objects in the copy."""
    clean = {"a": [1, 2]}
    value = {"clean": clean, "token": SECRET}
    redacted = built_in.value(value)
    assert redacted["clean"] is clean
    assert redacted is not value
    assert list(redacted) == ["clean", "token"]
    assert value == {"clean": {"a": [1, 2]}, "token": SECRET}


def test_a_shared_part_is_no_cycle(built_in: Redactor) -> None:
    """An object that stands in a value twice is redacted twice and is no error."""
    shared = {"token": SECRET}
    redactor = Redactor(engine="portable")
    assert redactor.value([shared, shared]) == [{"token": "[REDACTED:token]"}] * 2
    assert redactor.summary.errors == 0
    assert built_in.value([shared, [shared]]) == [{"token": "[REDACTED:token]"}, [{"token": "[REDACTED:token]"}]]


def test_sixty_levels_are_walked(built_in: Redactor) -> None:
    """Down to sixty levels a secret is replaced in its place."""
    value: Any = f"sid={SECRET}"
    expected: Any = "sid=[REDACTED:session]"
    for _ in range(60):
        value, expected = [value], [expected]
    assert built_in.value(value) == expected


@pytest.mark.parametrize(
    "key", ["token", "sessionId", "X-CSRF-Token", "refresh_token", "client_secret", "code_verifier"]
)
def test_beside_judges_by_the_key(built_in: Redactor, key: str) -> None:
    """The whole value beside a secret's name goes; beside another name it is read as text."""
    assert built_in.beside(key, SECRET).startswith("[REDACTED:")
    assert built_in.beside("user", SECRET) is SECRET
    assert built_in.beside("user", f"sid={SECRET}") == "sid=[REDACTED:session]"
    assert built_in.beside(key, "") == ""
    assert built_in.beside(key, "required") == "required"


def test_the_summary_counts_and_tells_nothing(engine: str) -> None:
    """The summary counts redactions by rule and shows nothing of the text."""
    redactor = Redactor(engine=engine)
    assert repr(redactor.summary) == "Summary(redactions={}, errors=0)"
    redactor.text(f"sid={SECRET} token={OTHER}")
    redactor.bytes(f"sid={SECRET}".encode())
    redactor.value({"token": OTHER})
    assert redactor.summary.redactions == {"session": 2, "token": 2}
    assert redactor.summary.total == 4
    assert SECRET not in repr(redactor.summary)
    assert isinstance(redactor.summary, Summary)


def test_a_redactor_shows_nothing(engine: str) -> None:
    """The repr of a redactor tells the number of rules and the engine."""
    shown = repr(Redactor(policy=Policy(hmac_key=HmacKey(b"0123456789abcdef")), engine=engine))
    assert shown.startswith("<Redactor ")
    assert shown.endswith(f" rules, {engine}>")
    assert "0123456789abcdef" not in shown


def test_the_default_redactor_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The default redactor is one object, and takes its key from the environment."""
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(b"k1:0123456789abcdef")
    monkeypatch.setenv("REDACTOR_HMAC_KEY_FILE", str(path))
    default_redactor.cache_clear()
    try:
        assert default_redactor() is default_redactor()
        assert default_redactor().policy.hmac_key == HmacKey(b"0123456789abcdef", "k1")
    finally:
        default_redactor.cache_clear()


def test_wrong_rules_fail_when_the_redactor_is_made(tmp_path: Path) -> None:
    """A wrong rule file raises when a redactor is made, not when text is redacted."""
    path = tmp_path / "bad.toml"
    path.write_text("[[rule]]\n", encoding="utf-8")
    with pytest.raises(RuleError):
        Redactor.from_files([path])


@pytest.mark.parametrize("text", ["\ud800", f"\udc80 sid={SECRET} \ud800", "\U0001f512\ud83d"])
def test_lone_surrogates_stay(built_in: Redactor, text: str) -> None:
    """Lone surrogates come back as they are, in texts, keys and values."""
    expected = text.replace(SECRET, "[REDACTED:session]")
    assert built_in.text(text) == expected
    assert built_in.value({text: [text]}) == {expected: [expected]}
    assert built_in.beside("note", text) == expected


def test_bytes_of_every_kind_are_read(built_in: Redactor) -> None:
    """bytearray and memoryview are redacted or passed on without an error; str offsets are characters."""
    assert bytes(built_in.value(bytearray(f"sid={SECRET}".encode()))) == b"sid=[REDACTED:session]"
    errors = built_in.summary.errors
    built_in.value({"raw": memoryview(b"plain")})
    assert built_in.summary.errors == errors


@pytest.mark.parametrize("value", [("[REDACTED:jwt]", "0000012="), {"[REDACTED:token]": "kL9xQ2mZ"}])
def test_a_placeholder_names_nothing(built_in: Redactor, value: object) -> None:
    """What stands beside a placeholder in a pair or a mapping is not judged by it, so redacting twice changes nothing."""
    assert built_in.value(value) is value
