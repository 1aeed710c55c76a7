"""JSON content: exact bytes, the format kept, and never less found than in the plain text."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import receipts
from hypothesis import given
from hypothesis import strategies as st

from redactor import HmacKey, Policy, Redactor
from redactor.archive import json_elements
from redactor.archive.content import Edit
from redactor.archive.documents import KINDS
from redactor.rulefiles import load_rules

DATA = Path(__file__).parent.parent / "data" / "documents"
SECRET = "kL9xQ2mZ8vBk3J7wT1aN4c"
OTHER = "c4Na1Tw7J3kBv8Zm2Qx9Lk"
MARK = re.compile(r"\[REDACTED:[a-z0-9\-]+\]")


def scrub(redactor: Redactor, data: bytes, chunk: int = 262144) -> tuple[bytes, list[Edit]]:
    return receipts.scrub(redactor, KINDS, data, chunk)


def scrubbed(redactor: Redactor, value: Any, **how: Any) -> Any:
    return json.loads(scrub(redactor, json.dumps(value, **how).encode())[0])


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- recordings of a real browser ---------------------------------------------------------


@pytest.mark.parametrize("name", ["shop.har", "storage-state.json"])
@pytest.mark.parametrize("chunk", [262144, 4099, 61])
def test_a_recording_loses_exactly_its_secrets(built_in: Redactor, name: str, chunk: int) -> None:
    """In what Chromium recorded, every labelled secret is edited, nothing else is, and it stays JSON."""
    data = (DATA / name).read_bytes()
    labels = json.loads((DATA / f"{name}.secrets.json").read_bytes())
    after, edits = scrub(built_in, data, chunk)
    assert [(edit.start, edit.end) for edit in edits if edit.end > edit.start] == [
        (label["start"], label["end"]) for label in labels
    ]
    receipts.check_receipt(edits, data, after)
    assert blanked(json.loads(after), labelled(data, labels)) == blanked(json.loads(data), labelled(data, labels))


def labelled(data: bytes, labels: list[dict[str, Any]]) -> re.Pattern[str]:
    plain = {label.get("plain") or data[label["start"] : label["end"]].decode() for label in labels}
    return re.compile("|".join(re.escape(secret) for secret in sorted(plain, key=len, reverse=True)))


def blanked(value: Any, secrets: re.Pattern[str]) -> Any:
    """Return a value with every secret and every placeholder as ``*``, in encoded bodies as well."""
    if isinstance(value, dict):
        if value.get("encoding") == "base64":
            value = value | {"text": base64.b64decode(value["text"]).decode("latin-1"), "encoding": "none"}
        return {key: blanked(each, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [blanked(each, secrets) for each in value]
    return MARK.sub("*", secrets.sub("*", value)) if isinstance(value, str) else value


# --- what the structure says ----------------------------------------------------------------

CASES = {
    "a cookie of a known name, as an export of a browser has it": (
        '[{"domain": "shop.test", "name": "auth", "value": "Zk3vQ9xT1mB7"}]',
        '[{"domain": "shop.test", "name": "auth", "value": "Zk3vQ9xT1mB7"}]',
    ),
    "a cookie says that it is one: hostOnly": (
        '[{"hostOnly":true,"name":"auth","value":"Zk3vQ9xT1mB7"}]',
        '[{"hostOnly":true,"name":"auth","value":"[REDACTED:session-cookie-only]"}]',
    ),
    "an unknown cookie that scripts do not see": (
        '{"value" : "9f86d081884c" , "name":"k9","httpOnly":true}',
        '{"value" : "[REDACTED:cookie]" , "name":"k9","httpOnly":true}',
    ),
    "an unknown cookie that scripts see": (
        '{"name":"k9","value":"9f86d081884c","httpOnly":false}',
        '{"name":"k9","value":"9f86d081884c","httpOnly":false}',
    ),
    "a cookie in a list of cookies": (
        '{"cookies":[{"name":"user","value":"Zk3vQ9xT1mB7"},{"name":"_ga","value":"GA1.2.1804746323.1700000000"}]}',
        '{"cookies":[{"name":"user","value":"[REDACTED:session-cookie-only]"},'
        '{"name":"_ga","value":"GA1.2.1804746323.1700000000"}]}',
    ),
    "cookies by their names": (
        '{"cookies": {"user": "Zk3vQ9xT1mB7", "theme": "dark"}}',
        '{"cookies": {"user": "[REDACTED:session-cookie-only]", "theme": "dark"}}',
    ),
    "a cookie with characters that a header would quote": (
        '{"cookies":[{"name":"auth","value":"Zk3vQ9xT1mB7 x,y;z\\"w"}]}',
        '{"cookies":[{"name":"auth","value":"[REDACTED:session-cookie-only]"}]}',
    ),
    "a value before its name": (
        f'{{"value": "{SECRET}", "comment": "", "name": "X-Refresh-Token"}}',
        '{"value": "[REDACTED:token]", "comment": "", "name": "X-Refresh-Token"}',
    ),
    "a name that reaches down": (
        f'{{"key":"refresh_token","value":{{"type":1,"stringValue":"{SECRET}"}}}}',
        '{"key":"refresh_token","value":{"type":1,"stringValue":"[REDACTED:token]"}}',
    ),
    "a pair in two lines": (
        f'["Cookie",\n  "a=b; sid={SECRET}"]',
        '["Cookie",\n  "a=b; sid=[REDACTED:session]"]',
    ),
    "values of one key": (
        f'{{"refresh_token": [\n "{SECRET}",\n "{OTHER}"]}}',
        '{"refresh_token": [\n "[REDACTED:token]",\n "[REDACTED:token]"]}',
    ),
    "a number becomes a string": (
        '{"otp": 123456, "n": [123456]}',
        '{"otp": "[REDACTED:otp]", "n": [123456]}',
    ),
    "a number in a pair": (
        '{"value": 123456, "name": "otp"}',
        '{"value": "[REDACTED:otp]", "name": "otp"}',
    ),
    "a password with a quote": (
        r'{"password": "a\"b c\\d", "x": "y"}',
        '{"password": "[REDACTED:password]", "x": "y"}',
    ),
    "a key with escapes": (
        rf'{{"refresh\u005ft\u006fken": "{SECRET}"}}',
        r'{"refresh\u005ft\u006fken": "[REDACTED:token]"}',
    ),
    "a secret with escapes": (
        r'{"note": "\u00e9 refresh_token=kL9xQ2mZ8vBk3\u004a7wT1aN4c\u0026x=\ud83d\ude00"}',
        r'{"note": "\u00e9 refresh_token=[REDACTED:token]\u0026x=\ud83d\ude00"}',
    ),
    "JSON in a string": (
        r'{"v": "{\"value\": \"kL9xQ2mZ8vBk3J7wT1aN4c\", \"name\": \"refresh_token\", \"otp\": 123456}"}',
        r'{"v": "{\"value\": \"[REDACTED:token]\", \"name\": \"refresh_token\", \"otp\": \"[REDACTED:otp]\"}"}',
    ),
    "Postman: a key of an API": (
        f'{{"apikey":[{{"key":"value","value":"{SECRET}","type":"string"}},{{"key":"key","value":"X-Api-Key"}}]}}',
        '{"apikey":[{"key":"value","value":"[REDACTED:api-key]","type":"string"},{"key":"key","value":"X-Api-Key"}]}',
    ),
    "Postman: a variable of the type secret, and a template": (
        f'[{{"key":"mine","value":"{SECRET}","type":"secret"}},{{"key":"token","value":"{{{{mine}}}}"}}]',
        '[{"key":"mine","value":"[REDACTED:token]","type":"secret"},{"key":"token","value":"{{mine}}"}]',
    ),
    "Insomnia: a jar": (
        '{"_type":"cookie_jar","cookies":[{"key":"auth","value":"Zk3vQ9xT1mB7","domain":"shop.test"}]}',
        '{"_type":"cookie_jar","cookies":[{"key":"auth","value":"[REDACTED:session-cookie-only]","domain":"shop.test"}]}',
    ),
    "MSAL: a cached token": (
        r'{"name":"0-1","value":"{\"credentialType\":\"RefreshToken\",\"secret\":\"0.AXkL9xQ2mZ8vBk3J7wT1aN4c\"}"}',
        r'{"name":"0-1","value":"{\"credentialType\":\"RefreshToken\",\"secret\":\"[REDACTED:api-key]\"}"}',
    ),
    "Cognito: a name of more than 96 characters": (
        f'{{"value":"{SECRET}","name":"CognitoIdentityServiceProvider.{"4qk2t8" * 5}.{"alice-" * 9}.refreshToken"}}',
        f'{{"value":"[REDACTED:token]","name":"CognitoIdentityServiceProvider.{"4qk2t8" * 5}.{"alice-" * 9}.refreshToken"}}',
    ),
    "a message of a WebSocket": (
        r'{"_webSocketMessages":[{"type":"send","opcode":1,"data":"{\"refresh_token\":\"kL9xQ2mZ8vBk3J7wT1aN4c\"}"}]}',
        r'{"_webSocketMessages":[{"type":"send","opcode":1,"data":"{\"refresh_token\":\"[REDACTED:token]\"}"}]}',
    ),
    "keys that are there twice": (
        f'{{"sid":"{SECRET}","sid":"{OTHER}"}}',
        '{"sid":"[REDACTED:session]","sid":"[REDACTED:session]"}',
    ),
    "lone surrogates and NUL": (
        rf'{{"a":"\ud800\u0000 sid={SECRET} \udc00"}}',
        r'{"a":"\ud800\u0000 sid=[REDACTED:session] \udc00"}',
    ),
    "a byte order mark and line ends of Windows": (
        f'\ufeff{{\r\n"sid":\t"{SECRET}"\r\n}}\r\n',
        '\ufeff{\r\n"sid":\t"[REDACTED:session]"\r\n}\r\n',
    ),
    "a secret again where it has no name": (
        f'{{"a": "you are {SECRET}", "sid": "{SECRET}", "b": [1, "and {SECRET}"]}}',
        '{"a": "you are [REDACTED:session]", "sid": "[REDACTED:session]", "b": [1, "and [REDACTED:session]"]}',
    ),
    "lines": (
        f'{{"otp": 123456}}\n{{"n": 1}}\n\nplain sid={SECRET}\n{{"value":"{SECRET}","name":"sid"}}',
        '{"otp": "[REDACTED:otp]"}\n{"n": 1}\n\nplain sid=[REDACTED:session]\n{"value":"[REDACTED:session]","name":"sid"}',
    ),
    "documents behind one another": (
        '{\n"otp": 123456}\n{\n"otp": 123456}',
        '{\n"otp": "[REDACTED:otp]"}\n{\n"otp": "[REDACTED:otp]"}',
    ),
    "broken JSON is text": (
        f'{{"a" "b", "otp": 123456, sid={SECRET}\n',
        '{"a" "b", "otp": [REDACTED:otp], sid=[REDACTED:session]\n',
    ),
    "a cookie that breaks off": (
        '[{"httpOnly": true, "name": "auth", "value": "Zk3vQ9xT1mB7", "path": "/',
        '[{"httpOnly": true, "name": "auth", "value": "[REDACTED:session-cookie-only]", "path": "/',
    ),
    "a cookie with a mistake behind it": (
        '[{"httpOnly": true, "name": "auth", "value": "Zk3vQ9xT1mB7", path: "/"}]',
        '[{"httpOnly": true, "name": "auth", "value": "[REDACTED:session-cookie-only]", path: "/"}]',
    ),
    "a document that breaks off": (
        f'{{"log": {{"entries": [{{"otp": 123456}}, {{"value":"{SECRET}","name":"sid"}}, {{"a": "sid={SECRET}',
        '{"log": {"entries": [{"otp": "[REDACTED:otp]"}, {"value":"[REDACTED:session]","name":"sid"}, '
        '{"a": "sid=[REDACTED:session]',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_exact_bytes(built_in: Redactor, name: str) -> None:
    """What the structure says is replaced to the byte, in a form that is valid in its place."""
    before, expected = (text.encode() for text in CASES[name])
    after, edits = scrub(built_in, before)
    assert after == expected
    receipts.check_receipt(edits, before, after)
    assert scrub(built_in, after) == (after, [])


@pytest.mark.parametrize("name", CASES)
def test_how_it_is_read_makes_no_difference(built_in: Redactor, name: str) -> None:
    """A byte at a time or all at once, the bytes and the receipt are the same."""
    before = CASES[name][0].encode()
    assert scrub(built_in, before, chunk=1) == scrub(built_in, before)


# --- encodings ------------------------------------------------------------------------------


def test_a_body_in_base64_is_opened(built_in: Redactor) -> None:
    """A body in base64 is scrubbed as what it is, and only what follows the secret is written anew."""
    body = json.dumps({"user": "alice", "refresh_token": SECRET, "otp": 123456})
    before = {"content": {"text": base64_of(body), "encoding": "base64", "mimeType": "application/json"}}
    data = json.dumps(before).encode()
    after, edits = scrub(built_in, data)
    text = json.loads(after)["content"]["text"]
    opened = body.replace(SECRET, "[REDACTED:token]").replace("123456", '"[REDACTED:otp]"')
    assert text == base64_of(opened)
    same = body.index(SECRET) // 3 * 4
    start = data.index(base64_of(body).encode())
    assert [(edit.start, edit.end, edit.length, edit.rule) for edit in edits] == [
        (start + same, start + len(base64_of(body)), len(text) - same, "token"),
        (start + len(base64_of(body)), start + len(base64_of(body)), 0, "otp"),
    ]
    receipts.check_receipt(edits, data, after)


@pytest.mark.parametrize(
    "said",
    [
        {"encoding": "base64", "mimeType": "text/plain", "text": ""},
        {"base64Encoded": True, "body": ""},
        {"isBase64Encoded": True, "body": ""},
        {"encoding": "base64", "content": ""},
    ],
)
def test_base64_is_recognised_by_what_is_said_of_it(built_in: Redactor, said: dict[str, Any]) -> None:
    """HAR, DevTools, Lambda events and the API of GitHub each say in their way that a body is base64."""
    member = next(key for key, value in said.items() if value == "")
    before = said | {member: base64_of(f"hello sid={SECRET}")}
    expected = said | {member: base64_of("hello sid=[REDACTED:session]")}
    assert scrubbed(built_in, before) == expected


def test_pictures_are_left_alone(built_in: Redactor) -> None:
    """What is said to be a picture is not opened, and bytes without secrets are not written anew."""
    picture = {"encoding": "base64", "mimeType": "image/png", "text": base64_of(f"sid={SECRET}")}
    spaced = {"encoding": "base64", "text": " aGVsbG8=\n"}
    data = json.dumps([picture, spaced]).encode()
    assert scrub(built_in, data) == (data, [])


@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("pad", [True, False])
def test_json_in_base64_in_json_keeps_alphabet_and_padding(built_in: Redactor, alphabet: Any, pad: bool) -> None:
    """A string of base64 that holds JSON is opened though nothing says so, and closed as it was."""

    def encode(value: Any) -> str:
        encoded = alphabet(json.dumps(value, ensure_ascii=False).encode()).decode()
        return encoded if pad else encoded.rstrip("=")

    before = {"u": "\u00fb\u00ff\u00fe>>>???", "otp": 123456, "x": "y"}
    assert scrubbed(built_in, {"a": encode(before)}) == {"a": encode(before | {"otp": "[REDACTED:otp]"})}


def test_a_secret_is_known_in_a_later_body(built_in: Redactor) -> None:
    """A session given out in one element is removed from the encoded body of a later one."""
    entry = {"response": {"headers": [{"name": "Set-Cookie", "value": f"sid={SECRET}; HttpOnly"}]}}
    body = {"content": {"encoding": "base64", "text": base64_of(f"dear {SECRET}, hello")}}
    expected = base64_of("dear [REDACTED:session], hello")
    for value in ([entry, body], [body, entry]):
        assert expected in json.dumps(scrubbed(built_in, value))


@pytest.mark.parametrize("depth", range(5))
def test_strings_in_strings_are_opened(built_in: Redactor, depth: int) -> None:
    """Up to four strings deep, what JSON holds is judged by its structure."""
    value: Any = {"value": "9f86d081884c", "name": "k9", "httpOnly": True}
    expected: Any = value | {"value": "[REDACTED:cookie]"}
    for _ in range(depth):
        value, expected = {"v": json.dumps(value)}, {"v": json.dumps(expected)}
    assert scrubbed(built_in, value) == expected


# --- never less than the text ---------------------------------------------------------------


def uncovered(redactor: Redactor, data: bytes) -> list[bytes]:
    """Return what the plain scrub of ``data`` would replace inside strings and numbers and this one does not."""
    _, edits = scrub(redactor, data)
    covered = bytearray(len(data))
    for edit in edits:
        covered[edit.start : edit.end] = b"\1" * (edit.end - edit.start)
    return [
        data[match.start : match.end]
        for match in redactor.matches(data)
        if any(not covered[at] and data[at] not in b'"\\{}[],: \r\n\t' for at in range(match.start, match.end))
    ]


EXAMPLES = [example for rule in load_rules() for example in rule.examples if example.secrets]


def embedded(text: str) -> Iterator[bytes]:
    for ascii_only in (True, False):
        once = json.dumps({"msg": text, "n": 1}, ensure_ascii=ascii_only)
        yield once.encode()
        yield json.dumps([{"log": {"text": once}}], indent=1, ensure_ascii=ascii_only).encode()
        yield (once + "\n" + once + "\n").encode()


def test_every_example_is_found_in_json(built_in: Redactor) -> None:
    """Whatever a rule's example holds is gone from JSON that holds the example, and it stays JSON.

    Nothing that the plain scrub of the same bytes replaces is kept.
    """
    for example in EXAMPLES:
        for data in embedded(example.text):
            assert uncovered(built_in, data) == [], example.text
            after = scrub(built_in, data)[0]
            values = (
                [json.loads(line) for line in after.splitlines()] if data.count(b"\n") == 2 else [json.loads(after)]
            )
            for value in values:
                text = value[0]["log"]["text"] if isinstance(value, list) else json.dumps(value)
                left = json.loads(text)["msg"]
                assert not [secret for secret in example.secrets if len(secret) > 8 and secret in left], example.text


PIECES = st.sampled_from(
    [
        *'{}[],:"\\ \n',
        *(
            '"sid"',
            '"name"',
            '"value"',
            '"cookies"',
            '"otp"',
            "123456",
            "true",
            '\\"',
            "\\u0041",
            "\\n",
            "\ufeff",
            "\x00",
        ),
        *(f'"{SECRET}"', f"sid={SECRET}", f"Bearer {SECRET}", f'"Cookie: a=b; sid={OTHER}"', "é", "{'a': 1}"),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(['{"a":', "[{", '{"a":1}\n', '["', ""]))
def test_never_less_than_the_text_in_whatever_is_no_json(both: Any, text: str, start: str) -> None:
    """In bytes that only look like JSON, all that the plain scrub replaces is replaced."""
    data = (start + text).encode()
    assert uncovered(both[0], data) == []
    after, edits = scrub(both[0], data)
    receipts.check_receipt(edits, data, after)
    assert scrub(both[1], data, chunk=3) == (after, edits)


# --- any JSON -------------------------------------------------------------------------------

NAMES = st.sampled_from(["sid", "name", "value", "cookies", "otp", "text", "a", "refresh_token", "httpOnly", "key"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from([SECRET, f"sid={SECRET}; a=b", "123456", "auth", f'{{"sid": "{OTHER}", "otp": 123456}}']),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(NAMES, st.text(max_size=6)), inner, max_size=5)
    ),
    max_leaves=16,
)
DOCUMENTS = st.one_of(st.dictionaries(NAMES, VALUES, min_size=1), st.lists(st.dictionaries(NAMES, VALUES), min_size=1))


@st.composite
def written(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> tuple[Any, bytes]:
    """A value and one of the many ways to write it: any white space, any character escaped."""
    value = draw(values)
    space = draw(st.lists(st.sampled_from(["", "", " ", "\n", "\r\n\t"]), min_size=1, max_size=5))
    escaped = draw(st.sampled_from(["", "aeks", "\"/'<", "0123456789"]))
    count = 0

    def gap() -> str:
        nonlocal count
        count += 1
        return space[count % len(space)]

    def string(text: str) -> str:
        return '"' + "".join(f"\\u{ord(c):04x}" if c in escaped else json.dumps(c)[1:-1] for c in text) + '"'

    def write(each: Any) -> str:
        if isinstance(each, dict):
            members = ",".join(f"{gap()}{string(key)}{gap()}:{gap()}{write(of)}{gap()}" for key, of in each.items())
            return f"{{{members or gap()}}}"
        if isinstance(each, list):
            return f"[{','.join(f'{gap()}{write(of)}{gap()}' for of in each) or gap()}]"
        return string(each) if isinstance(each, str) else json.dumps(each)

    return value, write(value).encode()


def same_but_for_secrets(before: Any, after: Any) -> bool:
    """Tell whether two values have one structure, and differ only where a placeholder stands."""
    if isinstance(before, dict) and isinstance(after, dict):
        return len(before) == len(after) and all(map(same_but_for_secrets, before.values(), after.values()))
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(same_but_for_secrets, before, after))
    return before == after or (isinstance(after, str) and MARK.search(after) is not None)


@given(written(DOCUMENTS))
def test_any_json_stays_json(both: Any, document: tuple[Any, bytes]) -> None:
    """However JSON is written: the structure stays, other bytes stay, a second time changes nothing."""
    value, data = document
    after, edits = scrub(both[0], data)
    receipts.check_receipt(edits, data, after)
    assert same_but_for_secrets(value, json.loads(after))
    assert scrub(both[0], after) == (after, [])
    assert scrub(both[1], data, chunk=5) == (after, edits)
    assert uncovered(both[0], data) == []


SHORT = st.one_of(
    st.none(),
    st.integers(-999, 999),
    st.text(max_size=8),
    st.sampled_from([SECRET, f"sid={OTHER}", 123456, "123456", "auth", "sid"]),
)
SHALLOW = st.dictionaries(NAMES, st.one_of(SHORT, st.lists(SHORT, max_size=4), st.dictionaries(NAMES, SHORT)))


@given(written(st.lists(SHALLOW, min_size=1)), st.integers(200, 600), st.integers(1, 50))
def test_a_document_in_small_elements_stays_json(
    both: Any, document: tuple[Any, bytes], largest: int, chunk: int
) -> None:
    """However little fits into an element, the structure stays, and nothing of the text is missed."""
    value, data = document
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_elements, "LARGEST", largest)
        after, edits = scrub(both[0], data, chunk)
        assert scrub(both[0], data) == (after, edits)
        assert uncovered(both[0], data) == []
    receipts.check_receipt(edits, data, after)
    assert same_but_for_secrets(value, json.loads(after))


# --- hard cases -----------------------------------------------------------------------------


def test_a_large_document_is_taken_element_by_element() -> None:
    """A HAR that is larger than any element is scrubbed entry by entry, with the same bytes as in small."""
    entry = json.dumps({"cookies": [{"name": "auth", "value": "Zk3vQ9xT1mB7"}], "text": "x" * 300_000, "otp": 123456})
    done = entry.replace("Zk3vQ9xT1mB7", "[REDACTED:session-cookie-only]").replace("123456", '"[REDACTED:otp]"')
    before = '{"log": {"otp": 123456, "entries": [' + ", ".join([entry] * 20) + "]}}"
    after = '{"log": {"otp": "[REDACTED:otp]", "entries": [' + ", ".join([done] * 20) + "]}}"
    assert scrub(Redactor(), before.encode())[0] == after.encode()


def test_a_string_larger_than_any_element_is_text() -> None:
    """A string over the limit is scrubbed as text, and what follows it by its structure again."""
    long = "x y " * (json_elements.LARGEST // 4)
    before = f'{{"a": "{long} sid={SECRET} {long}", "b": {{"value": "9f86d081884c", "name": "k9", "httpOnly": true}}}}'
    after = before.replace(SECRET, "[REDACTED:session]").replace("9f86d081884c", "[REDACTED:cookie]")
    assert scrub(Redactor(), before.encode())[0] == after.encode()


@pytest.mark.parametrize(("opening", "close"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_no_harm(built_in: Redactor, opening: str, close: str, closed: bool) -> None:
    """A hundred thousand levels are passed on, and what stands in and behind them is scrubbed."""
    middle = opening * 100_000 + f'"sid={SECRET}"' + close * 100_000 * closed
    before = f'{{"deep": {middle}' + (f', "sid": "{OTHER}"}}' if closed else "")
    after = before.replace(SECRET, "[REDACTED:session]").replace(OTHER, "[REDACTED:session]")
    assert scrub(built_in, before.encode())[0] == after.encode()


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be"])
def test_utf_16_is_text(built_in: Redactor, codec: str) -> None:
    """JSON in UTF-16 with a byte order mark is scrubbed as text and stays UTF-16."""
    text = f'{{"sid": "{SECRET}", "é": "x"}}'
    mark = "\ufeff" if codec == "utf-16-be" else ""
    after, _ = scrub(built_in, (mark + text).encode(codec))
    assert after.decode(codec) == mark + text.replace(SECRET, "[REDACTED:session]")


def test_bytes_that_are_no_utf_8_stay(built_in: Redactor) -> None:
    """Invalid UTF-8 in strings is kept, and what stands around it is scrubbed."""
    before = b'{"a":"\xff\\n\xc3(", "otp": 123456, "b":"\xfe\\u0041 sid=' + SECRET.encode() + b'"}'
    after = b'{"a":"\xff\\n\xc3(", "otp": "[REDACTED:otp]", "b":"\xfe\\u0041 sid=[REDACTED:session]"}'
    assert scrub(built_in, before)[0] == after


def test_the_allowlist_and_the_redaction_of_a_policy_count(engine: str) -> None:
    """Allowed values stay, and what masks or removes leaves valid JSON."""
    before = {"cookies": [{"name": "auth", "value": "Zk3vQ9xT1mB7"}], "otp": 123456, "sid": SECRET}
    for redaction, shown in (("mask", "********"), ("remove", "")):
        policy = Policy(redaction=redaction, allowlist=frozenset([SECRET]))
        expected = {"cookies": [{"name": "auth", "value": shown}], "otp": shown, "sid": SECRET}
        assert scrubbed(Redactor(policy=policy, engine=engine), before, indent=1) == expected


def test_a_secret_has_one_fingerprint_in_a_document(engine: str) -> None:
    """In a header, a cookie, an escaped string and a body in base64, one secret has one fingerprint."""
    policy = Policy(hmac_key=HmacKey(b"0123456789abcdef"))
    value = "s%3A" + SECRET + "." + OTHER
    document = {
        "headers": [{"name": "Cookie", "value": f"connect.sid={value}"}],
        "cookies": [{"name": "connect.sid", "value": value, "httpOnly": True}],
        "text": json.dumps({"cookie": f"connect.sid={value}"}),
        "content": {"encoding": "base64", "text": base64_of(f"hello\nCookie: connect.sid={value}")},
    }
    _, edits = scrub(Redactor(policy=policy, engine=engine), json.dumps(document).encode())
    assert len(edits) == 4
    assert len({edit.fingerprint for edit in edits}) == 1
    assert edits[0].fingerprint


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A document of 40 MB on one line is scrubbed in less than 100 MiB, interpreter and rules included."""
    program = textwrap.dedent(
        """
        import sys
        from redactor import Redactor
        from redactor.archive.content import Source, Work
        from redactor.archive.documents import KINDS

        entry = b'{"name": "x", "text": "' + b"words and more " * 6000 + b'"}, '
        state = b'{"cookies": [{"name": "auth", "value": "Zk3vQ9xT1mB7"}]}, ' * 100
        blocks = [b'{"log": {"entries": ['] + [entry, entry, entry, entry, entry, state] * 85 + [b'{"otp": 123456}]}}']
        blocks = iter(blocks)

        class Size:
            bytes = 0
            def write(self, data):
                self.bytes += len(data)

        size = Size()
        work = Work(Redactor(), KINDS)
        work.scrub("x.har", Source(lambda _: next(blocks, b"")), size)
        assert work.ledger.counts == {"session-cookie-only": 8500, "otp": 1}, work.ledger.counts
        assert size.bytes > 38_000_000, size.bytes
        status = open("/proc/self/status").read()
        print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
        """
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak is read from /proc")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert int(done.stdout) < 100
