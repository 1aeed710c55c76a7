"""Django: a request's own secrets leave nothing behind, in logs, error pages and error e-mails."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from web_processes import server, wait_for

django = pytest.importorskip("django")

from django.conf import settings  # noqa: E402

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ADMINS=[("Ops", "ops@shop.example")],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        DEFAULT_EXCEPTION_REPORTER="redactor.integrations.django.RedactorExceptionReporter",
        DEFAULT_EXCEPTION_REPORTER_FILTER="redactor.integrations.django.RedactorExceptionReporterFilter",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=[
            "redactor.integrations.django.RedactorMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        REDACTOR_FIELDS=["X-Device"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="not a session secret",
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
    )
    django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.signals import user_logged_in  # noqa: E402
from django.core import mail  # noqa: E402
from django.http import FileResponse, HttpResponse, StreamingHttpResponse  # noqa: E402
from django.test import AsyncClient, Client, RequestFactory, override_settings  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils.log import AdminEmailHandler  # noqa: E402
from django.views.debug import get_default_exception_reporter_filter  # noqa: E402

from redactor import Redactor, known  # noqa: E402
from redactor.integrations.django import (  # noqa: E402
    RedactorExceptionReporter,
    RedactorExceptionReporterFilter,
    RedactorMiddleware,
)

SID = "kq7vz2mfw9xr4tbn8s3d"
OTHER = "zt5hc8yl2gqe6jpa4w7m"
THIRD = "hx3ck9uw5epd7bty1noz"
MARK = "[REDACTED:session]"

redactor = Redactor()
seen: list[str] = []


def note(text: str) -> None:
    seen.append(redactor.text(text))


class Someone:
    """A user who is kept nowhere."""

    last_login = None

    def save(self, update_fields: list[str]) -> None:
        """Do nothing."""


def plain(request: Any) -> HttpResponse:
    note(f"{SID} {OTHER}")
    return HttpResponse(SID)


def login(request: Any) -> HttpResponse:
    request.session.cycle_key()
    user_logged_in.send(User, request=request, user=Someone())
    note(request.session.session_key)
    return HttpResponse(request.session.session_key)


def setting(request: Any) -> HttpResponse:
    response = HttpResponse(headers={"Location": f"/cb#access_token={OTHER}"})
    response.set_cookie("sid", SID, httponly=True)
    return response


class Parts:
    """Chunks that note what they know when they are made and closed."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __init__(self) -> None:
        self.left = 2

    def __next__(self) -> bytes:
        note(SID)
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"part"

    def close(self) -> None:
        note(f"closed {SID}")


def stream(request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(Parts())


async def later(request: Any) -> HttpResponse:
    await asyncio.sleep(0)
    note(f"{SID} {OTHER}")
    return HttpResponse(SID)


async def later_stream(request: Any) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(2):
            note(SID)
            await asyncio.sleep(0)
            yield b"part"

    return StreamingHttpResponse(parts())


def file(request: Any) -> FileResponse:
    return FileResponse(open(__file__, "rb"))


meeting = threading.Barrier(2)


def meet(request: Any) -> HttpResponse:
    meeting.wait()
    note(f"{request.GET['me']}: {SID} {OTHER}")
    return HttpResponse()


class Holder:
    """An object that shows what it holds."""

    def __init__(self, held: str) -> None:
        self.held = held

    def __repr__(self) -> str:
        return f"<Holder of {self.held}>"


class Evil:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def boom(request: Any) -> HttpResponse:
    text = "opaque " + request.COOKIES["sessionid"]
    nested = {"list": [request.COOKIES["sessionid"]], "encoded": base64.b64encode(text.encode())}
    held = Holder(request.COOKIES["sessionid"])
    refresh_token = request.POST.get("refresh_token", THIRD)
    copy = str(refresh_token)
    evil, posted, clean = Evil(), request.POST, "order 1017"
    raise LookupError(
        f"no user for {request.COOKIES['sessionid']}", len((text, nested, held, copy, evil, posted, clean))
    )


urlpatterns = [
    path(f"{view.__name__}/", view) for view in (plain, login, setting, stream, later, later_stream, file, meet, boom)
]


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


def client(**headers: str) -> Client:
    return Client(raise_request_exception=False, headers={"Cookie": f"theme=dark; sessionid={SID}", **headers})


# --- the middleware -----------------------------------------------------------------------


def test_a_requests_secrets_go_with_no_name_near_them() -> None:
    """Session cookie and configured header are removed bare; the response has its bytes; afterwards nothing is known."""
    response = client(X_Device=OTHER).get("/plain/")
    assert response.content == SID.encode()
    note(SID)
    assert seen == [f"{MARK} [REDACTED:known-value]", SID]


def test_the_key_of_a_new_session_is_known_at_sign_in() -> None:
    """A session key made by a sign-in is known at once, before any response carries it."""
    response = Client().get("/login/")
    assert re.fullmatch("[a-z0-9]{32}", response.content.decode())
    assert seen == [MARK]


def test_a_sign_in_without_the_middleware_registers_nothing() -> None:
    """A sign-in outside a request that the middleware serves registers nothing in the process."""
    RedactorMiddleware(HttpResponse)
    request = RequestFactory().get("/")
    request.session = type("Session", (), {"session_key": THIRD})()
    user_logged_in.send(User, request=request, user=Someone())
    user_logged_in.send(User, request=None, user=Someone())
    assert redactor.text(THIRD) == THIRD


def test_a_responses_secrets_are_known_to_what_closes_it() -> None:
    """Cookies that a response sets and tokens in its headers are known when it is closed."""
    response = RedactorMiddleware(setting)(RequestFactory().get("/"))
    response._resource_closers.append(lambda: note(f"{SID} {OTHER}"))  # type: ignore[union-attr]
    response.close()  # type: ignore[union-attr]
    assert seen == [f"{MARK} [REDACTED:token]"]


def test_a_streaming_response_is_covered_to_its_end() -> None:
    """Chunks of a streaming response are made and closed with the values known, and are unchanged."""
    response = client().get("/stream/")
    assert b"".join(response.streaming_content) == b"partpart"
    response.close()
    assert seen[:3] == [MARK] * 3
    assert set(seen[3:]) == {f"closed {MARK}"}


def test_files_are_left_to_the_server() -> None:
    """A file's response keeps the file that servers send by themselves."""
    response = RedactorMiddleware(file)(RequestFactory().get("/"))
    assert response.file_to_stream is not None  # type: ignore[union-attr]
    assert b"".join(response) == Path(__file__).read_bytes()  # type: ignore[arg-type]
    response.close()  # type: ignore[union-attr]


def test_async_views_and_streams_are_covered() -> None:
    """In an async stack, views and the chunks of streams know the request's values."""

    async def run() -> list[bytes]:
        asynchronous = AsyncClient(headers={"Cookie": f"sessionid={SID}"})
        first = await asynchronous.get("/later/")
        second = await asynchronous.get("/later_stream/")
        return [first.content, b"".join([chunk async for chunk in second.streaming_content])]

    assert asyncio.run(run()) == [SID.encode(), b"partpart"]
    assert seen == [f"{MARK} {OTHER}", MARK, MARK]
    assert known._here.get() is None


def test_an_async_middleware_is_seen_as_one() -> None:
    """Django sees the middleware as async exactly if what it wraps is."""
    from asgiref.sync import iscoroutinefunction

    assert iscoroutinefunction(RedactorMiddleware(later))
    assert not iscoroutinefunction(RedactorMiddleware(plain))


def test_simultaneous_requests_do_not_mix() -> None:
    """Of two requests served at once, each knows its own values and not the other's."""

    def serve(me: str, value: str) -> None:
        Client(headers={"Cookie": f"sessionid={value}"}).get("/meet/", {"me": me})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(serve, "ab", (SID, OTHER)))
    assert sorted(seen) == [f"a: {MARK} {OTHER}", f"b: {SID} {MARK}"]


# --- error reports ------------------------------------------------------------------------


def secrets_in(text: str) -> list[str]:
    encoded = base64.b64encode(f"opaque {SID}".encode()).decode()
    return [each for each in (SID, OTHER, THIRD, SID.encode().hex(), encoded, encoded[10:-4]) if each in text]


@pytest.mark.filterwarnings("ignore:.*")
@pytest.mark.parametrize("debug", [False, True])
def test_an_error_page_has_no_secret(debug: bool) -> None:
    """The technical 500 page has neither the session id nor tokens: not in frames, cookies, POST, META, URL or text."""
    with override_settings(DEBUG=debug, DEBUG_PROPAGATE_EXCEPTIONS=False):
        response = client(Authorization=f"Bearer {OTHER}").post(
            f"/boom/?access_token={OTHER}", {"refresh_token": THIRD}
        )
    page = response.content.decode()
    assert (response.status_code, secrets_in(page)) == (500, [])
    if debug:
        assert f"no user for {MARK}" in page
        assert "&lt;Holder of [REDACTED:session]&gt;" in page
        assert "<td>theme</td>" in page
        assert "order 1017" in page


@pytest.mark.filterwarnings("ignore:.*")
@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("middleware", [True, False])
def test_an_error_mail_has_no_secret(html: bool, middleware: bool) -> None:
    """The e-mail to the admins has neither the session id nor tokens, with and without the middleware."""
    handler = AdminEmailHandler(include_html=html)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    mail.outbox = []
    changed = {} if middleware else {"MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"]}
    try:
        with override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend", **changed):
            client().post(f"/boom/?access_token={OTHER}", {"refresh_token": THIRD, "name": "Ada"})
    finally:
        logger.removeHandler(handler)
    # Django's own configuration may send the same mail a second time.
    message = mail.outbox[0].message().as_string()
    assert "Ada" in message
    assert f"no user for {MARK}" in message
    assert secrets_in(message) == []


def frame_variables(request: Any, **variables: Any) -> dict[str, Any]:
    """Return what a report would print of the variables of a frame."""
    try:
        exec("raise LookupError", variables)
    except LookupError as error:
        trace = error.__traceback__
        assert trace is not None
        assert trace.tb_next is not None
        shown = RedactorExceptionReporterFilter().get_traceback_frame_variables(request, trace.tb_next.tb_frame)
    return {name: value for name, value in shown if name != "__builtins__"}


def test_the_filter_cleans_each_part_by_itself() -> None:
    """Cookies, META and POST are clean each, harmless ones as they were; the request's own objects are unchanged."""
    reports = RedactorExceptionReporterFilter()
    data = {"refresh_token": [THIRD], "text": [f"{SID} {THIRD}", "plain"]}
    request = RequestFactory(headers={"Cookie": f"theme=dark; identity={SID}"}).post(f"/?sid={OTHER}", data)
    assert reports.get_safe_cookies(request) == {"theme": "dark", "identity": "[REDACTED:session-cookie-only]"}
    meta = reports.get_safe_request_meta(request)
    assert (meta["QUERY_STRING"], meta["REQUEST_METHOD"]) == (f"sid={MARK}", "POST")
    assert dict(reports.get_post_parameters(request).lists()) == {
        "refresh_token": ["[REDACTED:token]"],
        "text": ["[REDACTED:session-cookie-only] [REDACTED:token]", "plain"],
    }
    assert dict(request.POST.lists()) == data


def test_the_filter_cleans_the_variables_of_frames() -> None:
    """Opaque values, containers, bytes and objects in frames are clean; other variables are the same objects."""
    request = RequestFactory(headers={"Cookie": f"sessionid={SID}"}).get("/")
    same = Holder("nothing"), {"a": [1]}, "plain", None, 7
    shown = frame_variables(
        request, a=SID, b=[{"c": SID}], d=f"x{SID}".encode(), e=Holder(SID), f=Evil(), password="hunter2", g=same
    )
    assert shown["a"] == MARK
    assert shown["b"] == [{"c": MARK}]
    assert shown["d"] == f"x{MARK}".encode()
    assert repr(shown["e"]) == f"<Holder of {MARK}>"
    assert shown["password"] == "[REDACTED:password]"
    assert shown["g"] is same


def test_the_filter_works_without_a_request() -> None:
    """Reports made outside a request are clean by names and shapes, and nothing raises."""
    reports = RedactorExceptionReporterFilter()
    assert reports.get_safe_cookies(None) == {}
    assert reports.get_safe_request_meta(None) == {}
    assert reports.get_post_parameters(None) == {}
    assert frame_variables(None, session_key=SID, x=OTHER) == {"session_key": MARK, "x": OTHER}


def test_the_filter_cleans_settings() -> None:
    """Settings are clean by their names, in URLs and in what they hold; what Django hides stays hidden."""
    reports = get_default_exception_reporter_filter()
    assert type(reports) is RedactorExceptionReporterFilter
    changed = {
        "BROKER": "amqp://shop:s3cr3t-pa55@mq.example/shop",
        "SHOP": {"session_id": SID, "HEADERS": [("Authorization", f"Bearer {OTHER}")], "locale": "pt_BR"},
    }
    with override_settings(**changed):
        shown = reports.get_safe_settings()
    assert shown["BROKER"] == "amqp://shop:[REDACTED:url-password]@mq.example/shop"
    assert shown["SHOP"]["session_id"] == MARK
    assert secrets_in(str(shown["SHOP"])) == []
    assert (shown["SHOP"]["locale"], shown["SECRET_KEY"]) == ("pt_BR", "********************")


def test_the_reporter_knows_what_frames_name() -> None:
    """A value beside its name in one frame is removed from all of the report, text and HTML."""

    def fail(session_key: str) -> None:
        raise LookupError(f"lost {SID}")

    try:
        fail(SID)
    except LookupError as error:
        reporter = RedactorExceptionReporter(None, type(error), error, error.__traceback__)
        text, html = reporter.get_traceback_text(), reporter.get_traceback_html()
    assert "lost [REDACTED:" in text
    assert "lost [REDACTED:" in html
    assert secrets_in(text + html) == []


# --- real processes -----------------------------------------------------------------------

SITE = """
import logging, sys
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

if not settings.configured:
    settings.configure(
        DEBUG="DEBUG" in __import__("os").environ,
        ADMINS=[("Ops", "ops@shop.example")],
        ALLOWED_HOSTS=["*"],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        DEFAULT_EXCEPTION_REPORTER="redactor.integrations.django.RedactorExceptionReporter",
        DEFAULT_EXCEPTION_REPORTER_FILTER="redactor.integrations.django.RedactorExceptionReporterFilter",
        EMAIL_BACKEND="django.core.mail.backends.filebased.EmailBackend",
        EMAIL_FILE_PATH="mails",
        INSTALLED_APPS=["django.contrib.sessions"],
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"clean": {"()": "redactor.integrations.stdlib.redacting_formatter", "fmt": "%(name)s %(message)s"}},
            "handlers": {
                "console": {"class": "logging.StreamHandler", "formatter": "clean"},
                "mail": {"class": "django.utils.log.AdminEmailHandler", "include_html": True},
            },
            "root": {"handlers": ["console"], "level": "INFO"},
            "loggers": {"django": {"handlers": ["mail"]}},
        },
        MIDDLEWARE=[
            "redactor.integrations.django.RedactorMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
        ],
        ROOT_URLCONF="site_of_shop",
        SECRET_KEY="not a session secret",
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
        WSGI_APPLICATION="site_of_shop.application",
    )
log = logging.getLogger("shop")

def login(request):
    request.session["user"] = 7
    request.session.save()
    return HttpResponse(request.session.session_key)

def me(request):
    log.info("at <%s> for %s", request.session.session_key, request.GET["user"])
    return HttpResponse(request.session.session_key)

def stream(request):
    def parts():
        for number in range(3):
            log.info("part %d of %s", number, request.session.session_key)
            yield f"{request.session.session_key}-{number};"
    return StreamingHttpResponse(parts())

def boom(request):
    opaque = request.session.session_key
    raise LookupError("no user for " + opaque)

urlpatterns = [path("login", login), path("me", me), path("stream", stream), path("boom", boom)]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""


def drive(base: str, clients: int) -> list[str]:
    """Sign clients in at once and use the site; return their session ids."""
    httpx = pytest.importorskip("httpx")

    def one(number: int) -> str:
        with httpx.Client(base_url=base, trust_env=False, timeout=30) as session:
            sid = session.get("/login").text
            for _ in range(2):
                assert session.get("/me", params={"user": f"u{number}"}).text == sid
                assert session.get("/stream").text == "".join(f"{sid}-{part};" for part in range(3))
            error = session.get("/boom")
            assert (error.status_code, sid in error.text) == (500, False)
        return str(sid)

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(one, range(clients)))


def check(log: Path, sids: list[str]) -> None:
    """Check that the log has every line, and no session id."""
    wait_for(log, rf"(?s)(LookupError: no user for .*){{{len(sids)}}}")
    text = log.read_text()
    assert [sid for sid in sids if sid in text] == []
    lines = text.splitlines()
    for number in range(len(sids)):
        assert lines.count(f"shop at <{MARK}> for u{number}") == 2
    assert lines.count(f"shop part 2 of {MARK}") == 2 * len(sids)
    assert text.count(f"LookupError: no user for {MARK}\n") >= len(sids)


@pytest.mark.parametrize("debug", [False, True])
def test_gunicorn_under_load_with_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debug: bool) -> None:
    """Signed-in clients at once: no log line, error page or e-mail to the admins has a session id."""
    pytest.importorskip("gunicorn")
    (tmp_path / "site_of_shop.py").write_text(SITE)
    if debug:
        monkeypatch.setenv("DEBUG", "1")
    arguments = [
        "gunicorn",
        "site_of_shop:application",
        "--bind",
        "127.0.0.1:0",
        "--threads",
        "8",
        "--no-control-socket",
    ]
    with server(arguments, tmp_path, r"Listening at: (http://127\.0\.0\.1:\d+)") as (base, log):
        sids = drive(base, 8)
        check(log, sids)
    sent = [
        message_from_bytes(each.strip(), policy=policy.default)
        for mails in (tmp_path / "mails").iterdir()
        for each in mails.read_bytes().split(b"-" * 79)
        if each.strip()
    ]
    assert len(sent) == 8
    for message in sent:
        bodies = [part.get_content() for part in message.walk() if not part.is_multipart()]
        assert len(bodies) == 2
        assert [sid for sid in sids for body in bodies if sid in body] == []
        assert all(f"no user for {MARK}" in body for body in bodies)


def test_runserver_shows_and_logs_no_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's development server: neither its log nor its exception page has a session id."""
    (tmp_path / "site_of_shop.py").write_text(SITE)
    monkeypatch.setenv("DEBUG", "1")
    arguments = ["site_of_shop", "runserver", "127.0.0.1:0", "--noreload", "--skip-checks"]
    with server(arguments, tmp_path, r"development server at (http://127\.0\.0\.1:\d+)") as (base, log):
        check(log, drive(base, 2))
