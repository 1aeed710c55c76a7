"""``redactor.install()``: one line covers every host, before or after, and undoes itself."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import redactor
from redactor import Policy, Redactor
from redactor.installation import Installation

SECRET = "q7Xw2LkR9vTz4BnM8sYd"
TEXT = f"sessionid={SECRET}"
CLEAN = "sessionid=[REDACTED:session]"
PARTS = [
    "logging: every handler",
    "interpreter: sys.excepthook",
    "interpreter: threading.excepthook",
    "interpreter: sys.unraisablehook",
    "interpreter: warnings.showwarning",
]
HOSTS = {
    "structlog": "structlog: every bound logger",
    "loguru": "loguru: every sink",
    "sentry_sdk": "sentry: every client",
    "opentelemetry.sdk": "opentelemetry: every provider",
}

SETUP = """
import io, json, logging, sys
from types import SimpleNamespace

kept = SimpleNamespace(sentry=[])
"""

IMPORTS = """
import loguru, sentry_sdk, structlog
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.transport import Transport

class Keeping(Transport):
    def capture_envelope(self, envelope):
        kept.sentry.append([item.payload.json for item in envelope])
"""

CONFIGURE = """
kept.logging, kept.structlog, kept.loguru = io.StringIO(), io.StringIO(), io.StringIO()
logging.basicConfig(stream=kept.logging, format="%(message)s")
structlog.configure(
    processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(kept.structlog)
)
loguru.logger.remove()
loguru.logger.configure(patcher=lambda record: None)
loguru.logger.add(kept.loguru, format="{message}")
sentry_sdk.init(dsn="http://key@localhost/1", transport=Keeping, default_integrations=False)
kept.spans, kept.records, kept.reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(kept.spans))
_logs.set_logger_provider(LoggerProvider())
_logs.get_logger_provider().add_log_record_processor(SimpleLogRecordProcessor(kept.records))
metrics.set_meter_provider(MeterProvider([kept.reader]))
"""

USE = """
def use(text):
    "Say ``text`` everywhere; return what arrived where."
    for stream in (kept.logging, kept.structlog, kept.loguru):
        stream.seek(0), stream.truncate()
    kept.sentry.clear(), kept.spans.clear(), kept.records.clear()
    logging.warning("%s", text)
    structlog.get_logger().info("said", note=text)
    loguru.logger.info(text)
    sentry_sdk.capture_message(text)
    with trace.get_tracer("shop").start_as_current_span("span", attributes={"note": text}):
        pass
    _logs.get_logger("shop").emit(_logs.LogRecord(body=text))
    metrics.get_meter("shop").create_counter("count").add(1, {"note": text})
    points = kept.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    return {
        "logging": kept.logging.getvalue(),
        "structlog": kept.structlog.getvalue(),
        "loguru": kept.loguru.getvalue(),
        "sentry": [payload["message"] for [payload] in kept.sentry],
        "spans": [span.attributes["note"] for span in kept.spans.get_finished_spans()],
        "records": [data.log_record.body for data in kept.records.get_finished_logs()],
        "metrics": sorted(point.attributes["note"] for point in points),
    }
"""


def arrived(text: str) -> dict[str, Any]:
    """Return what ``use`` returns where everything passes."""
    return {
        "logging": f"{text}\n",
        "structlog": f'{{"note": "{text}", "event": "said"}}\n',
        "loguru": f"{text}\n",
        "sentry": [text],
        "spans": [text],
        "records": [text],
        "metrics": [text],
    }


def run(*parts: str, cwd: Path | None = None) -> Any:
    """Run a program and return the JSON it prints last."""
    program = "\n".join(textwrap.dedent(part) for part in parts)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


INSTALL = "import redactor; installation = redactor.install()"
REPORT = f"print(json.dumps([use({TEXT!r}), list(installation.covered)]))"


@pytest.mark.parametrize(
    "order",
    [
        (SETUP, INSTALL, IMPORTS, CONFIGURE, USE),
        (SETUP, IMPORTS, INSTALL, CONFIGURE, USE),
        (SETUP, IMPORTS, CONFIGURE, INSTALL, USE),
        (SETUP, IMPORTS, CONFIGURE, USE, 'use("before")', INSTALL),
    ],
    ids=["before imports", "before configuration", "after configuration", "after use"],
)
def test_order(order: tuple[str, ...]) -> None:
    """Wherever the line stands, every host says what it says without us, less the secret."""
    said, covered = run(*order, REPORT)
    if "use" in order[-2]:
        said["metrics"].remove("before")
    assert said == arrived(CLEAN)
    assert sorted(covered) == sorted([*PARTS, *HOSTS.values()])


IDENTITIES = """
def identities():
    import threading, warnings
    from loguru import _file_sink, _handler, _simple_sinks
    processors = trace.get_tracer_provider()._active_span_processor, *(
        _logs.get_logger_provider()._multi_log_record_processor._log_record_processors
    )
    places = [
        logging.Handler, structlog.BoundLoggerBase, _handler.Handler, _file_sink.FileSink, sentry_sdk.Client,
        *(kind for kind in vars(_simple_sinks).values() if isinstance(kind, type)),
        TracerProvider, LoggerProvider, MeterProvider, trace.get_tracer_provider(), kept.reader, *processors,
        _logs.get_logger_provider()._multi_log_record_processor,
    ]
    held = {(id(place), name): value for place in places for name, value in vars(place).items()}
    held |= {("options", name): value for name, value in sentry_sdk.get_client().options.items()}
    held |= {("structlog", name): value for name, value in structlog.get_config().items()}
    held |= {("core", name): value for name, value in vars(loguru.logger._core).items()}
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning)
    return held | dict(enumerate([*hooks, *sys.meta_path]))
"""


def test_uninstall() -> None:
    """Uninstalling, once or twice, restores every attribute by identity, and secrets pass as without us."""
    different, covered, said = run(
        SETUP,
        IMPORTS,
        CONFIGURE,
        USE,
        IDENTITIES,
        f"""
        before = identities()
        import redactor
        installation = redactor.install()
        use({TEXT!r})
        assert identities() != before
        installation.uninstall()
        installation.uninstall()
        after = identities()
        different = [str(name) for name in before.keys() | after.keys() if before.get(name) is not after.get(name)]
        said = use("before")
        said["metrics"] = []
        print(json.dumps([different, installation.covered, said]))
        """,
    )
    assert different == []
    assert covered == []
    assert said == {**arrived("before"), "metrics": []}


def test_installing_again() -> None:
    """The second redactor takes the place of the first in every host, and one uninstall undoes both."""
    once, twice, after, is_same = run(
        SETUP,
        INSTALL,
        IMPORTS,
        CONFIGURE,
        USE,
        f"""
        from redactor import Policy, Redactor
        once = use({TEXT!r})
        again = redactor.install(Redactor(policy=Policy(redaction="mask")))
        twice = use({TEXT!r})
        installation.uninstall()
        after = use({TEXT!r})
        print(json.dumps([once, twice, after, again is installation]))
        """,
    )
    masked = "sessionid=********"
    assert once == arrived(CLEAN)
    assert twice == arrived(masked)
    assert after == arrived(TEXT)
    assert is_same


def test_nothing_is_imported() -> None:
    """Installing imports none of the hosts that the process does not use, and says what it waits for."""
    hosts = ("structlog", "loguru", "sentry_sdk", "opentelemetry", "django", "celery", "flask")
    covered, waiting, uncovered, imported = run(
        "import json, sys, redactor",
        "installation = redactor.install()",
        f"""
        imported = [name for name in {hosts} if name in sys.modules]
        print(json.dumps([installation.covered, installation.waiting, installation.uncovered, imported]))
        """,
    )
    assert covered == PARTS
    assert waiting == list(HOSTS)
    assert (uncovered, imported) == ([], [])


@pytest.mark.parametrize("module", ["trace", "_logs", "metrics", "_logs.export", "metrics.export", "trace.export"])
def test_first_import(module: str) -> None:
    """Whichever of its modules is imported first, OpenTelemetry is covered when that import is done."""
    covered = run(
        "import json, logging, redactor",
        "installation = redactor.install()",
        f"import opentelemetry.sdk.{module}",
        "print(json.dumps(installation.covered[-1]))",
    )
    assert covered == "opentelemetry: every provider"


def test_import_is_unchanged() -> None:
    """A host that is imported while we listen has its own loader, source and file."""
    facts = run(
        "import json, redactor",
        "redactor.install()",
        """
        import inspect, loguru, structlog
        spec = structlog.__spec__
        print(json.dumps([
            type(spec.loader).__name__, spec.loader is structlog.__loader__, "exec_module" in vars(spec.loader),
            spec.loader.path == structlog.__file__, inspect.getsource(structlog).startswith('#'),
            type(loguru.__spec__.loader).__name__,
        ]))
        """,
    )
    assert facts == ["SourceFileLoader", True, False, True, True, "SourceFileLoader"]


def test_import_that_fails(tmp_path: Path) -> None:
    """A host whose import fails raises its own error, and is covered when it can be imported later."""
    (tmp_path / "loguru.py").write_text("raise LookupError('not today')")
    raised, waiting, covered = run(
        "import json, os, sys, redactor",
        "installation = redactor.install()",
        """
        try:
            import loguru
        except LookupError as error:
            raised = str(error)
        waiting = installation.waiting
        os.remove("loguru.py")
        sys.path_importer_cache.clear()
        import loguru
        print(json.dumps([raised, waiting, installation.covered[-1]]))
        """,
        cwd=tmp_path,
    )
    assert raised == "not today"
    assert waiting == list(HOSTS)
    assert covered == "loguru: every sink"


def test_unknown_version(tmp_path: Path) -> None:
    """A host that its integration does not fit is reported with the reason, and its import succeeds."""
    (tmp_path / "structlog.py").write_text("value = 7")
    value, covered, waiting, uncovered, logged = run(
        "import io, json, logging",
        "logging.basicConfig(stream=(stream := io.StringIO()), format='%(name)s %(message)s')",
        "import redactor",
        """
        installation = redactor.install()
        import structlog
        report = [installation.covered, installation.waiting, installation.uncovered]
        print(json.dumps([structlog.value, *report, stream.getvalue()]))
        """,
        cwd=tmp_path,
    )
    assert value == 7
    assert covered == PARTS
    assert waiting == [name for name in HOSTS if name != "structlog"]
    reason = "its integration fails with ImportError"
    assert uncovered == [["structlog", reason, "import redactor.integrations.structlog"]]
    assert logged == f"redactor not redacted: structlog: {reason}\n"


def test_what_only_the_application_can_wire() -> None:
    """Apps that need a middleware or a setting are named with the line that covers them, and no others."""
    before, after = run(
        "import json, redactor",
        "installation = redactor.install()",
        """
        import flask, starlette
        from celery import Celery
        from django.conf import settings
        before = [str(each) for each in installation.uncovered]
        settings.configure(
            MIDDLEWARE=["redactor.integrations.django.RedactorMiddleware"],
            DEFAULT_EXCEPTION_REPORTER="redactor.integrations.django.RedactorExceptionReporter",
        )
        app = Celery("shop")
        print(json.dumps([before, [str(each) for each in installation.uncovered]]))
        """,
    )
    web = [
        "ASGI: a middleware has to be around the app that is served; "
        "from redactor.integrations.asgi import RedactorMiddleware; app = RedactorMiddleware(app)",
        "WSGI: a middleware has to be around the app that is served; "
        "from redactor.integrations.wsgi import RedactorMiddleware; app = RedactorMiddleware(app)",
    ]
    assert before == web
    assert after == [
        "django: error reports are filtered by what a setting names; "
        'DEFAULT_EXCEPTION_REPORTER_FILTER = "redactor.integrations.django.RedactorExceptionReporterFilter"',
        *web,
        "celery: the arguments of tasks are known where signals are connected; "
        "import redactor.integrations.celery; redactor.integrations.celery.install()",
    ]


def test_text() -> None:
    """Printed, an installation has a line for each part and what becomes of it."""
    lines = run(
        "import json, redactor",
        "installation = redactor.install()",
        "print(json.dumps([str(installation).split(chr(10)), repr(installation)]))",
    )
    shown = [*(f"covered: {part}" for part in PARTS), *(f"waiting: {host}" for host in HOSTS)]
    assert lines == [shown, "<Installation of 5 parts>"]


def test_in_this_process(caplog: pytest.LogCaptureFixture) -> None:
    """An installation redacts with the redactor it is given, until it is uninstalled."""
    installation = redactor.install(Redactor(policy=Policy(redaction="mask")))
    try:
        assert isinstance(installation, Installation)
        logging.getLogger("shop").warning(TEXT)
    finally:
        installation.uninstall()
    logging.getLogger("shop").warning(TEXT)
    assert [record.getMessage() for record in caplog.records] == ["sessionid=********", TEXT]
