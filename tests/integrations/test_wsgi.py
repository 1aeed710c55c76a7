"""WSGI: a request's own secrets leave nothing behind, in process, in Flask and in real gunicorn."""

from __future__ import annotations

import base64
import re
import threading
import wsgiref.util
import wsgiref.validate
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from web_processes import server, wait_for

from redactor import Redactor, known
from redactor.integrations.wsgi import RedactorMiddleware

SID = "kq7vz2mfw9xr4tbn8s3d"
OTHER = "zt5hc8yl2gqe6jpa4w7m"
MARK = "[REDACTED:session]"


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


def request(**environ: Any) -> dict[str, Any]:
    environ = {"HTTP_COOKIE": f"theme=dark; sessionid={SID}", **environ}
    wsgiref.util.setup_testing_defaults(environ)
    return environ


def started(*_: Any) -> Any:
    return lambda _data: None


class Body:
    """A response's chunks, which note what they know and whether they were closed."""

    def __init__(self, redactor: Redactor, chunks: Iterable[bytes]) -> None:
        self.redactor = redactor
        self.seen: list[str] = []
        self.chunks = iter(chunks)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        self.seen.append(self.redactor.text(SID))
        return self

    def __next__(self) -> bytes:
        self.seen.append(self.redactor.text(SID))
        return next(self.chunks)

    def close(self) -> None:
        self.seen.append(self.redactor.text(SID))
        self.closed += 1


@pytest.mark.parametrize(
    ("environ", "bare", "expected"),
    [
        ({"HTTP_COOKIE": f"a=b; sessionid={SID}"}, SID, MARK),
        ({"HTTP_COOKIE": "sessionid=kq7vz2mf\xc3\xa9w9xr"}, "kq7vz2mféw9xr", MARK),
        ({"HTTP_AUTHORIZATION": f"Bearer {SID}"}, SID, "[REDACTED:bearer]"),
        ({"REDIRECT_HTTP_AUTHORIZATION": f"Bearer {SID}"}, SID, "[REDACTED:bearer]"),
        (
            {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(b"al:open sesame").decode()},
            "open sesame",
            "[REDACTED:password]",
        ),
        ({"HTTP_X_API_KEY": SID}, SID, "[REDACTED:api-key]"),
        ({"QUERY_STRING": f"a=1&access_token={SID}"}, SID, "[REDACTED:token]"),
        ({"PATH_INFO": f"/reset/{SID}/"}, SID, "[REDACTED:link-path]"),
        ({"HTTP_COOKIE": "theme=solarized-dark"}, "solarized-dark", "solarized-dark"),
        ({"HTTP_COOKIE": "sessionid=a1b2c3d"}, "a1b2c3d", "a1b2c3d"),
        ({"HTTP_X_DEVICE": "green-house"}, "green-house", "[REDACTED:known-value]"),
    ],
)
def test_a_requests_secret_goes_with_no_name_near_it(
    redactor: Redactor, environ: dict[str, str], bare: str, expected: str
) -> None:
    """Cookies, credentials, headers, parameters and configured fields are removed bare; harmless values stay."""
    seen = []

    def app(_environ: Any, start_response: Any) -> list[bytes]:
        seen.append(redactor.text(f"<{bare}>"))
        return []

    list(RedactorMiddleware(app, redactor, fields=["x-device"])(request(HTTP_COOKIE="") | environ, started))
    assert seen == [f"<{expected}>"]
    assert redactor.text(f"<{bare}>") == f"<{bare}>"


def test_a_streaming_response_is_covered_to_its_end(redactor: Redactor) -> None:
    """Every chunk is made, and the body closed once, with the values known; between the chunks they are not."""
    body = Body(redactor, [SID.encode(), b"", b"end"])
    response = RedactorMiddleware(lambda _environ, _start: body)(request(), started)
    chunks = []
    for chunk in response:
        chunks.append(chunk)
        assert redactor.text(SID) == SID
    response.close()  # type: ignore[attr-defined]
    assert chunks == [SID.encode(), b"", b"end"]
    assert (body.seen, body.closed) == ([MARK] * 6, 1)


def test_a_generator_is_closed_and_covered(redactor: Redactor) -> None:
    """An app that is a generator runs with the values known, also its ``finally`` when it is cut short."""
    seen = []

    def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
        try:
            start_response("200 OK", [("Set-Cookie", f"sid={OTHER}; HttpOnly")])
            yield SID.encode()
            yield b"never"
        finally:
            seen.append(redactor.text(f"{SID} {OTHER}"))

    response = RedactorMiddleware(app)(request(), started)
    assert next(iter(response)) == SID.encode()
    response.close()  # type: ignore[attr-defined]
    assert seen == [f"{MARK} {MARK}"]


@pytest.mark.parametrize("body", [[b"a", b"b"], (b"a",), []])
def test_lists_and_tuples_pass_as_they_are(body: Any) -> None:
    """A body that runs no code is returned as the same object, so that the server can measure it."""
    assert RedactorMiddleware(lambda _environ, _start: body)(request(), started) is body


def test_a_file_passes_as_it_is(tmp_path: Path) -> None:
    """The server's file wrapper is returned as the same object, so that ``sendfile`` still works."""
    wrapper = wsgiref.util.FileWrapper(BytesIO(b"data"))
    environ = request(**{"wsgi.file_wrapper": wsgiref.util.FileWrapper})
    assert RedactorMiddleware(lambda _environ, _start: wrapper)(environ, started) is wrapper


def test_a_body_with_a_length_keeps_it(redactor: Redactor) -> None:
    """A body has a length behind the middleware if it had one in front of it."""

    class Sized(Body):
        def __len__(self) -> int:
            return 1

    sized = RedactorMiddleware(lambda _environ, _start: Sized(redactor, [b"a"]))(request(), started)
    plain = RedactorMiddleware(lambda _environ, _start: Body(redactor, [b"a"]))(request(), started)
    assert (len(sized), list(sized)) == (1, [b"a"])  # type: ignore[arg-type]
    assert (hasattr(plain, "__len__"), list(plain)) == (False, [b"a"])


def test_the_protocol_is_kept() -> None:
    """The middleware passes the checks of ``wsgiref.validate`` on both of its sides, ``write`` and ``exc_info`` too."""
    written: list[bytes] = []
    calls: list[tuple[Any, ...]] = []

    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"first")
        try:
            raise LookupError
        except LookupError as error:
            start_response("500 No", [("Content-Type", "text/plain")], (type(error), error, error.__traceback__))
        return iter([b"second"])

    def start(*args: Any) -> Any:
        calls.append(args)
        return written.append

    wrapped = wsgiref.validate.validator(RedactorMiddleware(wsgiref.validate.validator(app)))
    response = wrapped(request(QUERY_STRING=""), start)
    written += list(response)
    response.close()  # type: ignore[attr-defined]
    assert written == [b"first", b"second"]
    assert [(call[0], len(call)) for call in calls] == [("200 OK", 2), ("500 No", 3)]


def test_an_exception_passes_and_is_reported_clean(redactor: Redactor) -> None:
    """An exception of the app or of its body reaches the server as the same object; while handled, values are known."""
    error = LookupError(SID)

    def app(_environ: Any, _start: Any) -> Iterable[bytes]:
        raise error

    def late(_environ: Any, _start: Any) -> Iterable[bytes]:
        yield b"part"
        raise error

    for each in (app, late):
        caught = None
        try:
            list(RedactorMiddleware(each)(request(), started))
        except LookupError as handled:
            caught = handled
            assert redactor.text(str(handled)) == MARK
        assert caught is error
        assert redactor.text(SID) == SID
        assert known._here.get() is None


@pytest.mark.parametrize(
    "environ", [{"PATH_INFO": None}, {"QUERY_STRING": 7}, {"HTTP_COOKIE": "sessionid=\ud800abc\u20ac1234"}]
)
def test_odd_requests_are_served(environ: dict[str, Any]) -> None:
    """A request or response that cannot be read is served all the same."""
    redactor = Redactor()

    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", None)
        return iter([b"served"])

    assert list(RedactorMiddleware(app, redactor)(request() | environ, started)) == [b"served"]
    assert redactor.summary.errors >= 1


def test_simultaneous_requests_do_not_mix(redactor: Redactor) -> None:
    """Of two requests served at once by two threads, each knows its own values and not the other's."""
    meeting = threading.Barrier(2)
    seen: dict[str, list[str]] = {}

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        for _ in range(3):
            meeting.wait()
            seen.setdefault(environ["PATH_INFO"], []).append(redactor.text(f"{SID} {OTHER}"))
            yield b"part"

    wrapped = RedactorMiddleware(app, redactor)

    def serve(path: str, value: str) -> None:
        list(wrapped(request(PATH_INFO=path, HTTP_COOKIE=f"sid={value}"), started))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(serve, ("/a", "/b"), (SID, OTHER)))
    assert seen == {"/a": [f"{MARK} {OTHER}"] * 3, "/b": [f"{SID} {MARK}"] * 3}


def test_memory_is_bounded(redactor: Redactor) -> None:
    """However many cookies a request brings, the last 64 secrets are known, and nothing stays afterwards."""
    kept = []

    def app(_environ: Any, _start: Any) -> list[bytes]:
        values = known._here.get()
        assert values is not None
        kept.append(len(values))
        return []

    cookies = "; ".join(f"sid{number}_session={SID}{number:04}" for number in range(500))
    for _ in range(3):
        RedactorMiddleware(app, redactor)(request(HTTP_COOKIE=cookies), started)
    assert kept == [64, 64, 64]
    assert len(known._everywhere) == 0


# --- Flask --------------------------------------------------------------------------------


def test_flask_with_a_login(redactor: Redactor) -> None:
    """In Flask, session cookies and credentials are unknown to nobody: views, streams and teardowns log none of them."""
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")
    app.secret_key = "not a session secret"
    seen: list[str] = []

    def log(*texts: str) -> None:
        seen.extend(map(redactor.text, texts))

    @app.get("/login")
    def login() -> Any:
        flask.session["user"] = 7
        response = flask.make_response("in")
        response.set_cookie("sid", SID, httponly=True)
        return response

    @app.get("/me")
    def me() -> Any:
        log(flask.request.cookies["sid"], flask.request.cookies["session"], flask.request.args["t"])

        def parts() -> Iterator[str]:
            log(flask.request.cookies["sid"])
            yield flask.request.cookies["sid"]

        return flask.stream_with_context(parts())

    @app.teardown_request
    def teardown(_error: Any) -> None:
        log(flask.request.cookies.get("sid", "none"))

    app.wsgi_app = RedactorMiddleware(app.wsgi_app, redactor)
    client = app.test_client()
    client.get("/login").close()
    assert seen == ["none"]
    with client.get(f"/me?t=1&access_token={OTHER}&t={OTHER}") as response:
        assert response.data == SID.encode()
    assert seen[:4] == ["none", MARK, "[REDACTED:signed-value]", "1"]
    assert set(seen[4:]) == {MARK}


# --- real gunicorn ------------------------------------------------------------------------

APP = """
import base64, logging, secrets
from flask import Flask, make_response, request, stream_with_context
from redactor.integrations import stdlib
from redactor.integrations.wsgi import RedactorMiddleware

logging.basicConfig(level="INFO", format="%(name)s %(message)s")
stdlib.install()
log = logging.getLogger("shop")
app = Flask("shop")

@app.get("/login")
def login():
    sid = secrets.token_hex(16)
    response = make_response(sid)
    response.set_cookie("sessionid", sid, httponly=True)
    response.call_on_close(lambda: log.info("made %s", sid))
    return response

@app.get("/me")
def me():
    sid = request.cookies["sessionid"]
    log.info("loaded %s for %s", sid, request.args["user"])
    log.info("encoded %s", base64.b64encode(f"key:{sid}".encode()).decode())
    return sid

@app.get("/stream")
def stream():
    def parts():
        for number in range(3):
            log.info("part %d of %s", number, request.cookies["sessionid"])
            yield request.cookies["sessionid"] + f"-{number};"
    return stream_with_context(parts())

flask_app = app.wsgi_app

def failing(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise LookupError("no user for " + environ["HTTP_COOKIE"].split("=")[1])
    return flask_app(environ, start_response)

app.wsgi_app = RedactorMiddleware(failing)
"""


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    pytest.importorskip("gunicorn")
    pytest.importorskip("flask")
    folder = tmp_path_factory.mktemp("gunicorn")
    (folder / "shop.py").write_text(APP)
    arguments = ["gunicorn", "shop:app", "--bind", "127.0.0.1:0", "--threads", "8", "--no-control-socket"]
    with server(arguments, folder, r"Listening at: (http://127\.0\.0\.1:\d+)") as running:
        yield running


def test_gunicorn_under_load_with_logins(gunicorn: tuple[str, Path]) -> None:
    """Sixteen signed-in clients at once: every answer has its bytes, no log line has an id in any spelling."""
    httpx = pytest.importorskip("httpx")
    base, log = gunicorn

    def client(number: int) -> str:
        with httpx.Client(base_url=base, trust_env=False) as session:
            sid = session.get("/login").text
            for _ in range(3):
                assert session.get("/me", params={"user": f"u{number}"}).text == sid
                assert session.get("/stream").text == "".join(f"{sid}-{part};" for part in range(3))
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
        assert lines.count(f"shop loaded {MARK} for u{number}") == 3
    assert lines.count(f"shop made {MARK}") == 16
    assert lines.count(f"shop part 2 of {MARK}") == 48
    assert sum(re.fullmatch(r"shop encoded a2V5O[jm]\[REDACTED:session\]", line) is not None for line in lines) == 48
    assert text.count(f"LookupError: no user for {MARK}\n") == 16
