"""What an application's own tests use: canaries, and a look for leaks that shows places only."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable
from urllib.parse import quote

import pytest

from redactor import Policy, Redactor, known
from redactor.testing import Canary, Leak, assert_clean, canaries, described, find_leaks, leaked

SECRET = "4f1x9q8z7k2m5n0b"
OTHER = "k2m5n0b4f1x9q8z7"


def test_the_rule_of_a_canary_finds_exactly_its_secret_in_its_text(built_in: Redactor) -> None:
    """Whatever secrets are minted, each is found by its rule, whole and alone."""
    for _ in range(40):
        for canary in canaries():
            start = canary.text.index(canary.secret)
            assert built_in.matches(canary.text) == [(canary.rule, start, start + len(canary.secret))]


def test_canaries_are_of_four_kinds_and_never_the_same() -> None:
    """Every call mints new secrets of the same four kinds."""
    minted = [canary for _ in range(50) for canary in canaries()]
    assert {(canary.kind, canary.rule) for canary in minted} == {
        ("session cookie", "session"),
        ("JWT", "jwt"),
        ("bearer token", "bearer"),
        ("refresh token in a URL", "token"),
    }
    assert len({canary.secret for canary in minted}) == 200


def test_the_jwt_is_one() -> None:
    """The parts of the JWT decode to a header, claims and a signature of HS256's length."""
    (token,) = (canary.secret for canary in canaries() if canary.kind == "JWT")
    header, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    assert json.loads(header) == {"alg": "HS256", "typ": "JWT"}
    assert set(json.loads(claims)) == {"sub", "jti"}
    assert len(signature) == 32


def test_a_canary_shows_neither_its_text_nor_its_secret() -> None:
    """The repr of canaries, alone and together, holds their kinds and rules only."""
    for canary in canaries():
        assert repr(canary) == f"Canary(kind={canary.kind!r}, rule={canary.rule!r})"
        assert canary.secret not in f"{(canary,)} {[canary]!s}"


@pytest.mark.parametrize(
    "write",
    [
        str,
        lambda secret: quote(quote(secret, safe=""), safe=""),
        lambda secret: json.dumps({"note": json.dumps({"value": secret})}),
        lambda secret: base64.b64encode(f"a{secret}".encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(f"ab{secret}c".encode()).decode(),
        lambda secret: secret.encode().hex().upper(),
    ],
)
def test_a_canary_has_leaked_in_whatever_spelling_its_secret_is_there(write: Callable[[str], str]) -> None:
    """A leak is told by the secret in any spelling, in text and in bytes, and only of the canary it is of."""
    secret = "v/+= é" + SECRET
    there, missing = Canary("one", "token", "", secret), Canary("other", "token", "", OTHER)
    output = f"before {write(secret)} after"
    assert leaked(output, [there, missing]) == [there]
    assert leaked(output.encode(), iter([missing, there])) == [there]


def test_what_was_redacted_has_not_leaked() -> None:
    """No canary is left in an output from which its text was redacted."""
    minted = canaries()
    output = "\n".join(canary.text for canary in minted)
    assert leaked(output, minted) == list(minted)
    assert leaked(Redactor().text(output), minted) == []


def test_a_leak_says_where_it_starts() -> None:
    """Lines and columns count from 1, columns in characters of text and in bytes of bytes."""
    output = f"é sid={SECRET} é sid={OTHER}\r\n\né {{'refresh_token': '{SECRET}'}}"
    assert find_leaks(output, "out") == [
        Leak("session", "out", 1, 7),
        Leak("session", "out", 1, 30),
        Leak("token", "out", 3, 22),
    ]
    assert find_leaks(output.encode(), "out") == [
        Leak("session", "out", 1, 8),
        Leak("session", "out", 1, 32),
        Leak("token", "out", 3, 23),
    ]


def test_clean_output_has_no_leaks() -> None:
    """Nothing, harmless text, placeholders and lone surrogates are clean."""
    for output in ("", "session_timeout=3600", "sid=[REDACTED:session]", "\ud800"):
        assert find_leaks(output, "out") == []
        assert_clean(output)


def test_the_redactor_decides_what_a_leak_is() -> None:
    """The allowlist and the rules of a redactor of one's own count."""
    output = f"sid={SECRET}"
    assert find_leaks(output, "out", Redactor(policy=Policy(allowlist=frozenset({SECRET})))) == []
    assert find_leaks(output, "out", Redactor(policy=Policy(disabled=frozenset({"session"})))) == []
    assert_clean(output, redactor=Redactor(policy=Policy(allowlist=frozenset({SECRET}))))


def test_a_registered_value_is_a_leak_without_a_name() -> None:
    """What the application has registered is a leak wherever it is."""
    with known.scope():
        known.register(SECRET)
        assert find_leaks(f"id {SECRET}", "out") == [Leak("known-value", "out", 1, 4)]
    assert find_leaks(f"id {SECRET}", "out") == []


def test_looking_counts_nothing() -> None:
    """The redactor's summary stays as it was."""
    redactor = Redactor()
    find_leaks(f"sid={SECRET}", "out", redactor)
    assert (redactor.summary.total, redactor.summary.errors) == (0, 0)


def test_the_assertion_names_rules_and_places_only() -> None:
    """The error says which rule found a secret where; no value is in it nor in the locals of our frames."""
    with pytest.raises(AssertionError) as caught:
        assert_clean(f"ok\nsid={SECRET}", "the log")
    assert str(caught.value) == "a secret leaked: the log, line 2, column 5: rule session"
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if not frame.filename.endswith("test_testing.py")]
    assert [frame.name for frame in ours] == ["assert_clean"]
    assert SECRET not in str([frame.locals for frame in ours])
    with pytest.raises(AssertionError, match=r"\Aa secret leaked: output, line 1, column 5: rule session\Z"):
        assert_clean(f"sid={SECRET}".encode())


def test_pytest_shows_where_the_test_called() -> None:
    """The frame of the assertion is hidden from pytest's tracebacks."""
    with pytest.raises(AssertionError) as caught:
        assert_clean(f"sid={SECRET}")
    frames = caught.traceback.filter(caught)
    assert [frame.name for frame in frames] == ["test_pytest_shows_where_the_test_called"]


def test_ten_leaks_are_named_and_all_are_counted() -> None:
    """Of many leaks the first ten are named, a line each, and all are counted."""
    leaks = [Leak("jwt", "out", number, 1) for number in range(1, 13)]
    assert described(leaks[:2]) == (
        "secrets leaked at 2 places: out, line 1, column 1: rule jwt\n  out, line 2, column 1: rule jwt"
    )
    lines = described(leaks).split("\n")
    assert lines[0] == "secrets leaked at 12 places: out, line 1, column 1: rule jwt"
    assert lines[1:10] == [f"  out, line {number}, column 1: rule jwt" for number in range(2, 11)]
    assert lines[10:] == ["  and 2 more"]
