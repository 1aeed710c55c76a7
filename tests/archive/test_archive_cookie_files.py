"""Cookie files: exact bytes, and never less found than in the plain text."""

from __future__ import annotations

from typing import Any

import pytest
import receipts
from hypothesis import given
from hypothesis import strategies as st

from redactor import HmacKey, Policy, Redactor
from redactor.archive.content import Edit
from redactor.archive.cookie_files import KINDS

SECRET = b"kL9xQ2mZ8vBk3J7wT1aN4c"
TITLE = b"# Netscape HTTP Cookie File\n# https://curl.se/docs/http-cookies.html\n\n"


def scrub(redactor: Redactor, data: bytes, chunk: int = 262144) -> tuple[bytes, list[Edit]]:
    return receipts.scrub(redactor, KINDS, data, chunk)


def line(name: bytes, value: bytes, domain: bytes = b".shop.test") -> bytes:
    return b"\t".join((domain, b"TRUE", b"/", b"FALSE", b"1900000000", name, value)) + b"\n"


CASES = {
    "a name that says session in a cookie only": (
        line(b"auth", b"Zk3vQ9xT1mB7"),
        line(b"auth", b"[REDACTED:session-cookie-only]"),
    ),
    "an unknown name with a long random value": (
        line(b"k9", b"9f86d081884c7d659a2feaa0c55ad015"),
        line(b"k9", b"[REDACTED:cookie]"),
    ),
    "an unknown name, short, that scripts do not see": (
        line(b"k9", b"9f86d081884c", b"#HttpOnly_.shop.test"),
        line(b"k9", b"[REDACTED:cookie]", b"#HttpOnly_.shop.test"),
    ),
    "an unknown name, short, that scripts see": (line(b"k9", b"9f86d081884c"), line(b"k9", b"9f86d081884c")),
    "analytics and settings": (
        line(b"_ga", b"GA1.2.1804746323.1700000000") + line(b"theme", b"dark"),
        line(b"_ga", b"GA1.2.1804746323.1700000000") + line(b"theme", b"dark"),
    ),
    "a value with spaces, commas and quotes is one value": (
        line(b"auth", b'"Zk3vQ9xT1mB7 a,b;c" d'),
        line(b"auth", b'"[REDACTED:session-cookie-only]'),
    ),
    "no value": (line(b"sessionid", b""), line(b"sessionid", b"")),
    "a comment and what is no cookie are text": (
        b"# Cookie: sid=" + SECRET + b"\nsid=" + SECRET + b"\r\n",
        b"# Cookie: sid=[REDACTED:session]\nsid=[REDACTED:session]\r\n",
    ),
    "line ends of Windows, and none at the end": (
        line(b"sid", SECRET).replace(b"\n", b"\r\n") + line(b"sid", SECRET)[:-1],
        line(b"sid", b"[REDACTED:session]").replace(b"\n", b"\r\n") + line(b"sid", b"[REDACTED:session]")[:-1],
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chunk", [1, 17, 262144])
def test_the_exact_bytes(built_in: Redactor, name: str, chunk: int) -> None:
    """A cookie is judged by its name, its value and whether scripts see it; the rest stays, a second time too."""
    before, after = CASES[name]
    assert scrub(built_in, TITLE + before, chunk)[0] == TITLE + after
    assert scrub(built_in, TITLE + after, chunk) == (TITLE + after, [])


@pytest.mark.parametrize(
    "start",
    [
        TITLE,
        b"\xef\xbb\xbf# HTTP Cookie File\r\n",
        b"# made by hand\n\n",
        b"",
        b"#HttpOnly_a.test\tFALSE\t/\ttrue\t0\ta\tb\n",
    ],
)
def test_a_cookie_file_is_recognised_by_its_content(built_in: Redactor, start: bytes) -> None:
    """With the usual title, another comment or none, the first cookie tells."""
    after = start + line(b"auth", b"[REDACTED:session-cookie-only]")
    assert scrub(built_in, start + line(b"auth", b"Zk3vQ9xT1mB7"))[0] == after


@pytest.mark.parametrize("head", [b"", b"# a comment\n", b"a\tb\tc\td\te\tf\tg\n", b"name\tvalue\n", b"#\n#HttpOnly_"])
def test_other_files_are_not_taken_for_cookie_files(head: bytes) -> None:
    """Comments alone and other columns with tabs are no cookie file."""
    assert not any(kind.recognises(head, "cookies.txt") for kind in KINDS)


def test_a_receipt_is_exact(engine: str) -> None:
    """Each edit has the value's range, the length of what stands there now, and its fingerprint."""
    redactor = Redactor(policy=Policy(hmac_key=HmacKey(b"0123456789abcdef")), engine=engine)
    before = TITLE + line(b"a", b"b") + line(b"sid", SECRET) + line(b"auth", SECRET)
    after, edits = scrub(redactor, before)
    first, second = before.index(SECRET), before.rindex(SECRET)
    assert [(edit.start, edit.end, edit.rule) for edit in edits] == [
        (first, first + len(SECRET), "session"),
        (second, second + len(SECRET), "session-cookie-only"),
    ]
    grown = edits[0].length - len(SECRET)
    for edit, place in zip(edits, (first, second + grown), strict=True):
        shown = f"[REDACTED:{edit.rule}:{edit.fingerprint}]".encode()
        assert after[place : place + edit.length] == shown
    assert edits[0].fingerprint == edits[1].fingerprint != ""


def test_lines_without_end_are_text(built_in: Redactor) -> None:
    """A line too long for a cookie is passed on as text, and the cookies after it as cookies."""
    long = b"x y " * 400_000 + b"sid=" + SECRET + b"\n"
    after, _ = scrub(Redactor(), TITLE + long + line(b"auth", b"Zk3vQ9xT1mB7"))
    assert after == TITLE + long.replace(SECRET, b"[REDACTED:session]") + line(
        b"auth", b"[REDACTED:session-cookie-only]"
    )


FIELDS = st.sampled_from(
    [b"sid", b"auth", b"TRUE", b"FALSE", b"/", b"0", SECRET, b"sid=" + SECRET, b"a b", b"", b"#HttpOnly_x", b"\xff"]
)
LINES = st.lists(FIELDS, max_size=9).map(b"\t".join)


@given(st.lists(LINES, max_size=8).map(b"\n".join))
def test_never_less_than_the_text(both: Any, data: bytes) -> None:
    """Whatever stands in the file, all that the plain scrub replaces is replaced, on both engines alike."""
    data = TITLE + data
    after, edits = scrub(both[0], data)
    assert scrub(both[1], data, chunk=5) == (after, edits)
    covered = {place for edit in edits for place in range(edit.start, edit.end)}
    for match in both[0].matches(data):
        assert covered.issuperset(range(match.start, match.end))
    receipts.check_receipt(edits, data, after)
