"""Values that the application registered: every spelling goes, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import copy
import html
import json
import pickle
import re
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import HmacKey, Policy, Redactor, known

OPAQUE = "kq7vz2mfw9xr4tbn"
AWKWARD = "kq7/vz+2m==f~w9 x\"r<4>&'t\\bné"
URLISH = "kq7|vz2m:fw9/xr+4t.bn=="
VALUES = {"opaque": OPAQUE, "awkward": AWKWARD, "urlish": URLISH}
GONE = "[REDACTED:known-value]"


def js(text: str) -> str:
    return json.dumps(text)[1:-1]


def coded(text: str, characters: str, code: str) -> str:
    return "".join(code % ord(each) if each in characters else each for each in text)


SPELLINGS = {
    "plain": lambda v: v,
    "percent": lambda v: quote(v, safe=""),
    "percent, slashes left": quote,
    "percent as JavaScript's encodeURIComponent": lambda v: quote(v, safe="!'()*"),
    "percent as in a query": lambda v: quote(v, safe="!$&'()*+,;=:@/?"),
    "percent with a plus for a space": quote_plus,
    "percent with a coded tilde": lambda v: quote_plus(v).replace("~", "%7E"),
    "percent twice": lambda v: quote(quote(v, safe=""), safe=""),
    "percent twice, slashes left at first": lambda v: quote(quote(v)),
    "lower-case percent": lambda v: re.sub("%..", lambda code: code[0].lower(), quote(v)),
    "JSON": js,
    "JSON beyond ASCII": lambda v: json.dumps(v, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda v: js(v).replace("/", "\\/"),
    "JSON for HTML as Go writes it": lambda v: coded(js(v), "<>&", "\\u%04x"),
    "JSON for HTML as Django writes it": lambda v: coded(js(v), "<>&", "\\u%04X"),
    "JSON in JSON": lambda v: js(js(v)),
    "JSON with escaped slashes in JSON": lambda v: js(js(v).replace("/", "\\/")),
    "JSON with escaped slashes in JSON with escaped slashes": lambda v: js(js(v).replace("/", "\\/")).replace(
        "/", "\\/"
    ),
    "repr": lambda v: repr(v)[1:-1],
    "repr of bytes": lambda v: repr(v.encode())[2:-1],
    "HTML": html.escape,
    "HTML without quotes": lambda v: html.escape(v, quote=False),
    "HTML as MarkupSafe writes it": lambda v: html.escape(v).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "hexadecimal": lambda v: v.encode().hex(),
    "upper-case hexadecimal": lambda v: v.encode().hex().upper(),
    "base64 with padding": lambda v: base64.b64encode(v.encode()).decode(),
    "URL-safe base64 with padding": lambda v: base64.urlsafe_b64encode(v.encode()).decode(),
}


@pytest.fixture(autouse=True)
def nothing_registered() -> Iterator[None]:
    known.forget_all()
    yield
    known.forget_all()


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_goes_and_its_neighbours_stay(redactor: Redactor, spelling, value: str) -> None:
    """A registered value is removed exactly, however it is spelled, glued to letters or not."""
    written = spelling(value)
    with known.scope():
        known.register(value)
        assert redactor.text(f"got '{written}', twice: {written}") == f"got '{GONE}', twice: {GONE}"
        assert redactor.text(f"Zx{written}xZ é") == f"Zx{GONE}xZ é"


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", [b"", b"u", b"us", b"use", b"user", b"user:"])
def test_base64_goes_at_each_alignment(redactor: Redactor, encode, before: bytes, value: str) -> None:
    """Of base64 around a value, the characters that are the value's alone go and no others."""
    written = encode(before + value.encode() + b"; more").decode()
    start = -(-len(before) * 8 // 6)
    end = (len(before) + len(value.encode())) * 8 // 6
    with known.scope():
        known.register(value)
        assert redactor.text(f"<{written}>") == f"<{written[:start]}{GONE}{written[end:]}>"


@pytest.mark.parametrize("end", ["", "\n", "é", " " * 300000])
@pytest.mark.parametrize("start", ["", "x", "xx", "xxx", "xxxx", "é", "-" * 300000])
def test_a_value_goes_at_every_offset(redactor: Redactor, start: str, end: str) -> None:
    """Where a value starts and how long the text is make no difference."""
    with known.scope():
        known.register(OPAQUE[:8])
        assert redactor.text(start + OPAQUE[:8] + end) == start + GONE + end


@given(st.binary(max_size=40), st.binary(min_size=8, max_size=40), st.binary(max_size=40))
def test_a_value_of_any_bytes_is_found(before: bytes, value: bytes, after: bytes) -> None:
    """Whatever bytes a value and its neighbours are, every byte of it is covered."""
    data = before + value + after
    with known.scope():
        known.register(value)
        covered = {at for place in known.find(data) for at in range(place.start, place.end)}
    assert covered >= {at for match in re.finditer(re.escape(value), data) for at in range(*match.span())}


@given(st.lists(st.text("abc", min_size=8, max_size=12), max_size=5), st.lists(st.integers(0, 4)), st.text("abc"))
def test_many_values_are_found_as_one_by_one(values: list[str], order: list[int], filler: str) -> None:
    """What is covered is what a search for each value alone covers; places are in order and apart."""
    text = filler.join(values[number] for number in order if number < len(values))
    expected = {at for value in values for match in re.finditer(value, text) for at in range(*match.span())}
    with known.scope():
        for value in values:
            known.register(value)
        places = known.find(text.encode())
    assert [at for place in places for at in range(place.start, place.end)] == sorted(expected)


def test_values_that_overlap_leave_nothing(redactor: Redactor) -> None:
    """Where one value begins inside another, what the first leaves of the second goes too."""
    with known.scope():
        known.register("abcd1234efgh")
        known.register("efgh5678ijkl")
        assert redactor.text("<abcd1234efgh5678ijkl>") == f"<{GONE}{GONE}>"


def test_clean_text_is_the_same_object(redactor: Redactor) -> None:
    """Text and bytes without a registered value come back as the same objects."""
    with known.scope():
        known.register(OPAQUE)
        text, data = f"no {OPAQUE[:-1]} here", b"nothing"
        assert redactor.text(text) is text
        assert redactor.bytes(data) is data


@pytest.mark.parametrize(("length", "taken"), [(0, False), (7, False), (8, True), (8192, True), (8193, False)])
def test_too_short_and_too_long_values_are_not_taken(redactor: Redactor, length: int, taken: bool) -> None:
    """A value under 8 or over 8,192 bytes is refused and left in place."""
    value = ("q7" * 5000)[:length]
    with known.scope():
        assert known.register(value) is taken
        assert redactor.text(f"<{value}>") == (f"<{GONE}>" if taken else f"<{value}>")


def test_bytes_and_text_are_one_value(redactor: Redactor) -> None:
    """A value registered as bytes is removed from text, and the other way round."""
    with known.scope() as values:
        known.register("kq7vz2mf-é")
        known.register("kq7vz2mf-é".encode())
        assert len(values) == 1
        assert redactor.text("<kq7vz2mf-é>") == f"<{GONE}>"
        assert redactor.bytes("<kq7vz2mf-é>".encode()) == f"<{GONE}>".encode()


def test_a_value_is_known_for_its_time(redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ``ttl`` seconds a value is known no more; registered again, it counts from then."""
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(known, "time", clock)
    with known.scope() as values:
        known.register(OPAQUE, ttl=10)
        known.register(OPAQUE[::-1], ttl=30)
        clock.now = 109.0
        assert redactor.text(f"<{OPAQUE}>") == f"<{GONE}>"
        known.register(OPAQUE, ttl=10)
        clock.now = 118.0
        assert redactor.text(f"<{OPAQUE}>") == f"<{GONE}>"
        clock.now = 119.0
        assert redactor.text(f"<{OPAQUE}><{OPAQUE[::-1]}>") == f"<{OPAQUE}><{GONE}>"
        assert len(values) == 1
        clock.now = 130.0
        assert redactor.text(f"<{OPAQUE[::-1]}>") == f"<{OPAQUE[::-1]}>"
        assert (len(values), values._index) == (0, {})


def test_a_scope_keeps_the_last_64_values(redactor: Redactor) -> None:
    """The 65th value of a scope takes the place of the oldest, and one registered again is not the oldest."""
    with known.scope() as values:
        for number in range(64):
            known.register(f"value-{number:04}")
        known.register("value-0000")
        known.register("value-0064")
        assert len(values) == 64
        assert redactor.text("value-0000 value-0001 value-0002 value-0064") == f"{GONE} value-0001 {GONE} {GONE}"


def test_the_process_keeps_the_last_1024_values(redactor: Redactor) -> None:
    """The 1,025th value of the process takes the place of the oldest."""
    for number in range(1025):
        known.register(f"value-{number:04}")
    assert redactor.text("value-0000 value-0001 value-1024") == f"value-0000 {GONE} {GONE}"


def test_memory_is_bounded_for_long_values(redactor: Redactor) -> None:
    """Of values with long spellings fewer are kept, and never none."""
    with known.scope() as values:
        for number in range(40):
            known.register(f"{number:02}" + "/+=ab" * 1600)
        assert 1 <= len(values) < 10
        assert values._bytes <= 64 * 65536
        assert redactor.text("<39" + "/+=ab" * 1600 + ">") == f"<{GONE}>"


def test_forgetting_leaves_nothing() -> None:
    """After ``forget_all`` nothing of a value is held, neither here, around here nor everywhere."""
    known.register("everywhere-1")
    with known.scope() as outer:
        known.register("outer-value-1")
        with known.scope() as inner:
            known.register("inner-value-1")
            known.forget_all()
            assert known.find(b"everywhere-1 outer-value-1 inner-value-1") == []
    assert [values._index for values in (outer, inner, known._everywhere)] == [{}, {}, {}]


def test_placeholders_are_left_alone(redactor: Redactor) -> None:
    """A value that reads like a part of a placeholder does not break placeholders, and twice is once."""
    with known.scope():
        known.register("REDACTED")
        known.register("known-value")
        once = redactor.text("sid=4f1x9q8z7k2m5n0b REDACTED known-value")
        assert once == f"sid=[REDACTED:session] {GONE} {GONE}"
        assert redactor.text(once) is once


def test_the_kind_names_the_rule(redactor: Redactor) -> None:
    """A kind that is a rule's id is shown; any other reads as a known value."""
    with known.scope():
        known.register(OPAQUE, "session")
        known.register(OPAQUE[::-1], "no such rule")
        assert redactor.text(f"{OPAQUE} {OPAQUE[::-1]}") == f"[REDACTED:session] {GONE}"


def test_all_spellings_have_one_fingerprint() -> None:
    """With a key, a value has the same fingerprint in every spelling and beside its name."""
    redactor = Redactor(policy=Policy(hmac_key=HmacKey(b"0123456789abcdef")))
    named = redactor.text(f"sid={OPAQUE}").removeprefix("sid=")
    with known.scope():
        known.register(OPAQUE, "session")
        encoded = base64.b64encode(b"abc" + OPAQUE.encode() + b"..").decode()
        assert redactor.text(f"{OPAQUE} {OPAQUE.encode().hex()}") == f"{named} {named}"
        assert redactor.text(encoded) == f"YWJj{named}{encoded[4 + len(OPAQUE) * 8 // 6 :]}"


# --- scopes -------------------------------------------------------------------------------


def test_a_scope_ends(redactor: Redactor) -> None:
    """What is registered inside a scope is unknown after it; what is registered outside is known in it."""
    known.register("outside-1234")
    with known.scope():
        known.register(OPAQUE)
        assert redactor.text(f"{OPAQUE} outside-1234") == f"{GONE} {GONE}"
    assert redactor.text(f"{OPAQUE} outside-1234") == f"{OPAQUE} {GONE}"


def test_scopes_nest(redactor: Redactor) -> None:
    """An inner scope knows the values of the outer one, and the outer one not those of the inner."""
    with known.scope():
        known.register("outer-value-1")
        with known.scope():
            known.register("inner-value-1")
            assert redactor.text("outer-value-1 inner-value-1") == f"{GONE} {GONE}"
        assert redactor.text("outer-value-1 inner-value-1") == f"{GONE} inner-value-1"


def test_a_scope_can_be_entered_again(redactor: Redactor) -> None:
    """The values of a scope can be gone on with later, in another context as well."""
    with known.scope() as values:
        known.register(OPAQUE)

    def again() -> str:
        with known.scope(values):
            return redactor.text(OPAQUE)

    assert contextvars.copy_context().run(again) == GONE
    assert redactor.text(OPAQUE) == OPAQUE


def test_a_scope_closes_in_another_context() -> None:
    """A scope that is left in a context other than the one it was entered in does not raise."""
    scope = known.scope()
    contextvars.copy_context().run(scope.__enter__)
    scope.__exit__(None, None, None)
    with known.scope() as values:
        assert values.outer is None


def test_tasks_inherit_and_do_not_mix(redactor: Redactor) -> None:
    """Tasks started in a scope know its values, those registered later too, and those of no other scope."""

    async def request(own: str, meeting: asyncio.Barrier) -> list[str]:
        with known.scope():
            task = asyncio.create_task(child(meeting))
            known.register(own)
            await meeting.wait()
            return [redactor.text("value-of-a value-of-b"), await task]

    async def child(meeting: asyncio.Barrier) -> str:
        await meeting.wait()
        return redactor.text("value-of-a value-of-b")

    async def both() -> list[list[str]]:
        meeting = asyncio.Barrier(4)
        return await asyncio.gather(request("value-of-a", meeting), request("value-of-b", meeting))

    assert asyncio.run(both()) == [[f"{GONE} value-of-b"] * 2, [f"value-of-a {GONE}"] * 2]


def test_threads_inherit_by_a_copied_context(redactor: Redactor) -> None:
    """A thread run in a copied context knows the scope's values; one that is not does not."""
    seen: dict[str, str] = {}

    def look(name: str) -> None:
        seen[name] = redactor.text(OPAQUE)

    with known.scope():
        known.register(OPAQUE)
        context = contextvars.copy_context()
        threads = [
            threading.Thread(target=context.run, args=(look, "copied")),
            threading.Thread(target=contextvars.Context().run, args=(look, "bare")),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert seen == {"copied": GONE, "bare": OPAQUE}


def test_an_exception_takes_its_values_along(redactor: Redactor) -> None:
    """While an exception that left a scope is handled, the scope's values are known, and then no more."""
    try:
        with known.scope():
            known.register("outer-value-1")
            with known.scope():
                known.register("inner-value-1")
                raise LookupError("no user for inner-value-1")
    except LookupError as error:
        assert redactor.text(f"{error} outer-value-1") == f"no user for {GONE} {GONE}"
        stored = pickle.dumps(error), copy.deepcopy(error)
    assert redactor.text("inner-value-1 outer-value-1") == "inner-value-1 outer-value-1"
    assert b"outer-value-1" not in stored[0]
    assert str(stored[1]) == str(pickle.loads(stored[0])) == "no user for inner-value-1"


def test_one_exception_raised_in_two_scopes(redactor: Redactor) -> None:
    """An exception object raised again in another scope knows the values of the last one."""
    error = LookupError("shared")
    seen = []
    for value in ("first-value-1", "second-value-1"):
        try:
            with known.scope():
                known.register(value)
                raise error
        except LookupError:
            seen.append(redactor.text("first-value-1 second-value-1"))
    assert seen == [f"{GONE} second-value-1", f"first-value-1 {GONE}"]


def test_threads_register_and_find_at_once(redactor: Redactor) -> None:
    """Eight threads that register for the process and look at the same time lose no value of their own."""
    lost: list[str] = []

    def work(number: int) -> None:
        for turn in range(100):
            value = f"thread-{number}-{turn:04}"
            known.register(value)
            if redactor.text(value) != GONE:
                lost.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []


def test_nothing_shows_a_value() -> None:
    """Neither the objects of this module nor what it raises show a value."""
    with known.scope() as values:
        known.register(OPAQUE)
        [place] = known.find(OPAQUE.encode())
        shown = [repr(values), repr(known._here.get()), repr(known.scope()), repr([place]), f"{place}", str(values)]
        shown += [repr(entry) for entry in values._entries.values()]
        assert pickle.loads(pickle.dumps(values)) is None
    with pytest.raises(AttributeError) as caught:
        known.register(bytearray(OPAQUE, "ascii"))
    assert [text for text in [*shown, str(caught.value)] if OPAQUE in text] == []
