"""Names, placeholders and the syntaxes in which a name and a value are written."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Redactor
from redactor.syntax import PLACEHOLDER, split_words

SECRET = "kL9xQ2mZ8vBk3J7wT1aN4c"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("accessToken", ("access", "token")),
        ("access_token", ("access", "token")),
        ("Access-Token", ("access", "token")),
        ("access.token", ("access", "token")),
        ("ACCESS_TOKEN", ("access", "token")),
        ("JSESSIONID", ("jsessionid",)),
        ("XMLHttpRequest", ("xml", "http", "request")),
        ("session.0", ("session",)),
        ("session_12", ("session",)),
        ("x-amz-signature", ("x", "amz", "signature")),
        ("oauth2_code", ("oauth", "2", "code")),
        ("42", ("42",)),
        ("", ()),
        ("$._-", ()),
        ("sessionID", ("session", "id")),
    ],
)
def test_a_name_is_split_into_words(name: str, words: tuple[str, ...]) -> None:
    """Case changes, digits and separators cut a name into lower-case words."""
    assert split_words(name) == words


@given(words=st.lists(st.from_regex(r"[a-z]{2,8}", fullmatch=True), min_size=1, max_size=4))
def test_every_way_to_join_words_is_one_name(words: list[str]) -> None:
    """camelCase, snake_case, kebab-case, dots and capitals are spellings of one name."""
    camel = words[0] + "".join(map(str.capitalize, words[1:]))
    for spelled in ("_".join(words), "-".join(words), ".".join(words), "_".join(words).upper(), camel):
        assert split_words(spelled) == tuple(words)


@given(name=st.text(max_size=40))
def test_splitting_never_raises(name: str) -> None:
    """Any text is split into lower-case words."""
    assert all(word == word.lower() and word for word in split_words(name))


@pytest.mark.parametrize(
    "text",
    ["[REDACTED]", "[REDACTED:jwt]", "[REDACTED:jwt:3f2a9c1b7d04]", "[REDACTED:jwt:3f2a9c1b7d04.k1 alg=HS256 exp=1]"],
)
def test_a_placeholder_is_recognised(text: str) -> None:
    """Placeholders of every kind are recognised as ours."""
    assert PLACEHOLDER.fullmatch(text.encode())


SYNTAXES = {
    "header": ("Session-Id: {}", "\r\nHost: x"),
    "query": ("GET /a?sid={}", "&page=2 HTTP/1.1"),
    "fragment": ("GET /a#access_token={}", "&token_type=bearer"),
    "path-parameter": ("GET /a;jsessionid={}", "?page=2"),
    "form": ("user=alice&token={}", "&x=1"),
    "json": ('{{"token":"{}"', ',"n":1}}'),
    "json-spaced": ('{{"token" : "{}"', ', "n" : 1}}'),
    "json-in-json": (r'{{"body":"{{\"token\":\"{}\"', r',\"n\":1}}"}}'),
    "json-twice-in-json": (r'{{"a":"{{\\\"token\\\":\\\"{}\\\"', r'}}"}}'),
    "logfmt": ('level=info token={}', " user=alice"),
    "logfmt-quoted": ('level=info token="{}"', " user=alice"),
    "python-repr": ("{{'token': '{}'", ", 'n': 1}}"),
    "python-bytes": ("{{b'token': b'{}'", "}}"),
    "python-call": ("Session(token='{}'", ", n=1)"),
    "ruby-hash": ('{{"token"=>"{}"', ', "n"=>1}}'),
    "ruby-symbol": ('{{:token=>"{}"', "}}"),
    "php-array": ("Array ( [token] => {}", " [n] => 1 )"),
    "php-serialised": ('a:1:{{s:5:"token";s:22:"{}"', ";}}"),
    "java-map": ("{{user=alice, token={}", ", n=1}}"),
    "go-struct": ("&{{User:alice Token:{}", " N:1}}"),
    "rust-debug": ('Login {{ token: "{}"', ", n: 1 }}"),
    "yaml": ("user: alice\ntoken: {}", "\nn: 1"),
    "xml-attribute": ('<login token="{}"', ' n="1"/>'),
    "xml-element": ("<token>{}", "</token>"),
    "html-escaped": ("{{&quot;token&quot;:&quot;{}&quot;", "}}"),
    "sql": ("SELECT 1 WHERE session_key = '{}'", " LIMIT 1"),
    "name-value": ('{{"name": "sessionid", "value": "{}"', "}}"),
    "name-value-otlp": ('{{"key":"token","value":{{"stringValue":"{}"', "}}}}"),
    "multipart": ('Content-Disposition: form-data; name="token"\r\n\r\n{}', "\r\n--x"),
    "percent": ("next=%2Fcb%3Ftoken%3D{}", "%26lang%3Den"),
    "percent-twice": ("next=%252Fcb%253Ftoken%253D{}", "%2526lang%253Den"),
    "cookie": ("Cookie: theme=dark; sessionid={}", "; lang=en"),
    "set-cookie": ("Set-Cookie: sessionid={}", "; Path=/; HttpOnly"),
    "bearer": ("Authorization: Bearer {}", "\n"),
    "tuple": ("[('token', '{}'", ")]"),
    "byte-tuple": ("[(b'token', b'{}'", ")]"),
    "colours": ("\x1b[36mtoken\x1b[0m=\x1b[35m{}\x1b[0m", " x=1"),
    "column": ("session_id | {}", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_value_is_found_in_every_syntax(built_in: Redactor, name: str) -> None:
    """In every syntax exactly the value's characters are the match."""
    before, after = (part.replace("{{", "{").replace("}}", "}") for part in SYNTAXES[name])
    text = before.replace("{}", SECRET) + after
    assert [text[m.start : m.end] for m in built_in.matches(text)] == [SECRET]


@pytest.mark.parametrize(
    "text",
    [
        "session_timeout=86400123",
        "token_type=kL9xQ2mZ8vBk",
        "csrf_enabled=kL9xQ2mZ8vBk",
        "token_count: 12345678",
        '{"sessionCount": "12345678"}',
        "next_page_token=kL9xQ2mZ8vBk3J7w",
    ],
)
def test_names_that_go_on_are_no_secrets(built_in: Redactor, text: str) -> None:
    """A name that goes on after the secret's word names something else."""
    assert built_in.text(text) is text


@pytest.mark.parametrize("end", [".", ",", "!", "?", ":", ";", ").", '".', "...", ",\n", ":\n"])
def test_a_sentences_punctuation_stays(built_in: Redactor, end: str) -> None:
    """Punctuation behind a token is not part of it."""
    assert built_in.text(f"the token={SECRET}{end}") == f"the token=[REDACTED:token]{end}"


@given(value=st.from_regex(r"[A-Za-z0-9_\-]{12}[0-9][a-z][0-9][A-Z]", fullmatch=True))
def test_a_value_in_json_or_percent_goes_whole(both: tuple[Redactor, Redactor], value: str) -> None:
    """A value that looks random leaves no part of itself in JSON or in an encoded URL."""
    for redactor in both:
        if redactor.value({"token": value}) == {"token": value}:
            continue  # a look-alike
        assert value not in redactor.text(json.dumps({"token": value}))
        assert value not in redactor.text("/login?next=" + quote(f"/cb?token={value}", safe=""))
