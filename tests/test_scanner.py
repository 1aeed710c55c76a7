"""Matches: exact ranges, whole tokens, and what stands beside them left alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Match, Redactor

ONE, TWO = "kL9xQ2mZ8vBk3J7wT1aN4c", "4f1x9q8z7k2m5n0b3v6c1a8s7d4f9g2h"
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


def _found(redactor: Redactor, text: str) -> list[str]:
    return [text[match.start : match.end] for match in redactor.matches(text)]


def test_a_match_is_a_rule_and_a_range(built_in: Redactor) -> None:
    """A match says where and by which rule, in characters of a str and in bytes of bytes, never what."""
    text = f"caf\u00e9 sid={ONE}"
    assert built_in.matches(text) == [Match("session", 9, 31)]
    assert built_in.matches(text.encode()) == [Match("session", 10, 32)]
    assert ONE not in repr(built_in.matches(text))
    assert built_in.matches("plain") == []
    assert built_in.matches(b"") == []


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (f"token={JWT}", [JWT]),
        (f"Authorization: Bearer {JWT}, next", [JWT]),
        (f"{JWT} {JWT}", [JWT, JWT]),
        (f"sid={ONE}&token={TWO}", [ONE, TWO]),
        (f"sid={ONE};token={TWO}", [ONE, TWO]),
        (f"sid={ONE} sid={ONE}", [ONE, ONE]),
        (f'{{"sid":"{ONE}","token":"{TWO}"}}', [ONE, TWO]),
        (f"Cookie: sessionid={ONE}; csrftoken={TWO}; theme=dark", [ONE, TWO]),
        (f"Cookie: sessionid={ONE}; csrftoken={TWO}\nuser=alice", [ONE, TWO]),
        (f'Cookie: sessionid="{ONE}"', [ONE]),
        (f"https://alice:{ONE}@example.com/?token={TWO}", [ONE, TWO]),
        (f"({ONE}) token=({TWO})", [TWO]),
        (f"got {JWT}.", [JWT]),
        (f"a {JWT[:-1]}\u2026", [JWT[:-1]]),
    ],
)
def test_exactly_the_tokens_are_matched(built_in: Redactor, text: str, secrets: list[str]) -> None:
    """Each token is matched whole, once, in order, and nothing around it."""
    assert _found(built_in, text) == secrets


@pytest.mark.parametrize(
    "cookie",
    ["next=/cb?token={}", "prefs=a&access_token={}", 'last="https://a.example/?sid={}"', "back=%2Fcb%3Ftoken%3D{}"],
)
def test_a_secret_inside_a_harmless_cookie_goes(built_in: Redactor, cookie: str) -> None:
    """A secret in a cookie that is none itself goes, whatever cookie follows."""
    text = f"Cookie: theme=dark; {cookie.format(ONE)}; sessionid={TWO}"
    assert ONE not in built_in.text(text)
    assert TWO not in built_in.text(text)


def test_a_percent_encoded_cookie_header_is_read_to_its_end(built_in: Redactor) -> None:
    """In a header that is percent-encoded as a whole, every cookie goes, whatever comes after it."""
    text = f"h=Cookie%3A%20sessionid%3D{TWO}%3B%20Path%3D%2Fcas%3Fticket=ST-6-hZuxu6bzyPN2nlEiC4qq4VreVCT-cas2"
    assert TWO not in built_in.text(text)


@pytest.mark.parametrize("quote", ['"', "'", '\\"'])
def test_a_value_with_quotes_of_its_own_goes(built_in: Redactor, quote: str) -> None:
    """A value beside its name that is quoted once more is judged like one that is not."""
    assert ONE not in built_in.value({"token": f"{quote}{ONE}{quote}"})["token"]


@pytest.mark.parametrize(
    "text", ['{"token": "\\"%s\\""}', '"token":"\\"%s\\""', "'token': '\"%s\"'", '"{""token"": ""%s""}"']
)
def test_a_value_in_two_pairs_of_quotes_goes(built_in: Redactor, text: str) -> None:
    """In text, too, a value that is quoted once more inside its quotes goes."""
    assert ONE not in built_in.text(text % ONE)


@pytest.mark.parametrize("place", range(1, 20))
@pytest.mark.parametrize("slash", ["\\/", "\\u002f", "\\u002B"])
def test_an_escape_anywhere_in_a_value_does_not_hide_it(built_in: Redactor, slash: str, place: int) -> None:
    """A base64 value whose slashes JSON has escaped goes whole, wherever in it the escapes are."""
    value = ONE[:place] + slash + ONE[place:]
    assert built_in.text(f'{{"token":"{value}","n":1}}') == '{"token":"[REDACTED:token]","n":1}'


@pytest.mark.parametrize("rule", ["jwt", "bearer", "session", "token", "password", "cookie", "jwt:3f2a9c1b7d04"])
@pytest.mark.parametrize("after", [": ", "=", " = ", "] ", " is ", '": "', "&quot;:&quot;"])
def test_a_placeholders_words_name_nothing(built_in: Redactor, rule: str, after: str) -> None:
    """The rule's id in a placeholder says nothing about what stands behind it."""
    text = f"x [REDACTED:{rule}]{after}{TWO} y"
    assert built_in.text(text) is text


def test_a_value_beside_any_string_member_is_found(built_in: Redactor) -> None:
    """A member called value is judged in JSON whatever member comes before it."""
    secret = "9KoZEhTWkvX32wdwaQrruK6TpYb8aJxe"
    assert secret not in built_in.text(f'{{"value": "{secret}"}}')
    assert secret not in built_in.text(f'{{"n": 1, "value": "{secret}"}}')
    assert secret not in built_in.text(f'{{"user": "alice", "value": "{secret}"}}')


def test_explain_lists_what_became_of_candidates(built_in: Redactor) -> None:
    """Each match has a decision without a reason, each refusal one with a reason that shows no value."""
    data = f"sid={ONE} token=required session_timeout={TWO}".encode()
    decisions = built_in.explain(data)
    accepted = [(each.start, each.end) for each in decisions if not each.reason]
    assert accepted == [(match.start, match.end) for match in built_in.matches(data)]
    assert all(ONE not in each.reason and TWO not in each.reason for each in decisions)
    assert any(each.reason for each in decisions)


@given(
    pieces=st.lists(
        st.sampled_from(
            ["sid=", ONE, TWO, " ", "&", '"', "token: ", JWT, "Cookie: ", "; ", "\n", "x", "Bearer ", "%3D", "="]
        ),
        max_size=14,
    )
)
def test_matches_are_in_order_and_apart(both: tuple[Redactor, Redactor], pieces: list[str]) -> None:
    """Matches are not empty, in order and without overlaps."""
    text = "".join(pieces)
    for redactor in both:
        matches = redactor.matches(text)
        assert all(match.start < match.end for match in matches)
        assert all(left.end <= right.start for left, right in itertools.pairwise(matches))


@given(prefix=st.text(st.characters(exclude_characters="\r\n"), max_size=30))
def test_an_earlier_line_changes_nothing(both: tuple[Redactor, Redactor], prefix: str) -> None:
    """A line of letters without a secret before an empty line does not change what a later line is."""
    line = f"user=alice sid={ONE} n=1"
    for redactor in both:
        if redactor.matches(prefix):
            continue
        assert redactor.text(f"{prefix}\n\n{line}") == f"{prefix}\n\nuser=alice sid=[REDACTED:session] n=1"
