"""Write minted secrets into the places where logs show them.

A minting script hands over `Kind`s: a secret's kind, the library that made it, the
name it travels under and a few freshly made values.  `render` puts each value into
one context (a Cookie header, a Java map, a redirect URL encoded twice ...) beside
harmless ids, and states exactly which characters are the secret.

Run as a program it reads kinds as JSON Lines from stdin, as the Node, PHP and Ruby
scripts write them, and writes corpus lines to stdout.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import pprint
import quopri
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import yaml

HELD_OUT_SHARE = 0.3


@dataclass(frozen=True)
class Kind:
    """One kind of secret: how it is named, how it travels, and values a library made.

    `carriers` are the ways it travels: "cookie", "auth" (an Authorization header with
    `scheme`), "header" (the header `header`), "field" (parameter, form or JSON member),
    "path" (the last segment of a link).  `told_by_shape` says that the value is
    recognisable without its name, `told_by_name` that the name alone would do.  `beside` are further secrets of the same request.
    """

    kind: str
    made_by: str
    name: str
    values: tuple[str, ...]
    carriers: tuple[str, ...]
    member: str = ""
    scheme: str = "Bearer"
    header: str = ""
    noun: str = "token"
    told_by_shape: bool = False
    told_by_name: bool = True
    beside: tuple[tuple[str, str], ...] = ()
    link: str = "/reset/{token}"
    table: str = ""
    native: tuple[dict[str, Any], ...] = ()
    only: tuple[str, ...] = ()
    named: int = 12
    unnamed: int = 3

    @property
    def snake(self) -> str:
        """The name a Python program would give the value."""
        name = self.member or self.name
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
        return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()

    @property
    def camel(self) -> str:
        """The name a JavaScript or Java program would give the value."""
        head, *tail = self.snake.split("_")
        return head + "".join(word.capitalize() for word in tail)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Kind:
        """A kind as another language's script wrote it."""
        known = dict(document)
        for key in ("values", "carriers", "only"):
            if key in known:
                known[key] = tuple(known[key])
        known["beside"] = tuple((name, value) for name, value in known.get("beside", ()))
        known["native"] = tuple(known.get("native") or ())
        return cls(**known)


@dataclass
class Scene:
    """The harmless surroundings of one line, the same for the same seed."""

    seed: str
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def hex(self, length: int) -> str:
        return "".join(self.rng.choice("0123456789abcdef") for _ in range(length))

    def uuid(self) -> str:
        digits = self.hex(32)
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    @property
    def time(self) -> datetime:
        return datetime(2026, 3, 2, 8, 0, tzinfo=UTC) + timedelta(seconds=self.rng.randrange(500_000))

    def iso(self) -> str:
        return self.time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.rng.randrange(1000):03d}Z"

    def stamp(self) -> str:
        return self.time.strftime("%Y-%m-%d %H:%M:%S,") + f"{self.rng.randrange(1000):03d}"

    def clf(self) -> str:
        return self.time.strftime("%d/%b/%Y:%H:%M:%S +0000")

    def http_date(self) -> str:
        return self.time.strftime("%a, %d %b %Y %H:%M:%S GMT")

    def user(self) -> str:
        return self.rng.choice(["alice", "bob", "carol", "d.okafor", "e_lindqvist", "mei.tanaka", "svc-billing"])

    def email(self) -> str:
        return self.user() + "@" + self.rng.choice(["example.com", "example.org", "mail.example.net"])

    def ip(self) -> str:
        return self.rng.choice(["203.0.113.", "198.51.100.", "192.0.2.", "10.4.7."]) + str(self.rng.randrange(1, 255))

    def host(self) -> str:
        return self.rng.choice(["shop.example.com", "api.example.com", "app.example.org", "login.example.net"])

    def path(self) -> str:
        return self.rng.choice(["/account/orders", "/api/v1/items", "/dashboard", "/checkout/confirm", "/me/profile"])

    def agent(self) -> str:
        return self.rng.choice(
            [
                "Mozilla/5.0 (X11; Linux x86_64; rv:134.0) Gecko/20100101 Firefox/134.0",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
                "curl/8.11.1",
                "python-requests/2.32.3",
                "okhttp/4.12.0",
            ]
        )

    def number(self, low: int = 100, high: int = 99_999) -> int:
        return self.rng.randrange(low, high)

    def ga(self) -> str:
        return f"GA1.2.{self.number(10**8, 10**9)}.{self.number(17 * 10**8, 176 * 10**7)}"

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)


@dataclass(frozen=True)
class Written:
    """A text and the spelling of each secret in it."""

    text: str
    secrets: tuple[str, ...]


Writer = Callable[[Kind, str, Scene], Written]


@dataclass(frozen=True)
class Context:
    """A place where a secret may stand, and what gives it away there."""

    name: str
    carriers: frozenset[str]
    cue: str
    write: Writer
    fits: Callable[[Kind, str], bool]


CONTEXTS: list[Context] = []


def context(
    name: str, *carriers: str, cue: str = "name", fits: Callable[[Kind, str], bool] = lambda kind, value: True
) -> Callable[[Writer], Writer]:
    """Register the decorated function as the writer of one context."""

    def register(write: Writer) -> Writer:
        CONTEXTS.append(Context(name, frozenset(carriers), cue, write, fits))
        return write

    return register


def bare(value: str) -> str:
    """A cookie value without the quotes some libraries put around it on the wire."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def in_json(value: str) -> str:
    """The value as a JSON string spells it, without the quotes."""
    return json.dumps(value)[1:-1]


def once(value: str) -> str:
    return quote(value, safe="")


def twice(value: str) -> str:
    return once(once(value))


def cookie_header(kind: Kind, value: str, scene: Scene) -> str:
    """A Cookie header's value: the secret among cookies nobody needs to hide."""
    harmless = [
        f"_ga={scene.ga()}",
        scene.pick("theme=dark", "theme=light", "locale=en_US", "lang=de", "cookieconsent_status=dismiss"),
        scene.pick("tz=Europe%2FBerlin", "sidebar=collapsed", "_fbp=fb.1.1741000000000.482913377", "ab_bucket=B"),
    ]
    pairs = [f"{kind.name}={value}"] + [f"{name}={other}" for name, other in kind.beside]
    where = scene.rng.randrange(3)
    return "; ".join(harmless[:where] + pairs + harmless[where:])


def with_beside(kind: Kind, spelled: str, spell: Callable[[str], str] = lambda text: text) -> tuple[str, ...]:
    """The secret's spelling and those of the secrets that travel with it."""
    return (spelled, *(spell(bare(other)) for _, other in kind.beside))


# --- cookies -----------------------------------------------------------------


@context("cookie-header", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"GET {s.path()} HTTP/1.1\r\nHost: {s.host()}\r\nUser-Agent: {s.agent()}\r\n"
        f"Cookie: {cookie_header(k, v, s)}\r\nX-Request-Id: {s.uuid()}\r\n"
    )
    return Written(text, with_beside(k, bare(v)))


@context("cookie-header-line", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f"{s.stamp()} DEBUG [http-worker-{s.number(1, 32)}] request {s.hex(16)} Cookie: {cookie_header(k, v, s)}"
    return Written(text, with_beside(k, bare(v)))


@context("set-cookie", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    tail = s.pick(
        f"expires={s.http_date()}; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax",
        "Path=/; Secure; HttpOnly",
        f"Domain={s.host()}; Path=/; Max-Age=3600; SameSite=None; Secure; Partitioned",
    )
    lead = s.pick("Set-Cookie: ", "set-cookie: ", f"{s.iso()} INFO response header Set-Cookie: ")
    return Written(f"{lead}{k.name}={v}; {tail}", (bare(v),))


@context("curl-verbose", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    host = s.host()
    text = (
        f"* Connected to {host} ({s.ip()}) port 443\n> GET {s.path()} HTTP/2\n> Host: {host}\n"
        f"> user-agent: curl/8.11.1\n> accept: */*\n> cookie: {cookie_header(k, v, s)}\n>\n"
        f'< HTTP/2 200\n< etag: W/"{s.hex(32)}"\n< x-request-id: {s.uuid()}\n'
        f"< set-cookie: {k.name}={v}; Path=/; HttpOnly; Secure\n<"
    )
    return Written(text, with_beside(k, bare(v)))


@context("curl-command", "cookie", fits=lambda k, v: "'" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    flag = s.pick("-b", "--cookie", "-H")
    prefix = "Cookie: " if flag == "-H" else ""
    text = f"+ curl -sS {flag} '{prefix}lang=en; {k.name}={v}' https://{s.host()}{s.path()}?trace={s.hex(32)}"
    return Written(text, (bare(v),))


@context("python-dict-cookies", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    cookies = {"_ga": s.ga(), k.name: bare(v), **{n: bare(o) for n, o in k.beside}, "theme": "dark"}
    text = f"{s.stamp()} WARNING django.request request.COOKIES={cookies!r} user_id={s.number()}"
    return Written(text, with_beside(k, repr(bare(v))[1:-1]))


@context("asgi-headers", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    headers = [
        (b"host", s.host().encode()),
        (b"traceparent", f"00-{s.hex(32)}-{s.hex(16)}-01".encode()),
        (b"cookie", cookie_header(k, v, s).encode()),
        (b"accept-encoding", b"gzip, deflate"),
    ]
    text = (
        f"DEBUG:app.middleware:scope={{'type': 'http', 'method': 'GET', 'path': '{s.path()}', 'headers': {headers!r}}}"
    )
    return Written(text, with_beside(k, repr(bare(v).encode())[2:-1]))


@context("wsgi-environ", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": s.path(),
        "REMOTE_ADDR": s.ip(),
        "HTTP_COOKIE": cookie_header(k, v, s),
        "HTTP_X_REQUEST_ID": s.uuid(),
    }
    return Written(f"{s.stamp()} ERROR environ: {environ!r}", with_beside(k, repr(bare(v))[1:-1]))


@context("json-cookie-header", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    event = {
        "timestamp": s.iso(),
        "level": "info",
        "trace_id": s.hex(32),
        "request": {
            "url": f"https://{s.host()}{s.path()}",
            "headers": {"cookie": cookie_header(k, v, s), "accept": "*/*"},
        },
        "status": 200,
    }
    return Written(json.dumps(event), with_beside(k, in_json(bare(v)), in_json))


@context("sentry-cookies", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    event = {
        "event_id": s.hex(32),
        "request": {"cookies": [["_ga", s.ga()], [k.name, bare(v)]], "env": {"REMOTE_ADDR": s.ip()}},
        "user": {"id": str(s.number())},
    }
    return Written(json.dumps(event, separators=(",", ":")), (in_json(bare(v)),))


@context("cookie-in-json-in-json", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    inner = json.dumps({"headers": {"Cookie": cookie_header(k, v, s)}, "requestId": s.uuid()})
    text = json.dumps({"log": inner + "\n", "stream": "stdout", "time": s.iso()})
    return Written(text, with_beside(k, in_json(in_json(bare(v))), lambda o: in_json(in_json(o))))


@context("har-cookie", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    entry = [
        {"name": "_ga", "value": s.ga(), "path": "/", "httpOnly": False},
        {"name": k.name, "value": bare(v), "path": "/", "domain": s.host(), "httpOnly": True, "secure": True},
    ]
    return Written('"cookies": ' + json.dumps(entry, indent=s.rng.choice([None, 2])), (in_json(bare(v)),))


@context("go-map-cookie", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    header = (
        f"map[Accept:[*/*] Cookie:[{cookie_header(k, v, s)}] User-Agent:[Go-http-client/1.1] X-Request-Id:[{s.uuid()}]]"
    )
    text = f"{s.time:%Y/%m/%d %H:%M:%S} proxy.go:{s.number(20, 400)}: outgoing headers {header}"
    return Written(text, with_beside(k, bare(v)))


@context("ruby-env-cookie", "cookie", fits=lambda k, v: '"' not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f'{{"REQUEST_METHOD"=>"GET", "REQUEST_PATH"=>"{s.path()}", "HTTP_COOKIE"=>"{cookie_header(k, v, s)}", '
        f'"action_dispatch.request_id"=>"{s.uuid()}", "REMOTE_ADDR"=>"{s.ip()}"}}'
    )
    return Written(text, with_beside(k, bare(v)))


@context("nginx-cookie-field", "cookie", fits=lambda k, v: '"' not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f'{s.ip()} - - [{s.clf()}] "GET {s.path()} HTTP/1.1" 200 {s.number()} "-" "{s.agent()}" '
        f'"{cookie_header(k, v, s)}" rt=0.{s.number(100, 999)} request_id={s.hex(32)}'
    )
    return Written(text, with_beside(k, bare(v)))


@context("java-cookie-object", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"{s.stamp()} DEBUG [nio-8080-exec-{s.number(1, 10)}] o.a.h.c.protocol.RequestAddCookies : "
        f"Cookie [version: 0][name: {k.name}][value: {bare(v)}][domain: {s.host()}][path: /][expiry: null] "
        f"match [{s.host()}:443/]"
    )
    return Written(text, (bare(v),))


@context("cookiejar-repr", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    host = s.host()
    text = (
        f"DEBUG cookies=<RequestsCookieJar[<Cookie theme=dark for {host}/>, <Cookie {k.name}={bare(v)} for {host}/>]>"
    )
    return Written(text, (bare(v),))


@context("netscape-cookie-jar", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    host = s.host()
    text = (
        "# Netscape HTTP Cookie File\n"
        f"{host}\tFALSE\t/\tTRUE\t{s.number(17 * 10**8, 18 * 10**8)}\t_ga\t{s.ga()}\n"
        f"#HttpOnly_{host}\tFALSE\t/\tTRUE\t{s.number(17 * 10**8, 18 * 10**8)}\t{k.name}\t{bare(v)}\n"
    )
    return Written(text, (bare(v),))


@context("http-client-debug", "cookie")
def _(k: Kind, v: str, s: Scene) -> Written:
    request = f"GET {s.path()} HTTP/1.1\r\nHost: {s.host()}\r\nAccept-Encoding: identity\r\nCookie: {cookie_header(k, v, s)}\r\n\r\n"
    return Written(
        f"send: {request.encode()!r}\nreply: 'HTTP/1.1 200 OK\\r\\n'", with_beside(k, repr(bare(v).encode())[2:-1])
    )


@context("document-cookie-console", "cookie", fits=lambda k, v: '"' not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f'[browser:console] main.{s.hex(8)}.js:{s.number(1, 900)} document.cookie "{cookie_header(k, v, s)}"',
        with_beside(k, v),
    )


@context("node-inspect-headers", "cookie", fits=lambda k, v: "'" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"{{\n  host: '{s.host()}',\n  'x-request-id': '{s.uuid()}',\n  cookie: '{cookie_header(k, v, s)}',\n"
        f"  'if-none-match': 'W/\"5d-{s.hex(27)}\"'\n}}"
    )
    return Written(text, with_beside(k, bare(v)))


# --- Authorization and other headers ------------------------------------------


@context("authorization-header", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"POST {s.path()} HTTP/1.1\nHost: {s.host()}\n{s.pick('Authorization', 'authorization')}: {k.scheme} {v}\n"
        f"Content-Type: application/json\ntraceparent: 00-{s.hex(32)}-{s.hex(16)}-01"
    )
    return Written(text, (v,))


@context("authorization-curl", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = s.pick(
        f"> GET {s.path()} HTTP/1.1\n> Host: {s.host()}\n> Authorization: {k.scheme} {v}\n> X-Correlation-Id: {s.uuid()}\n>",
        f'$ curl -fsS -H "Authorization: {k.scheme} {v}" -H "X-Request-Id: {s.uuid()}" https://{s.host()}{s.path()}',
    )
    return Written(text, (v,))


@context("authorization-json", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    event = {
        "ts": s.iso(),
        "headers": {"accept": "application/json", "authorization": f"{k.scheme} {v}", "x-b3-traceid": s.hex(32)},
        "path": s.path(),
    }
    return Written(json.dumps(event), (in_json(v),))


@context("authorization-json-in-json", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    inner = json.dumps(
        {"msg": "upstream call", "req": {"headers": {"Authorization": f"{k.scheme} {v}"}}, "id": s.uuid()}
    )
    return Written(
        json.dumps({"log": inner, "kubernetes": {"pod_name": f"api-{s.hex(10)}-x7k2p"}}), (in_json(in_json(v)),)
    )


@context("authorization-python-repr", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    headers = {"User-Agent": s.agent(), "Authorization": f"{k.scheme} {v}", "X-Trace-Id": s.hex(32)}
    return Written(f"{s.stamp()} DEBUG client: GET {s.path()} headers={headers!r}", (repr(v)[1:-1],))


@context("authorization-asgi", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    headers = [
        (b"host", s.host().encode()),
        (b"authorization", f"{k.scheme} {v}".encode()),
        (b"x-request-id", s.uuid().encode()),
    ]
    return Written(f"headers={headers!r} client=('{s.ip()}', {s.number(1024, 65000)})", (repr(v.encode())[2:-1],))


@context("grpc-metadata", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = s.pick(
        f"D0302 interceptor.py:44] invocation_metadata=(_Metadatum(key='user-agent', value='grpc-python/1.68.1'), "
        f"_Metadatum(key='authorization', value='{k.scheme} {v}'), _Metadatum(key='x-request-id', value='{s.uuid()}'))",
        f"grpc: metadata map[:authority:[{s.host()}] authorization:[{k.scheme} {v}] content-type:[application/grpc] "
        f"x-cloud-trace-context:[{s.hex(32)}/123;o=1]]",
    )
    return Written(text, (v,))


@context("authorization-go-map", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"{s.time:%Y/%m/%d %H:%M:%S} [DEBUG] request headers: map[Accept-Encoding:[gzip] Authorization:[{k.scheme} {v}] "
        f"X-Forwarded-For:[{s.ip()}] X-Request-Id:[{s.uuid()}]]"
    )
    return Written(text, (v,))


@context("authorization-rack-env", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f'"HTTP_AUTHORIZATION"=>"{k.scheme} {v}", "HTTP_X_REQUEST_ID"=>"{s.uuid()}", "PATH_INFO"=>"{s.path()}"'
    return Written(text, (v,))


@context("authorization-php-server", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"Array\n(\n    [REQUEST_METHOD] => GET\n    [HTTP_AUTHORIZATION] => {k.scheme} {v}\n"
        f"    [UNIQUE_ID] => {s.hex(24)}\n    [REMOTE_ADDR] => {s.ip()}\n)\n"
    )
    return Written(text, (v,))


@context("authorization-java-list", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"{s.stamp()} TRACE o.s.web.HttpLogging : HttpHeaders={{Accept=[application/json], Authorization=[{k.scheme} {v}], "
        f"X-B3-TraceId=[{s.hex(16)}]}}"
    )
    return Written(text, (v,))


@context("authorization-nginx-field", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f'{s.ip()} - - [{s.clf()}] "GET {s.path()} HTTP/2.0" 401 {s.number()} "-" "{s.agent()}" '
        f'auth="{k.scheme} {v}" req_id={s.hex(32)}'
    )
    return Written(text, (v,))


@context("otlp-header-attribute", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    span = {
        "traceId": s.hex(32),
        "spanId": s.hex(16),
        "name": f"GET {s.path()}",
        "attributes": [
            {"key": "http.request.method", "value": {"stringValue": "GET"}},
            {
                "key": "http.request.header.authorization",
                "value": {"arrayValue": {"values": [{"stringValue": f"{k.scheme} {v}"}]}},
            },
        ],
    }
    return Written(json.dumps(span), (in_json(v),))


@context("har-header", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    headers = [
        {"name": "Accept", "value": "*/*"},
        {"name": "Authorization", "value": f"{k.scheme} {v}"},
        {"name": "X-Request-ID", "value": s.uuid()},
    ]
    return Written(json.dumps({"request": {"method": "GET", "headers": headers}}), (in_json(v),))


@context("prose-authorization", "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = s.pick(
        f"{s.stamp()} ERROR auth rejected credentials '{k.scheme} {v}' from {s.ip()} (request {s.uuid()})",
        f"upstream said 401 for Authorization={k.scheme} {v}, retrying in 2s, span={s.hex(16)}",
    )
    return Written(text, (v,))


@context("custom-header", "header")
def _(k: Kind, v: str, s: Scene) -> Written:
    lead = s.pick("", "> ", f"{s.stamp()} DEBUG req header ")
    return Written(f"{lead}{k.header}: {v}\n{lead}X-Request-Id: {s.uuid()}\n{lead}Accept: */*", (v,))


@context("custom-header-json", "header")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = json.dumps(
        {"headers": {"X-Amzn-Trace-Id": f"Root=1-67c4{s.hex(4)}-{s.hex(24)}", k.header.lower(): v}, "ip": s.ip()}
    )
    return Written(text, (in_json(v),))


@context("custom-header-environ", "header")
def _(k: Kind, v: str, s: Scene) -> Written:
    key = "HTTP_" + k.header.upper().replace("-", "_")
    return Written(f"{{'CONTENT_LENGTH': '42', {key!r}: {v!r}, 'HTTP_X_REQUEST_ID': '{s.uuid()}'}}", (repr(v)[1:-1],))


# --- parameters, members, columns ----------------------------------------------

IN_URL = ("field",)
ANY_NAMED = ("field", "cookie")


@context("nginx-access-query", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f'{s.ip()} - {s.pick("-", s.user())} [{s.clf()}] "GET {s.path()}?page=2&{k.name}={once(v)}&utm_source=mail HTTP/1.1" '
        f'{s.pick("200", "302", "403")} {s.number()} "-" "{s.agent()}"'
    )
    return Written(text, (once(v),))


@context("referer-query", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f'{s.ip()} - - [{s.clf()}] "GET /static/app.{s.hex(8)}.css HTTP/1.1" 304 0 '
        f'"https://{s.host()}{s.path()}?{k.name}={once(v)}" "{s.agent()}"'
    )
    return Written(text, (once(v),))


@context("url-fragment", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f"redirect to https://{s.host()}/callback#{k.name}={once(v)}&token_type=bearer&expires_in=3600 (request {s.uuid()})"
    return Written(text, (once(v),))


@context("httpx-log-query", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f'INFO:httpx:HTTP Request: GET https://{s.host()}{s.path()}?limit=50&{k.name}={once(v)} "HTTP/1.1 200 OK"'
    return Written(text, (once(v),))


@context("form-body", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f"{s.stamp()} DEBUG body: username={s.user()}&{k.name}={once(v)}&remember=on&locale=en_US"
    return Written(text, (once(v),))


@context("redirect-encoded", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    target = once(f"https://{s.host()}/cb?ref={s.hex(12)}&{k.name}=") + twice(v) + once("&lang=en")
    return Written(f"302 Location: https://login.example.net/signin?next={target}&client_id=web", (twice(v),))


@context("redirect-double-encoded", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    target = twice(f"/cb?ref={s.hex(12)}&{k.name}=") + twice(once(v)) + twice("&lang=en")
    return Written(f'{s.ip()} "GET /sso?RelayState=/home&return_to={target} HTTP/1.1" 302', (twice(once(v)),))


@context("json-flat", *ANY_NAMED, "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    event = {
        "time": s.iso(),
        "level": "debug",
        "trace_id": s.hex(32),
        k.snake: bare(v),
        "user": s.user(),
        "status": 200,
    }
    return Written(json.dumps(event, separators=s.rng.choice([(", ", ": "), (",", ":")])), (in_json(bare(v)),))


@context("json-pretty", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    event = {"id": s.uuid(), "data": {"expiresIn": 3600, k.camel: bare(v), "tokenType": "bearer"}, "links": []}
    return Written(json.dumps(event, indent=2), (in_json(bare(v)),))


@context("json-in-json", *ANY_NAMED, "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    inner = json.dumps({"userId": s.number(), k.camel: bare(v), "etag": s.hex(32)})
    return Written(json.dumps({"requestId": s.uuid(), "body": inner}), (in_json(in_json(bare(v))),))


@context("json-in-json-twice", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    inner = json.dumps({"event": "login", "request": json.dumps({k.snake: bare(v), "request_id": s.uuid()})})
    return Written(
        json.dumps({"Records": [{"messageId": s.uuid(), "body": inner}]}), (in_json(in_json(in_json(bare(v)))),)
    )


@context("html-escaped-json", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    data = html.escape(json.dumps({"locale": "en", k.camel: bare(v), "build": s.hex(40)}))
    return Written(f'<div id="app" data-page="{data}"></div>', (html.escape(in_json(bare(v))),))


@context("logfmt", *ANY_NAMED, "auth", fits=lambda k, v: '"' not in bare(v) and " " not in v and "=" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f'time={s.iso()} level=info msg="login ok" {k.snake}={bare(v)} user={s.user()} trace_id={s.hex(32)} dur=12.4ms'
    )
    return Written(text, (bare(v),))


@context("logfmt-quoted", *ANY_NAMED, "auth", fits=lambda k, v: '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f'level=debug ts={s.iso()} caller=auth/store.go:{s.number(10, 500)} {k.snake}="{bare(v)}" request_id="{s.uuid()}"'
    return Written(text, (bare(v),))


@context("structlog-console", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    pairs = {"user": s.user(), k.snake: bare(v), "request_id": s.uuid()}
    shown = " ".join(f"\x1b[36m{key}\x1b[0m=\x1b[35m{value}\x1b[0m" for key, value in pairs.items())
    text = f"\x1b[2m{s.iso()}\x1b[0m [\x1b[32m\x1b[1minfo     \x1b[0m] \x1b[1mtoken stored                  \x1b[0m {shown}"
    return Written(text, (bare(v),))


@context("python-dict", *ANY_NAMED, "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    data = {"user_id": s.number(), k.snake: bare(v), "issued_at": s.iso(), "client": s.uuid()}
    return Written(f"{s.stamp()} INFO accounts.views: payload {data!r}", (repr(bare(v))[1:-1],))


@context("python-bytes-dict", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    data = {b"uid": str(s.number()).encode(), k.snake.encode(): bare(v).encode()}
    return Written(f"DEBUG hgetall user:{s.number()} -> {data!r}", (repr(bare(v).encode())[2:-1],))


@context("python-dataclass-repr", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f"Login(user={s.user()!r}, {k.snake}={bare(v)!r}, request_id=UUID('{s.uuid()}'), scopes=['read', 'write'])"
    return Written(text, (repr(bare(v))[1:-1],))


@context("python-pprint", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    data = {"actor": s.email(), k.snake: bare(v), "ip": s.ip(), "span_id": s.hex(16), "user_agent": s.agent()}
    # A width no value reaches: pprint would break long strings into pieces.
    return Written(pprint.pformat(data, width=120 + len(v)).replace(", '", ",\n '"), (repr(bare(v))[1:-1],))


@context("traceback-locals", *ANY_NAMED, "auth", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f'Traceback (most recent call last):\n  File "/srv/app/auth/views.py", line {s.number(10, 400)}, in verify\n'
        f"    return backend.check(request, {k.snake})\n"
        f"    request = <WSGIRequest: GET '{s.path()}'>\n    request_id = '{s.uuid()}'\n    {k.snake} = {bare(v)!r}\n"
        "auth.errors.Expired: too old"
    )
    return Written(text, (repr(bare(v))[1:-1],))


@context("go-struct", *ANY_NAMED, fits=lambda k, v: " " not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    name = k.camel[:1].upper() + k.camel[1:]
    text = s.pick(
        f"session.go:{s.number(10, 99)}: loaded &{{UserID:{s.number()} {name}:{bare(v)} RequestID:{s.uuid()} Remember:true}}",
        f'loaded auth.Login{{UserID:{s.number()}, {name}:"{bare(v)}", TraceID:"{s.hex(32)}"}}',
    )
    return Written(text, (bare(v),))


@context("go-map-params", "field", fits=lambda k, v: " " not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f"form values map[locale:[en] {k.name}:[{bare(v)}] user:[{s.user()}]] trace={s.hex(32)}", (bare(v),))


@context("ruby-params-hash", *ANY_NAMED, fits=lambda k, v: '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"I, [{s.iso()} #{s.number()}]  INFO -- : [{s.uuid()}]   Parameters: "
        f'{{"utf8"=>"✓", "{k.snake}"=>"{bare(v)}", "user"=>{{"email"=>"{s.email()}"}}, "commit"=>"Save"}}'
    )
    return Written(text, (bare(v),))


@context("ruby-symbol-hash", *ANY_NAMED, fits=lambda k, v: '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    text = s.pick(
        f'{{:user_id=>{s.number()}, :{k.snake}=>"{bare(v)}", :ip=>"{s.ip()}"}}',
        f'#<Login user_id: {s.number()}, {k.snake}: "{bare(v)}", request_id: "{s.uuid()}">',
    )
    return Written(text, (bare(v),))


@context("php-print-r", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f"Array\n(\n    [user_id] => {s.number()}\n    [{k.name}] => {bare(v)}\n    [request_id] => {s.uuid()}\n)\n"
    return Written(text, (bare(v),))


@context("php-var-dump", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    value, rid = bare(v), s.uuid()
    text = (
        f'array(3) {{\n  ["id"]=>\n  int({s.number()})\n  ["{k.name}"]=>\n  string({len(value)}) "{value}"\n'
        f'  ["request_id"]=>\n  string({len(rid)}) "{rid}"\n}}\n'
    )
    return Written(text, (value,))


@context("php-var-export", *ANY_NAMED, fits=lambda k, v: "'" not in v and "\\" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f"array (\n  'user' => '{s.user()}',\n  '{k.name}' => '{bare(v)}',\n  'trace' => '{s.hex(32)}',\n)", (bare(v),)
    )


@context("java-map", *ANY_NAMED, "auth", fits=lambda k, v: "," not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"{s.stamp()} DEBUG [exec-{s.number(1, 9)}] c.e.a.LoginService - attributes {{{k.camel}={bare(v)}, user={s.user()}, "
        f"correlationId={s.uuid()}}}"
    )
    return Written(text, (bare(v),))


@context("java-to-string", *ANY_NAMED, fits=lambda k, v: "," not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f"LoginEvent[{k.camel}={bare(v)}, userId={s.number()}, requestId={s.uuid()}, remoteAddress={s.ip()}]"
    return Written(text, (bare(v),))


@context("java-to-string-quoted", *ANY_NAMED, fits=lambda k, v: "'" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f"TokenPair{{user='{s.user()}', {k.camel}='{bare(v)}', traceId='{s.hex(32)}', expiresIn=3600}}", (bare(v),)
    )


@context("yaml", *ANY_NAMED, "auth")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = yaml.safe_dump(
        {"user": s.user(), k.snake: bare(v), "request_id": s.uuid(), "ttl": 3600}, sort_keys=False, width=10**6
    )
    spelled = next(line.split(": ", 1)[1] for line in text.splitlines() if line.startswith(k.snake + ":"))
    return Written(text, (spelled[1:-1] if spelled[0] in "'\"" else spelled,))


@context("xml-attribute", "field")
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f'<login user="{s.user()}" {k.camel}="{html.escape(v)}" requestId="{s.uuid()}"/>', (html.escape(v),))


@context("xml-element", "field")
def _(k: Kind, v: str, s: Scene) -> Written:
    name = k.camel[:1].upper() + k.camel[1:]
    text = f"<soap:Body><LoginResponse><UserId>{s.number()}</UserId><{name}>{html.escape(v)}</{name}><Id>{s.uuid()}</Id></LoginResponse></soap:Body>"
    return Written(text, (html.escape(v),))


@context("html-hidden-input", "field")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f'<form method="post" action="{s.path()}"><input type="hidden" name="{k.name}" value="{html.escape(v)}"><input name="q" value="{s.hex(8)}"></form>'
    return Written(text, (html.escape(v),))


@context("html-meta", "field")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f'<meta name="viewport" content="width=device-width"><meta name="{k.name}" content="{html.escape(v)}" /><link href="/app.{s.hex(8)}.css">'
    return Written(text, (html.escape(v),))


@context("multipart", "field")
def _(k: Kind, v: str, s: Scene) -> Written:
    edge = "----WebKitFormBoundary" + s.hex(16)
    text = (
        f'--{edge}\r\nContent-Disposition: form-data; name="username"\r\n\r\n{s.user()}\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="{k.name}"\r\n\r\n{v}\r\n--{edge}--\r\n'
    )
    return Written(text, (v,))


@context("name-value-pairs", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    pairs = [
        {"name": "locale", "value": "en"},
        {"name": k.name, "value": bare(v)},
        {"name": "requestId", "value": s.uuid()},
    ]
    return Written(
        json.dumps({"postData": {"mimeType": "application/x-www-form-urlencoded", "params": pairs}}),
        (in_json(bare(v)),),
    )


@context("otlp-attribute", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    record = {
        "traceId": s.hex(32),
        "spanId": s.hex(16),
        "attributes": [
            {"key": "enduser.id", "value": {"stringValue": s.user()}},
            {"key": f"app.{k.snake}", "value": {"stringValue": bare(v)}},
        ],
    }
    return Written(json.dumps(record, separators=(",", ":")), (in_json(bare(v)),))


@context("csv-with-header", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["id", "user", k.snake, "request_id", "created_at"])
    rows.writerow([s.number(), s.user(), bare(v), s.uuid(), s.iso()])
    return Written(out.getvalue(), (bare(v).replace('"', '""'),))


@context("sql-literal", *ANY_NAMED, fits=lambda k, v: "'" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    table = k.table or "auth_login"
    text = f"LOG:  duration: 0.{s.number(100, 999)} ms  statement: SELECT id, user_id FROM {table} WHERE {k.snake} = '{bare(v)}' AND expires_at > now()"
    return Written(text, (bare(v),))


@context("sql-update", *ANY_NAMED, fits=lambda k, v: "'" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    table = k.table or "auth_login"
    text = f"UPDATE `{table}` SET `{k.snake}` = '{bare(v)}', `updated_at` = '{s.time:%Y-%m-%d %H:%M:%S}' WHERE `id` = '{s.uuid()}' LIMIT 1"
    return Written(text, (bare(v),))


@context("node-inspect-object", *ANY_NAMED, "auth", fits=lambda k, v: "'" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f"auth ok {{ userId: {s.number()}, {k.camel}: '{bare(v)}', requestId: '{s.uuid()}', roles: [ 'member' ] }}"
    return Written(text, (bare(v),))


@context("elixir-map", *ANY_NAMED, fits=lambda k, v: '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    text = s.pick(
        f'[debug] Processing with AppWeb.LoginController.create/2\n  Parameters: %{{"{k.name}" => "{bare(v)}", "user" => "{s.user()}"}}',
        f'[info] request_id={s.hex(20)} %{{user_id: {s.number()}, {k.snake}: "{bare(v)}", locale: "en"}}',
    )
    return Written(text, (bare(v),))


@context("rust-debug", *ANY_NAMED, fits=lambda k, v: '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f'{s.iso()} DEBUG auth::store: Login {{ user_id: {s.number()}, {k.snake}: "{bare(v)}", span: {s.hex(16)} }}'
    return Written(text, (bare(v),))


@context("rust-some", *ANY_NAMED, fits=lambda k, v: '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f'Login {{ {k.snake}: Some("{bare(v)}"), expires: None, request_id: "{s.uuid()}" }}', (bare(v),))


@context("csharp-record", *ANY_NAMED, fits=lambda k, v: "," not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    name = k.camel[:1].upper() + k.camel[1:]
    text = f"info: App.Auth[0]\n      Login {{ UserId = {s.number()}, {name} = {bare(v)}, TraceId = {s.hex(32)} }}"
    return Written(text, (bare(v),))


@context("ini", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f"[auth]\nuser = {s.user()}\n{k.snake} = {bare(v)}\nbuild = {s.hex(40)}\n", (bare(v),))


@context("colon-pairs", *ANY_NAMED, "auth", fits=lambda k, v: " " not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f"{s.stamp()} [auth] user_id: {s.number()} {k.snake}: {bare(v)} trace_id: {s.hex(32)} took: 3ms", (bare(v),)
    )


@context("python-pairs", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    pairs = [("locale", "en"), (k.name, bare(v)), ("request_id", s.uuid())]
    return Written(f"DEBUG form fields {pairs!r}", (repr(bare(v))[1:-1],))


@context("psql-expanded", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    width = max(len(k.snake), 10)
    rows = (("id", str(s.number())), (k.snake, bare(v)), ("request_id", s.uuid()))
    return Written("-[ RECORD 1 ]-\n" + "\n".join(f"{name:<{width}} | {value}" for name, value in rows), (bare(v),))


@context("tab-separated", *ANY_NAMED)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f"{s.iso()}\tuser\t{s.user()}\t{k.snake}\t{bare(v)}\trequest_id\t{s.uuid()}", (bare(v),))


@context("prose-url", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = s.pick(
        f"Sent {s.user()} the link https://{s.host()}{s.path()}?{k.name}={once(v)}. Request {s.uuid()}.",
        f"see <https://{s.host()}{s.path()}?lang=en&{k.name}={once(v)}> (trace {s.hex(32)})",
        f"[open your account](https://{s.host()}{s.path()}?{k.name}={once(v)}), {s.user()}!",
    )
    return Written(text, (once(v),))


@context("go-json-url", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    # encoding/json writes & as \u0026.
    url = f"https://{s.host()}{s.path()}?page=2\\u0026{k.name}={once(v)}\\u0026lang=en"
    return Written(f'{{"level":"info","ts":"{s.iso()}","url":"{url}","trace":"{s.hex(32)}"}}', (once(v),))


@context("html-escaped-url", *IN_URL)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f'<a href="https://{s.host()}{s.path()}?lang=en&amp;{k.name}={once(v)}&amp;ref={s.hex(8)}">open</a>'
    return Written(text, (once(v),))


@context("env-export", "field")
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f"+ export {k.snake.upper()}={v}\n+ export BUILD_ID={s.uuid()}\n+ make deploy", (v,))


@context("prose-named", *ANY_NAMED, "auth", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = s.pick(
        f"{s.stamp()} INFO Created {k.noun}: {bare(v)} for user {s.user()} (request {s.uuid()})",
        f"{s.iso()} {k.noun} {bare(v)} rotated, trace {s.hex(32)}",
        f"WARN invalid {k.noun} '{bare(v)}' presented by {s.ip()}",
        f"[auth] {k.noun} id: {bare(v)}, user id: {s.number()}",
    )
    return Written(text, (bare(v),))


@context("truncated", *ANY_NAMED, "auth", fits=lambda k, v: len(bare(v)) > 48 and '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    shown = bare(v)[:40]
    return Written(f"{s.stamp()} DEBUG cache miss {k.snake}={shown}... request_id={s.uuid()}", (shown,))


# --- links whose path ends in the token --------------------------------------


def link(k: Kind, v: str, s: Scene) -> str:
    return k.link.format(token=v, number=s.number())


@context("link-access-log", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f'{s.ip()} - - [{s.clf()}] "GET {link(k, v, s)} HTTP/1.1" 302 0 "https://mail.example.net/" "{s.agent()}"'
    return Written(text, (v,))


@context("link-in-mail", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = (
        f"Subject: Your account at {s.host()}\nTo: {s.email()}\nMessage-ID: <{s.hex(20)}@{s.host()}>\n\n"
        f"Please go to the following page:\n\nhttps://{s.host()}{link(k, v, s)}\n\nYour username: {s.user()}\n"
    )
    return Written(text, (v,))


@context("link-json", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = json.dumps(
        {"to": s.email(), "template": "account", "ctx": {"url": f"https://{s.host()}{link(k, v, s)}"}, "id": s.uuid()}
    )
    return Written(text, (in_json(v),))


@context("link-referer", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f"referer: https://{s.host()}{link(k, v, s)} path=/static/app.{s.hex(8)}.js", (v,))


@context("link-django-log", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f'WARNING {s.stamp()} log Bad Request: {link(k, v, s)}\n[{s.time:%d/%b/%Y %H:%M:%S}] "GET {link(k, v, s)} HTTP/1.1" 400 143',
        (v,),
    )


@context("link-redirect-encoded", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    before, after = link(k, "\0", s).split("\0")
    text = f"Location: /login?next={once(before)}{once(v)}{once(after)}&ref={s.hex(8)}"
    return Written(text, (once(v),))


@context("link-html", "path")
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f'<p>Hi {s.user()},</p><p><a href="https://{s.host()}{link(k, v, s)}" target="_blank">Continue</a></p>', (v,)
    )


@context("mail-quoted-printable", "path", "field")
def _(k: Kind, v: str, s: Scene) -> Written:
    if "path" in k.carriers:
        where = link(k, "\0", s)
    else:
        where = f"{s.path()}?{k.name}=\0"
    before, after = (f"Continue here: https://{s.host()}{where} and ignore this if it wasn't you.\n").split("\0")
    encoded = quopri.encodestring((before + once(v) + after).encode()).decode()
    return Written(encoded, (folded(encoded, once(v)),))


def folded(encoded: str, value: str) -> str:
    """How quoted-printable text spells a value: `=` as `=3D`, soft line breaks inside."""
    pattern = r"(?:=\n)?".join(re.escape("=3D" if char == "=" else char) for char in value)
    found = re.search(pattern, encoded)
    assert found, (encoded, value)
    return found.group()


# --- where neither the name nor the place tells ---------------------------------

ALL = ("cookie", "auth", "header", "field", "path")


@context("prose-bare", *ALL, cue="weak")
def _(k: Kind, v: str, s: Scene) -> Written:
    text = s.pick(
        f"{s.stamp()} DEBUG saving {bare(v)} for user {s.user()} trace={s.hex(32)}",
        f"{s.iso()} lookup {bare(v)} -> hit (2.1ms)",
        f"evicting {bare(v)} after 1800s idle",
    )
    return Written(text, (bare(v),))


@context("sql-positional", *ALL, cue="weak")
def _(k: Kind, v: str, s: Scene) -> Written:
    args = (bare(v), s.number(), s.uuid())
    return Written(
        f"[SQL: SELECT * FROM logins WHERE k = %s AND user_id = %s AND org = %s]\n[parameters: {args!r}]",
        (repr(bare(v))[1:-1],),
    )


@context("sql-insert-values", *ALL, cue="weak", fits=lambda k, v: "'" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f"INSERT INTO audit VALUES ({s.number()}, '{s.user()}', '{bare(v)}', '{s.uuid()}', now());", (bare(v),)
    )


@context("postgres-detail", *ALL, cue="weak", fits=lambda k, v: "'" not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    text = f"{s.time:%Y-%m-%d %H:%M:%S.123 UTC} [{s.number()}] DETAIL:  parameters: $1 = '{bare(v)}', $2 = '{s.number()}', $3 = '{s.uuid()}'"
    return Written(text, (bare(v),))


@context("redis-monitor", "cookie", "auth", "field", cue="weak", fits=lambda k, v: '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    # Django puts no separator between its prefix and the key.
    django = (":1:django.contrib.sessions.cache", ":1:django.contrib.sessions.cached_db")
    prefix = (
        s.pick(*django)
        if k.kind.startswith("django-session")
        else s.pick("session:", "sess:", "spring:session:sessions:", "cache:", "tok:")
    )
    verb = s.pick('"GET"', '"EXPIRE"', '"DEL"')
    tail = ' "1209600"' if verb == '"EXPIRE"' else ""
    return Written(
        f'1772440{s.number(100, 999)}.{s.number(100000, 999999)} [0 {s.ip()}:{s.number(1024, 65000)}] {verb} "{prefix}{bare(v)}"{tail}',
        (bare(v),),
    )


@context("redis-set-command", "cookie", "auth", "field", cue="weak", fits=lambda k, v: '"' not in bare(v))
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f'1772440{s.number(100, 999)}.{s.number(100000, 999999)} [2 {s.ip()}:{s.number(1024, 65000)}] "SETEX" "u:{s.number()}:{s.uuid()}" "3600" "{bare(v)}"',
        (bare(v),),
    )


@context("json-neutral-key", *ALL, cue="weak")
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(json.dumps({"id": s.uuid(), "data": bare(v), "ts": s.iso()}), (in_json(bare(v)),))


@context("json-array", *ALL, cue="weak")
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(json.dumps({"op": "mget", "args": [s.hex(32), bare(v)], "took": 3}), (in_json(bare(v)),))


@context("csv-no-header", *ALL, cue="weak", fits=lambda k, v: '"' not in bare(v) and "," not in v)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f"{s.number()},{s.user()},{bare(v)},{s.uuid()},{s.iso()}", (bare(v),))


@context("prose-german", *ALL, cue="weak")
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(
        f"{s.stamp()} FEHLER Anmeldung für {s.user()} fehlgeschlagen – Wert „{bare(v)}“ ungültig (Vorgang {s.uuid()})",
        (bare(v),),
    )


@context("url-path-segment", "field", "auth", cue="weak", fits=lambda k, v: re.fullmatch(r"[\w.~-]+", v) is not None)
def _(k: Kind, v: str, s: Scene) -> Written:
    return Written(f'{s.ip()} - - [{s.clf()}] "GET /ws/v2/{v}/stream?v=3 HTTP/1.1" 101 0 "-" "{s.agent()}"', (v,))


# --- rendering ------------------------------------------------------------------


def held_out(kind: str, context_name: str) -> bool:
    """Whether a (kind, context) pair belongs to the part kept for judging."""
    digest = hashlib.sha256(f"{kind}/{context_name}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32 < HELD_OUT_SHARE


_IDENTIFIER = re.compile(r"[0-9A-Fa-f-]{8,}")
_TELLING = re.compile(r"(?i)sess|tok|sid|login|anmeldung|auth|cookie|csrf|ticket|secret|nonce")
_TELLING_PLACES = frozenset({"prose-german", "sql-positional", "django-sql-log"})


def is_untold(context_name: str, text: str, secrets: Iterable[str]) -> bool:
    """Whether nothing in a line of weak cues says that its secrets are secret.

    The values are hexadecimal or UUIDs, as are the traces and rows beside them, and no
    word of the place has to do with sessions: who reads the line cannot tell either.
    """
    if context_name in _TELLING_PLACES:
        return False
    rest = text
    for secret in secrets:
        if not _IDENTIFIER.fullmatch(secret):
            return False
        rest = rest.replace(secret, "")
    return _TELLING.search(rest) is None


def corpus_line(
    kind: str, context_name: str, number: int, made_by: str, text: str, secrets: Iterable[str], cue: str
) -> dict[str, Any]:
    """One line of the corpus, checked."""
    listed = list(dict.fromkeys(secrets))
    for secret in listed:
        assert secret, (kind, context_name)
        assert secret in text, (kind, context_name, secret, text)
    line: dict[str, Any] = {
        "id": f"{kind}-{context_name}-{number}",
        "kind": kind,
        "context": context_name,
        "made_by": made_by,
        "text": text,
        "secrets": listed,
        "cue": "none" if cue == "weak" and is_untold(context_name, text, listed) else cue,
    }
    if held_out(kind, context_name):
        line["held_out"] = True
    return line


def _order(kind: str, context_name: str) -> bytes:
    return hashlib.sha256(f"order/{kind}/{context_name}".encode()).digest()


def render(kinds: Iterable[Kind]) -> Iterator[dict[str, Any]]:
    """Corpus lines for each kind, using every context about equally often."""
    used: Counter[str] = Counter()
    numbers: Counter[tuple[str, str]] = Counter()
    for kind in kinds:
        value_at = 0
        applicable = [place for place in CONTEXTS if place.carriers & set(kind.carriers)]
        if kind.only:
            applicable = [place for place in CONTEXTS if place.name in kind.only]
        for group, quota in (("name", kind.named), ("weak", kind.unnamed)):
            places = [place for place in applicable if place.cue == group]
            places.sort(key=lambda place: (used[place.name], _order(kind.kind, place.name)))
            for place in places:
                if quota == 0:
                    break
                value = kind.values[value_at % len(kind.values)]
                if not place.fits(kind, value):
                    continue
                value_at += 1
                quota -= 1
                used[place.name] += 1
                numbers[kind.kind, place.name] += 1
                number = numbers[kind.kind, place.name]
                written = place.write(kind, value, Scene(f"{kind.kind}/{place.name}/{number}"))
                told = place.cue == "name" and kind.told_by_name
                cue = "name" if told else "shape" if kind.told_by_shape else "weak"
                yield corpus_line(kind.kind, place.name, number, kind.made_by, written.text, written.secrets, cue)
        for line in kind.native:
            numbers[kind.kind, line["context"]] += 1
            number = numbers[kind.kind, line["context"]]
            yield corpus_line(
                kind.kind, line["context"], number, kind.made_by, line["text"], line["secrets"], line.get("cue", "name")
            )


def main() -> None:
    """Kinds from stdin, corpus lines to stdout."""
    kinds = [Kind.from_json(json.loads(line)) for line in sys.stdin if line.strip()]
    for line in render(kinds):
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
