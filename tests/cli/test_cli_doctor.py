"""``redactor doctor``: real apps in real processes, before and after the lines that it asks for."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

LINE_OF_INSTALL = "import redactor; redactor.install()"
KINDS = ["session cookie", "JWT", "bearer token", "refresh token in a URL"]
SECRET = "4f1x9q8z7k2m5n0b3v6c1a8s"

WSGI = "from redactor.integrations.wsgi import RedactorMiddleware; {0} = RedactorMiddleware({0})"
ASGI = "from redactor.integrations.asgi import RedactorMiddleware; {0} = RedactorMiddleware({0})"
DJANGO = [
    'DEFAULT_EXCEPTION_REPORTER_FILTER = "redactor.integrations.django.RedactorExceptionReporterFilter"',
    'DEFAULT_EXCEPTION_REPORTER = "redactor.integrations.django.RedactorExceptionReporter"',
    'MIDDLEWARE = ["redactor.integrations.django.RedactorMiddleware", *MIDDLEWARE]',
]


class App(NamedTuple):
    """An app: its files, how it is named, where lines are added, and what leaks until they are."""

    files: dict[str, str]
    place: str
    settings: str
    rows: list[str]
    fixes: list[str]


APPS = {
    "flask": App(
        {
            "web.py": """
import logging
from flask import Flask
logging.basicConfig(filename="app.log", level="INFO")
app = Flask("shop")
app.logger.warning("ready")
"""
        },
        "web:app",
        "web.py",
        ["logging: FileHandler of root", "wsgi: requests of Flask"],
        [LINE_OF_INSTALL, WSGI.format("app.wsgi_app")],
    ),
    "starlette": App(
        {
            "web.py": """
import logging.config
from starlette.applications import Starlette
logging.config.dictConfig({
    "version": 1,
    "handlers": {"file": {"class": "logging.handlers.RotatingFileHandler", "filename": "app.log", "maxBytes": 9}},
    "loggers": {"shop.access": {"handlers": ["file"], "propagate": False}},
})
service = Starlette()
"""
        },
        "web:service",
        "web.py",
        ["logging: RotatingFileHandler of shop.access", "asgi: requests of Starlette"],
        [LINE_OF_INSTALL, ASGI.format("service")],
    ),
    "django": App(
        {
            "shop/__init__.py": "",
            "shop/urls.py": "urlpatterns = []",
            "shop/settings.py": """
SECRET_KEY = "synthetic"
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
LOGGING = {
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "app.log"}},
    "root": {"handlers": ["file"]},
}
""",
            "shop/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
""",
        },
        "shop.wsgi:application",
        "shop/settings.py",
        [
            "logging: FileHandler of root",
            "logging: AdminEmailHandler of django #2",
            "logging: StreamHandler of django.server",
            "django: error reports, filter of the settings",
            "django: error reports, reporter of the settings",
            "django: requests, MIDDLEWARE",
        ],
        [LINE_OF_INSTALL, *DJANGO],
    ),
    "structlog": App(
        {
            "worker.py": """
import structlog
structlog.configure(
    processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
    logger_factory=structlog.WriteLoggerFactory(open("app.log", "a")),
    cache_logger_on_first_use=True,
)
structlog.get_logger().info("ready")
"""
        },
        "worker",
        "worker.py",
        ["structlog: JSONRenderer into WriteLoggerFactory"],
        [LINE_OF_INSTALL],
    ),
    "loguru": App(
        {
            "worker.py": """
from loguru import logger
logger.add("app.log", enqueue=True, rotation="1 B", serialize=True)
"""
        },
        "worker",
        "worker.py",
        ["loguru: sink 0, <stderr>", "loguru: sink 1, 'app.log'"],
        [LINE_OF_INSTALL],
    ),
    "sentry and opentelemetry": App(
        {
            "worker.py": """
import os
import sentry_sdk
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
port = os.environ["PORT"]
sentry_sdk.init(dsn=f"http://key@127.0.0.1:{port}/1", traces_sample_rate=1.0, auto_enabling_integrations=False)
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"http://127.0.0.1:{port}/v1/traces")))
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
trace.set_tracer_provider(provider)
"""
        },
        "worker",
        "worker.py",
        [
            "sentry: events to HttpTransport",
            "sentry: transactions to HttpTransport",
            "sentry: logs to HttpTransport",
            "sentry: metrics to HttpTransport",
            "opentelemetry: traces: BatchSpanProcessor > OTLPSpanExporter",
            "opentelemetry: traces: SimpleSpanProcessor > ConsoleSpanExporter",
        ],
        [LINE_OF_INSTALL],
    ),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file of an app and return its path."""

    def write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        return path

    return write


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """A server on this machine: its port, and the bodies it has been sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield str(server.server_port), bodies
        server.shutdown()
        thread.join()


def rows(out: bytes) -> list[dict[str, Any]]:
    return json.loads(out)["rows"]


def named(row: dict[str, Any]) -> str:
    return f"{row['host']}: {row['what']}"


@pytest.mark.parametrize("name", APPS)
def test_round_trip(
    name: str, redactor: Any, write: Any, tmp_path: Path, received: tuple[str, list[bytes]], cache_directory: Path
) -> None:
    """Each app leaks at its own places until exactly the lines of the report are added; its logs get nothing."""
    app = APPS[name]
    for file, content in app.files.items():
        write(file, content)
    port, bodies = received
    arguments = ("doctor", "--app", app.place, "--format", "json")

    code, out, err = redactor(*arguments, PORT=port)
    assert code == 1, err
    leaks = {named(row): row for row in rows(out) if row["state"] == "leaks"}
    interpreter = [place for place in leaks if place.startswith("interpreter: ") or "lastResort" in place]
    others = [place for place in leaks if place not in interpreter and "sentry_sdk.errors" not in place]
    assert others == app.rows
    assert all(row["leaks"] in (KINDS, ["bare id"]) for row in leaks.values())
    fixes = list(dict.fromkeys(row["fix"] for row in leaks.values()))
    assert fixes == app.fixes
    logged = {path.name: path.read_bytes() for path in tmp_path.glob("app*.log*")}

    settings = tmp_path / app.settings
    settings.write_text("\n".join([settings.read_text(), *fixes, ""]))
    code, out, err = redactor(*arguments, PORT=port)
    assert code == 0, out.decode()
    states = {named(row): row["state"] for row in rows(out)}
    assert "leaks" not in states.values()
    # An app that has been wrapped is called like its wrapper.
    apps = [place for place in (*leaks, *states) if "requests of" in place]
    assert {states[place] for place in leaks if place not in apps} == {"covered"}
    assert {states[place] for place in apps if place in states} <= {"covered"}
    assert {path.name: path.read_bytes() for path in tmp_path.glob("app*.log*")} == {
        name: content * 2 for name, content in logged.items()
    }
    assert bodies == []


def test_logs_are_not_written(redactor: Any, write: Any, tmp_path: Path) -> None:
    """A log that has lines already has the same bytes afterwards, is not rotated and not made anew."""
    (tmp_path / "old.log").write_bytes(b"one\ntwo\n")
    write(
        "worker.py",
        """
import logging, logging.handlers
logging.getLogger("a").addHandler(logging.handlers.RotatingFileHandler("old.log", maxBytes=1, backupCount=2))
logging.getLogger("b").addHandler(logging.FileHandler("new.log", delay=True))
""",
    )
    code, _, _ = redactor("doctor", "--app", "worker")
    assert code == 1
    assert {path.name for path in tmp_path.glob("*.log*")} == {"old.log"}
    assert (tmp_path / "old.log").read_bytes() == b"one\ntwo\n"


def test_bare_process(redactor: Any) -> None:
    """Without an app the report is that of a process that sets nothing up."""
    code, out, err = redactor("doctor")
    kinds = "session cookie, JWT, bearer token, refresh token in a URL"
    hooks = ("sys.excepthook", "threading.excepthook", "sys.unraisablehook", "warnings.showwarning")
    leaking = ["logging      _StderrHandler of logging.lastResort", *(f"interpreter  {hook}" for hook in hooks)]
    shown = "".join(
        f"leaks        {what}\n{' ' * 26}got through: {kinds}\n{' ' * 26}fix: {LINE_OF_INSTALL}\n" for what in leaking
    )
    assert out.decode() == (
        f"{shown}"
        "covered      interpreter  faulthandler\n"
        "not checked  interpreter  print, sys.stdout, sys.stderr\n"
        f"{' ' * 26}no hook sees it; pipe the process through 'redactor scrub'\n"
    )
    assert err == (
        "redactor: no --app: this is what a process does that sets nothing up\n"
        "redactor: 1 covered, 5 leaks, 1 not checked\n"
    )
    assert code == 1


def test_output_of_the_app(redactor: Any, write: Any) -> None:
    """What an app prints, by whatever means and whenever, goes to stderr; stdout has the report alone."""
    write(
        "web.py",
        f"""
import atexit, os, subprocess, sys
print("by print")
os.write(1, b"by write\\n")
subprocess.run([sys.executable, "-c", "print('by a child')"])
atexit.register(print, "at exit")
{LINE_OF_INSTALL}
""",
    )
    code, out, err = redactor("doctor", "--app", "web", "--format", "json")
    assert code == 0
    assert {row["state"] for row in rows(out)} == {"covered", "not checked"}
    for said in ("by print", "by write", "by a child", "at exit"):
        assert f"{said}\n" in err


def test_factory(redactor: Any, write: Any) -> None:
    """A function that makes the app is called if it is said to be one, and only then."""
    write(
        "web.py",
        f"""
{LINE_OF_INSTALL}
def make_app():
    from flask import Flask
    from redactor.integrations.wsgi import RedactorMiddleware
    return RedactorMiddleware(Flask("shop"))
""",
    )
    code, out, _ = redactor("doctor", "--app", "web:make_app", "--factory", "--format", "json")
    assert (code, [row["what"] for row in rows(out) if row["host"] == "wsgi"]) == (
        0,
        ["requests of RedactorMiddleware"],
    )
    code, out, _ = redactor("doctor", "--app", "web:make_app", "--format", "json")
    assert (code, [row["what"] for row in rows(out) if row["host"] == "wsgi"]) == (1, ["requests of function"])


REFUSED = {
    "no such module": ("absent", "", "absent: cannot be imported (ModuleNotFoundError), expected an app"),
    "no such attribute": ("web:absent", "", "web:absent: cannot be found (AttributeError), expected an app"),
    "error": ("web", f"raise ValueError('sid={SECRET}')", "web: cannot be imported (ValueError), expected an app"),
    "syntax": ("web", f"sid = '{SECRET}", "web: cannot be imported (SyntaxError), expected an app"),
    "exit": ("web", f"raise SystemExit('sid={SECRET}')", "web: cannot be imported (SystemExit), expected an app"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_app_that_cannot_be_imported(name: str, redactor: Any, write: Any) -> None:
    """One line names the module and the type of the error, never its text; the exit code is 3."""
    place, content, said = REFUSED[name]
    write("web.py", content)
    assert redactor("doctor", "--app", place) == (3, b"", f"redactor: {said}\n")


def test_factory_that_fails(redactor: Any, write: Any) -> None:
    """An error of the factory is told as one of the import."""
    write("web.py", f"def make_app():\n    raise ValueError('sid={SECRET}')\n")
    said = "redactor: web:make_app: cannot be called (ValueError), expected an app\n"
    assert redactor("doctor", "--app", "web:make_app", "--factory") == (3, b"", said)


def test_settings_that_fail(redactor: Any, write: Any) -> None:
    """Django that cannot be set up is told with the type of the error."""
    write("web.py", "")
    said = "redactor: DJANGO_SETTINGS_MODULE: Django cannot be set up (ModuleNotFoundError), expected an app\n"
    assert redactor("doctor", "--app", "web", DJANGO_SETTINGS_MODULE="absent") == (3, b"", said)


def test_settings_of_the_environment(redactor: Any, write: Any) -> None:
    """Where the environment names settings, Django is set up before the app is imported."""
    write("shop_settings.py", "SECRET_KEY = 'synthetic'\nROOT_URLCONF = 'web'\nMIDDLEWARE = []\n")
    write("web.py", "from django.apps import apps\nassert apps.ready\nurlpatterns = []\n")
    code, out, err = redactor("doctor", "--app", "web", "--format", "json", DJANGO_SETTINGS_MODULE="shop_settings")
    assert code == 1, err
    assert [row["fix"] for row in rows(out) if row["host"] == "django"] == DJANGO


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--factory",), "--factory needs an attribute to call, expected --app MODULE:ATTRIBUTE"),
        (("--app", "web", "--factory"), "--factory needs an attribute to call, expected --app MODULE:ATTRIBUTE"),
        (("--app", "web.py"), None),
        (("--app", "./web"), "Invalid value for --app: expected MODULE[:ATTRIBUTE], such as shop.web:app"),
        (("--app", ""), "Invalid value for --app: expected MODULE[:ATTRIBUTE], such as shop.web:app"),
        (("--format", "xml"), "Invalid value for '--format'"),
    ],
)
def test_usage(args: tuple[str, ...], said: str | None, redactor: Any) -> None:
    """A wrong option is told in one line, with exit code 2; a name that could be a module is looked for."""
    code, out, err = redactor("doctor", *args)
    if said is None:
        assert (code, out) == (3, b"")
    else:
        assert (code, out) == (2, b"")
        assert err.startswith(f"redactor: {said}")
    assert err.count("\n") == 1


def test_colours(redactor: Any, write: Any) -> None:
    """On a terminal states have colours, unless NO_COLOR says otherwise."""
    write("web.py", LINE_OF_INSTALL)

    def on_terminal(**env: str) -> bytes:
        ours, theirs = os.openpty()
        redactor.options["env"] |= env
        process = redactor.start("doctor", "--app", "web", stdout=theirs)
        process.communicate()
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:  # that is how a terminal says that it ends
            pass
        os.close(ours)
        return shown

    assert b"\x1b[32mcovered    \x1b[0m  logging" in on_terminal()
    assert b"\x1b" not in on_terminal(NO_COLOR="1")
