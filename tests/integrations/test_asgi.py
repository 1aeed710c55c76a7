"""ASGI: a request's own secrets leave nothing behind, in process and in real uvicorn."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from web_processes import server, wait_for

from redactor import Redactor, known
from redactor.integrations.asgi import RedactorMiddleware

SID = "kq7vz2mfw9xr4tbn8s3d"
OTHER = "zt5hc8yl2gqe6jpa4w7m"

Headers = list[tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


def http(headers: Headers = (), query: bytes = b"", path: str = "/", kind: str = "http") -> dict[str, Any]:  # type: ignore[assignment]
    return {"type": kind, "path": path, "raw_path": path.encode(), "query_string": query, "headers": list(headers)}


async def nothing() -> dict[str, Any]:
    return {"type": "http.request"}


def serve(app: Any, scope: dict[str, Any]) -> list[Any]:
    """Serve one connection; return the messages that were sent."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(RedactorMiddleware(app)(scope, nothing, send))
    return sent


def texts_in_app(redactor: Redactor, scope: dict[str, Any], text: str) -> str:
    """Return what an app that serves ``scope`` would log of ``text``."""
    seen = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(redactor.text(text))

    serve(app, scope)
    return seen[0]


REQUESTS: dict[str, tuple[Headers, bytes, str, str]] = {
    "session cookie": ([(b"cookie", b"a=b; sessionid=" + SID.encode())], b"", SID, "[REDACTED:session]"),
    "name that is secret in cookies only": (
        [(b"cookie", b"auth=9x8c7v6b")],
        b"",
        "9x8c7v6b",
        "[REDACTED:session-cookie-only]",
    ),
    "unknown cookie that looks random": ([(b"cookie", b"zq=" + SID.encode())], b"", SID, "[REDACTED:cookie]"),
    "cookie behind an odd one": (
        [(b"cookie", b'prefs={"a":1, "b":2}; auth=9x8c7v6b5n4m')],
        b"",
        "9x8c7v6b5n4m",
        "[REDACTED:session-cookie-only]",
    ),
    "quoted cookie": ([(b"cookie", b'sessionid="kq7vz2mf w9xr4tbn"')], b"", "kq7vz2mf w9xr4tbn", "[REDACTED:session]"),
    "percent-encoded cookie": (
        [(b"cookie", b"connect.sid=s%3Aq3Zk1LrYw9b2aaBB.Hn8d0P%2Bs1")],
        b"",
        "s:q3Zk1LrYw9b2aaBB.Hn8d0P+s1",
        "[REDACTED:session]",
    ),
    "id inside a signed cookie": (
        [(b"cookie", b"connect.sid=s%3Aq3Zk1LrYw9b2aaBB.Hn8d0P%2Bs1")],
        b"",
        "q3Zk1LrYw9b2aaBB",
        "[REDACTED:session]",
    ),
    "two cookie headers": (
        [(b"cookie", b"theme=dark"), (b"cookie", b"csrftoken=" + SID.encode())],
        b"",
        SID,
        "[REDACTED:csrf]",
    ),
    "bearer": ([(b"authorization", b"Bearer " + SID.encode())], b"", SID, "[REDACTED:bearer]"),
    "scheme of a vendor": (
        [(b"authorization", b"Acme words-for-a-token")],
        b"",
        "words-for-a-token",
        "[REDACTED:authorization]",
    ),
    "no scheme": ([(b"authorization", SID.encode())], b"", SID, "[REDACTED:authorization]"),
    "basic": (
        [(b"authorization", b"Basic " + base64.b64encode(b"alice:open sesame"))],
        b"",
        base64.b64encode(b"alice:open sesame").decode(),
        "[REDACTED:basic]",
    ),
    "password of basic": (
        [(b"authorization", b"Basic " + base64.b64encode(b"alice:open sesame"))],
        b"",
        "open sesame",
        "[REDACTED:password]",
    ),
    "token as the user of basic": (
        [(b"authorization", b"Basic " + base64.b64encode(SID.encode() + b":"))],
        b"",
        SID,
        "[REDACTED:password]",
    ),
    "digest": (
        [(b"authorization", b'Digest username="alice", realm="x", response="6629fae49393a05397450978507c4ef1"')],
        b"",
        "alice 6629fae49393a05397450978507c4ef1",
        "alice [REDACTED:authorization]",
    ),
    "proxy": ([(b"proxy-authorization", b"Bearer " + SID.encode())], b"", SID, "[REDACTED:bearer]"),
    "header with a secret name": ([(b"x-csrf-token", SID.encode())], b"", SID, "[REDACTED:csrf]"),
    "referer": ([(b"referer", b"https://a.example/r?reset_token=" + SID.encode())], b"", SID, "[REDACTED:link-token]"),
    "query": ([], b"page=2&access_token=" + SID.encode(), SID, "[REDACTED:token]"),
    "percent-encoded query": ([], b"access_token=9x8c%2F7v6b%3D5n4m", "9x8c/7v6b=5n4m", "[REDACTED:token]"),
    "query as it was sent": ([], b"access_token=9x8c%2F7v6b%3D5n4m", "9x8c%2F7v6b%3D5n4m", "[REDACTED:token]"),
    "percent-encoded name": ([], b"access%5Ftoken=" + SID.encode(), SID, "[REDACTED:token]"),
}


@pytest.mark.parametrize(("headers", "query", "bare", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_a_requests_secret_goes_with_no_name_near_it(
    redactor: Redactor, headers: Headers, query: bytes, bare: str, expected: str
) -> None:
    """What a request carries as a secret is removed bare, in hexadecimal and as a part of base64."""
    assert texts_in_app(redactor, http(headers, query), f"<{bare}>") == f"<{expected}>"
    if bare.isalnum():
        mark = expected.split()[-1]
        encoded = base64.b64encode(b"abc" + bare.encode() + b"...").decode()
        shown = f"YWJj{mark}{encoded[4 + len(bare) * 8 // 6 :]}"
        assert texts_in_app(redactor, http(headers, query), f"{bare.encode().hex()} {encoded}") == f"{mark} {shown}"


HARMLESS = {
    "theme": ("cookie", "theme=solarized-dark", "solarized-dark"),
    "locale": ("cookie", "locale=pt_BR.UTF-8", "pt_BR.UTF-8"),
    "analytics": ("cookie", "_ga=GA1.2.1804746323.1700000000", "GA1.2.1804746323.1700000000"),
    "consent": ("cookie", "OptanonConsent=isGpcEnabled%3D0", "isGpcEnabled=0"),
    "short session": ("cookie", "sessionid=a1b2c3d", "a1b2c3d"),
    "session of words": ("cookie", "sessionid=not-signed-in", "not-signed-in"),
    "session that is a number": ("cookie", "sessionid=1700000000", "1700000000"),
    "masked session": ("cookie", "sessionid=[REDACTED:session]", "REDACTED:session"),
    "no credential": ("authorization", "Bearer undefined", "undefined"),
    "short password": ("authorization", "Basic " + base64.b64encode(b"al:hunter2").decode(), "hunter2"),
    "trace": (
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ),
    "request id": ("x-request-id", "9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015"),
}


@pytest.mark.parametrize(("name", "value", "bare"), HARMLESS.values(), ids=HARMLESS)
def test_harmless_values_stay(redactor: Redactor, name: str, value: str, bare: str) -> None:
    """Themes, locales, analytics, consent, words, numbers, trace ids and short values are not registered."""
    scope = http([(name.encode(), value.encode())])
    assert texts_in_app(redactor, scope, f"<{bare}>") == f"<{bare}>"


def test_configured_fields_are_secret(redactor: Redactor) -> None:
    """Headers, cookies and parameters that the application names are secret whatever they look like."""
    seen = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(redactor.text("green-house blue-house red-house1 no-house"))

    wrapped = RedactorMiddleware(app, redactor, fields=["X_Device", "flavour", "Colour"])
    headers = [(b"x-device", b"green-house"), (b"cookie", b"flavour=blue-house"), (b"x-more", b"no-house")]
    asyncio.run(wrapped(http(headers, b"colour=red-house1"), nothing, nothing))  # type: ignore[arg-type]
    mark = "[REDACTED:known-value]"
    assert seen == [f"{mark} {mark} {mark} no-house"]


def test_a_responses_secrets_are_known_once_sent(redactor: Redactor) -> None:
    """Cookies that a response sets, and tokens in its Location, are known from the moment they are sent."""
    start = {
        "type": "http.response.start",
        "status": 302,
        "headers": [
            (b"set-cookie", b"sessionid=" + SID.encode() + b"; HttpOnly; Path=/"),
            (b"set-cookie", b"theme=solarized-dark"),
            (b"location", b"/cb#access_token=" + OTHER.encode()),
        ],
    }
    seen = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start)
        seen.append(redactor.text(f"{SID} {OTHER} solarized-dark"))

    assert serve(app, http())[0] is start
    assert seen == ["[REDACTED:session] [REDACTED:token] solarized-dark"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_the_scope_ends_with_the_connection(redactor: Redactor, kind: str) -> None:
    """After a request or websocket, also a failed one, its values are unknown and none of them is left behind."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        assert redactor.text(SID) == "[REDACTED:session]"
        raise LookupError(SID)

    async def run() -> None:
        scope = http([(b"cookie", b"sessionid=" + SID.encode())], kind=kind)
        try:
            await RedactorMiddleware(app)(scope, nothing, nothing)  # type: ignore[arg-type]
        except LookupError as error:
            # The server reports it here.
            assert redactor.text(str(error)) == "[REDACTED:session]"
        assert redactor.text(SID) == SID

    asyncio.run(run())


def test_websocket_cookies_of_the_handshake(redactor: Redactor) -> None:
    """A cookie set by accepting a websocket is known for the rest of the connection."""
    seen = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": [(b"set-cookie", b"sessionid=" + SID.encode())]})
        seen.append(redactor.text(SID))

    assert len(serve(app, http(kind="websocket"))) == 1
    assert seen == ["[REDACTED:session]"]


def test_lifespan_passes_untouched() -> None:
    """Lifespan and unknown connections reach the app with the server's own callables and no scope."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend((scope, receive, send, known._here.get()))

    async def send(_message: Any) -> None:
        raise AssertionError

    scope = {"type": "lifespan"}
    asyncio.run(RedactorMiddleware(app)(scope, nothing, send))
    assert seen == [scope, nothing, send, None]


@pytest.mark.parametrize(
    "scope",
    [{"type": "http"}, {"type": "http", "path": None, "headers": 7}, http([(b"cookie", None)]), http([(None, b"")])],  # type: ignore[list-item]
)
def test_odd_connections_are_served(scope: dict[str, Any]) -> None:
    """A connection that cannot be read is served all the same, and the error is counted."""
    redactor = Redactor()
    served = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        served.append(scope)
        await send({"type": "http.response.start", "headers": [(b"set-cookie", 5)]})

    async def send(message: Any) -> None:
        served.append(message["type"])

    asyncio.run(RedactorMiddleware(app, redactor)(scope, nothing, send))
    assert served == [scope, "http.response.start"]
    assert redactor.summary.errors == 2


def test_tasks_inherit_and_requests_do_not_mix(redactor: Redactor) -> None:
    """Of two requests served at once, each and its tasks know their own values and not the other's."""

    async def both() -> dict[str, list[str]]:
        meeting = asyncio.Barrier(4)
        seen: dict[str, list[str]] = {}

        async def look() -> str:
            await meeting.wait()
            return redactor.text(f"{SID} {OTHER}")

        async def app(scope: Any, _receive: Any, _send: Any) -> None:
            seen[scope["path"]] = list(await asyncio.gather(asyncio.create_task(look()), look()))

        wrapped = RedactorMiddleware(app, redactor)
        await asyncio.gather(
            *(
                wrapped(http([(b"cookie", b"sessionid=" + value.encode())], path=path), nothing, nothing)  # type: ignore[arg-type]
                for path, value in (("/a", SID), ("/b", OTHER))
            )
        )
        return seen

    mark = "[REDACTED:session]"
    assert asyncio.run(both()) == {"/a": [f"{mark} {OTHER}"] * 2, "/b": [f"{SID} {mark}"] * 2}


# --- real uvicorn -------------------------------------------------------------------------

APP = """
import asyncio, base64, logging, secrets
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route
from redactor.integrations import stdlib
from redactor.integrations.asgi import RedactorMiddleware

logging.basicConfig(level="INFO", format="%(name)s %(message)s")
stdlib.install()
log = logging.getLogger("shop")

async def login(request):
    sid = secrets.token_hex(16)
    response = JSONResponse({"sid": sid})
    response.set_cookie("sessionid", sid, httponly=True)
    return response

async def me(request):
    sid = request.cookies["sessionid"]
    log.info("loaded %s for %s", sid, request.query_params["user"])
    await asyncio.create_task(later(sid))
    await asyncio.to_thread(log.info, "thread %s", sid.encode().hex())
    return PlainTextResponse(sid)

async def later(sid):
    await asyncio.sleep(0)
    log.info("task %s", base64.b64encode(f"key:{sid}".encode()).decode())

async def stream(request):
    sid = request.cookies["sessionid"]
    async def parts():
        for number in range(3):
            log.info("part %d of %s", number, sid)
            yield f"{sid}-{number};"
    return StreamingResponse(parts())

async def boom(request):
    raise LookupError("no user for " + request.cookies["sessionid"])

app = RedactorMiddleware(Starlette(routes=[
    Route("/login", login), Route("/me", me), Route("/stream", stream), Route("/boom", boom),
]))
"""


@pytest.fixture(scope="module")
def uvicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    folder = tmp_path_factory.mktemp("uvicorn")
    (folder / "shop.py").write_text(APP)
    arguments = ["uvicorn", "shop:app", "--port", "0", "--no-use-colors"]
    with server(arguments, folder, r"running on (http://127\.0\.0\.1:\d+)") as running:
        yield running


def test_uvicorn_under_load_with_logins(uvicorn: tuple[str, Path]) -> None:
    """Sixteen signed-in clients at once: every answer has its bytes, no log line has an id in any spelling."""
    httpx = pytest.importorskip("httpx")
    base, log = uvicorn

    def client(number: int) -> str:
        with httpx.Client(base_url=base, trust_env=False) as session:
            sid = session.get("/login").json()["sid"]
            for _ in range(3):
                assert session.get("/me", params={"user": f"u{number}"}).text == sid
                assert session.get("/stream").text == "".join(f"{sid}-{part};" for part in range(3))
            assert session.get("/me", params={"user": sid}).text == sid  # shown by the access log
            assert session.get("/boom").status_code == 500
        return str(sid)

    with ThreadPoolExecutor(16) as pool:
        sids = list(pool.map(client, range(16)))
    wait_for(log, r"(?s)(LookupError: no user for .*){16}")
    text = log.read_text()
    assert len(set(sids)) == 16
    for sid in sids:
        encoded = base64.b64encode(f"key:{sid}".encode()).decode()
        assert [each for each in (sid, sid.encode().hex(), encoded, encoded[6:40]) if each in text] == []
    lines = text.splitlines()
    for number in range(16):
        assert lines.count(f"shop loaded [REDACTED:session] for u{number}") == 3
    assert lines.count("shop thread [REDACTED:session]") == 64
    assert text.count('"GET /me?user=[REDACTED:session] HTTP/1.1" 200') == 16
    assert lines.count("shop part 2 of [REDACTED:session]") == 48
    assert sum(re.fullmatch(r"shop task a2V5O[jm]\[REDACTED:session\]", line) is not None for line in lines) == 64
    assert text.count("LookupError: no user for [REDACTED:session]\n") == 16
