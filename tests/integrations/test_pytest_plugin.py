"""``pytest --fail-on-leak``: real runs of pytest over small suites, judged by their reports."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

# Imported here so that the runs inside this process find them imported, and leave them so.
import redactor.integrations._leak_watch
import redactor.integrations.opentelemetry
import redactor.integrations.sentry
import redactor.integrations.stdlib  # noqa: F401

logs = pytest.importorskip("opentelemetry.sdk._logs.export")
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter  # noqa: E402

pytest.importorskip("opentelemetry.sdk.metrics.export")
pytest.importorskip("sentry_sdk")
from sentry_sdk.transport import HttpTransport  # noqa: E402

pytest_plugins = ["pytester"]

SECRET = "4f1x9q8z7k2m5n0b"
IN_MEMORY_RECORDS = "InMemoryLogRecordExporter" if hasattr(logs, "InMemoryLogRecordExporter") else "InMemoryLogExporter"
HEAD = f"""
import functools, io, logging, logging.handlers, os, queue, subprocess, sys
import pytest
S = "{SECRET}"
log = logging.getLogger("shop")
"""


def watch(pytester: pytest.Pytester, suite: str, *options: str, on: bool = True) -> Any:
    """Run the suite in this process; its result has ``told``: what was reported, by test and phase."""
    pytester.makepyfile(test_shop=HEAD + suite)
    always = ("-p", "no:randomly", "--log-format=%(message)s")
    result: Any = pytester.runpytest_inprocess(*always, *["--fail-on-leak"] * on, *options)
    result.told = {}
    for report in result.reprec.getreports("pytest_runtest_logreport"):
        name = report.nodeid.rpartition("::")[2]
        if not report.passed:
            result.told[name, report.when] = f"{report.outcome}: {report.longreprtext}"
    assert SECRET not in result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    return result


def leak(place: str, line: int, column: int, rule: str = "session") -> str:
    return f"failed: a secret leaked: {place}, line {line}, column {column}: rule {rule}"


# --- logging, stdout and stderr ---------------------------------------------------------


def test_each_way_out_fails_the_test_and_is_named(pytester: pytest.Pytester) -> None:
    """A secret in a log, stdout or stderr, also of a child process, fails the test and is placed exactly."""
    result = watch(
        pytester,
        """
        def test_nothing(): print("the session_id is not shown"); log.error("session_timeout=3600")
        def test_log(): log.warning("two\\nlines"); log.warning("sid=%s", S)
        def test_stdout(): print("é\\né sid=" + S)
        def test_stderr(): print("sid=" + S, file=sys.stderr)
        def test_child(): subprocess.run([sys.executable, "-c", f"print('sid={S}')"], check=True)
        def test_fd(): os.write(2, b"sid=" + S.encode())
        def test_section(request): request.node.add_report_section("call", "mail", "sid=" + S)
        """.replace("        ", ""),
    )
    assert result.told == {
        ("test_log", "call"): leak("captured log", 3, 5),
        ("test_stdout", "call"): leak("captured stdout", 2, 7),
        ("test_stderr", "call"): leak("captured stderr", 1, 5),
        ("test_child", "call"): leak("captured stdout", 1, 5),
        ("test_fd", "call"): leak("captured stderr", 1, 5),
        ("test_section", "call"): leak("captured mail", 1, 5),
    }


def test_what_a_test_reads_is_not_lost(pytester: pytest.Pytester) -> None:
    """Output that a capture fixture has read counts as if nobody had read it, and what it left counts too."""
    result = watch(
        pytester,
        """
        def test_sys(capsys): print("sid=" + S); assert capsys.readouterr().out
        def test_fd(capfd): os.write(2, b"\\nsid=" + S.encode()); assert capfd.readouterr().err
        def test_binary(capsysbinary): print("sid=" + S); assert capsysbinary.readouterr().out
        def test_left(capsys): print("sid=" + S)
        def test_clean(capsys): print("ok"); assert capsys.readouterr() == ("ok\\n", "")
        """.replace("        ", ""),
    )
    assert result.told == {
        ("test_sys", "call"): leak("stdout read by capsys", 1, 5),
        ("test_fd", "call"): leak("stderr read by capfd", 2, 5),
        ("test_binary", "call"): leak("stdout read by capsysbinary", 1, 5),
        ("test_left", "call"): leak("captured stdout", 1, 5),
    }


def test_a_cleared_caplog_hides_nothing(pytester: pytest.Pytester) -> None:
    """Levels that caplog sets and records that it clears change nothing."""
    result = watch(
        pytester,
        """
        def test_cleared(caplog):
            caplog.set_level("DEBUG"); log.debug("sid=%s", S); caplog.clear()
        def test_raised_level(caplog):
            caplog.handler.setLevel("CRITICAL"); log.warning("sid=%s", S)
        def test_not_enabled(): log.debug("sid=%s", S)
        """.replace("        ", ""),
    )
    assert result.told == {
        ("test_cleared", "call"): leak("captured log", 1, 5),
        ("test_raised_level", "call"): leak("captured log", 1, 5),
    }


HANDLERS = """
from redactor.integrations import stdlib

def send(handler, message="sid=" + S, propagate=True):
    logger = logging.getLogger("shop.checkout")
    logger.addHandler(handler)
    logger.propagate = propagate
    try:
        logger.error(message)
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.propagate = True
"""


def test_what_the_application_s_handlers_send_is_what_counts(pytester: pytest.Pytester) -> None:
    """A record is judged as the application's own handlers format it, wherever they send it and whoever propagates."""
    result = watch(
        pytester,
        HANDLERS
        + """
def cleaning():
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(stdlib.RedactingFormatter())
    return handler
def test_leaks(): send(logging.StreamHandler(io.StringIO()))
def test_leaks_without_propagation(tmp_path): send(logging.FileHandler(tmp_path / "log"), propagate=False)
def test_second_of_two(): send(logging.StreamHandler(io.StringIO()), "one\\ntwo\\nsid=" + S)
def test_cleans(): send(cleaning())
def test_cleans_one_of_two(): log.error("sid=" + S); send(cleaning())
def test_queued():
    records = queue.SimpleQueue()
    send(logging.handlers.QueueHandler(records))
    cleaning().handle(records.get())
def test_queued_and_leaked():
    records = queue.SimpleQueue()
    send(logging.handlers.QueueHandler(records))
    logging.StreamHandler(io.StringIO()).handle(records.get())
""",
    )
    assert result.told == {
        ("test_leaks", "call"): leak("log handler StreamHandler", 1, 5),
        ("test_leaks_without_propagation", "call"): leak("log handler FileHandler", 1, 5),
        ("test_second_of_two", "call"): leak("log handler StreamHandler", 3, 5),
        ("test_cleans_one_of_two", "call"): leak("captured log", 1, 5),
        ("test_queued_and_leaked", "call"): leak("log handler StreamHandler", 1, 5),
    }


def test_redaction_that_is_installed_later_counts(pytester: pytest.Pytester) -> None:
    """What is installed for logging during a test or a fixture is believed, and no longer than it is there."""
    result = watch(
        pytester,
        HANDLERS
        + """
def test_in_the_test():
    installation = stdlib.install()
    send(logging.StreamHandler(io.StringIO()))
    log.error("sid=" + S)
    installation.uninstall()
@pytest.fixture
def installed():
    installation = stdlib.install()
    yield
    installation.uninstall()
def test_in_a_fixture(installed): log.error("sid=" + S)
def test_uninstalled(): log.error("sid=" + S)
def test_patched(monkeypatch):
    monkeypatch.setattr(logging.Handler, "format", lambda handler, record: "nothing")
    log.error("sid=" + S)
def test_put_back(): log.error("sid=" + S)
@pytest.fixture
def marking(monkeypatch):
    format = logging.Handler.format
    marked = functools.wraps(format)(lambda handler, record: "> " + format(handler, record))
    monkeypatch.setattr(logging.Handler, "format", marked)
def test_wrapped(marking): log.error("sid=" + S)
def test_wrapped_and_queued(marking):
    records = queue.SimpleQueue()
    send(logging.handlers.QueueHandler(records))
    logging.handlers.QueueListener(records, logging.StreamHandler(io.StringIO())).handle(records.get())
class Logging(logging.Handler):
    def emit(self, record): log.error(self.format(record))
def test_logging_handler(marking): send(Logging(), propagate=False)
def test_many_installations_leave_nothing():
    before = logging.Handler.format
    for _ in range(3):
        installation = stdlib.install()
        log.error("sid=" + S)
        installation.uninstall()
    assert logging.Handler.format is before
""",
    )
    assert result.told == {
        ("test_uninstalled", "call"): leak("captured log", 1, 5),
        ("test_put_back", "call"): leak("captured log", 1, 5),
        ("test_wrapped", "call"): leak("captured log", 1, 7),
        ("test_wrapped_and_queued", "call"): leak("log handler StreamHandler", 1, 9),
        ("test_logging_handler", "call"): (
            "failed: secrets leaked at 2 places: log handler Logging, line 1, column 7: rule session\n"
            "  captured log, line 1, column 9: rule session"
        ),
    }


def test_a_handler_s_odd_format_is_not_believed(pytester: pytest.Pytester) -> None:
    """A format that is no text cannot be inspected, which fails the test; one that raises does what it did."""
    result = watch(
        pytester,
        HANDLERS
        + """
class Odd(logging.Formatter):
    def format(self, record): return 17
class Broken(logging.Formatter):
    def format(self, record): raise OSError("broken")
def test_odd():
    handler = logging.Handler()
    handler.setFormatter(Odd())
    handler.emit = handler.format
    send(handler)
def test_broken():
    handler = logging.Handler()
    handler.setFormatter(Broken())
    handler.emit = handler.format
    with pytest.raises(OSError, match="broken"):
        send(handler, "fine")
""",
    )
    assert result.told == {("test_odd", "call"): leak("log handler Handler", 1, 1, "error")}


@pytest.mark.parametrize(("capture", "seen"), [("fd", {"out", "fd"}), ("sys", {"out"}), ("tee-sys", {"out"})])
def test_the_capture_method_decides_what_is_seen(pytester: pytest.Pytester, capture: str, seen: set[str]) -> None:
    """With fd everything that is written is seen, with sys what Python's own streams are given."""
    pytester.makepyfile(
        test_shop=HEAD + "def test_out(): print('sid=' + S)\ndef test_fd(): os.write(1, b'sid=' + S.encode())"
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "--fail-on-leak", f"--capture={capture}", "-rf")
    failed = {line.partition("::test_")[2].split()[0] for line in result.outlines if line.startswith("FAILED")}
    assert failed == seen


def test_without_capture_the_run_says_what_is_not_seen(pytester: pytest.Pytester) -> None:
    """With -s the header says that stdout and stderr are not looked at; logs and capture fixtures still are."""
    pytester.makepyfile(
        test_shop=HEAD
        + """
def test_out(): print("sid=" + S)
def test_log(): log.error("sid=" + S)
def test_read(capsys): print("sid=" + S); assert capsys.readouterr().out
"""
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "--fail-on-leak", "-s", "-rf")
    failed = [line.partition("::")[2].split()[0] for line in result.outlines if line.startswith("FAILED")]
    assert failed == ["test_log", "test_read"]
    header = "redactor: tests that leak session secrets fail"
    assert f"{header}; with -s, stdout and stderr are not looked at" in result.outlines
    assert header in pytester.runpytest_inprocess("--fail-on-leak").outlines


# --- phases and outcomes ----------------------------------------------------------------


def test_a_leak_fails_the_phase_in_which_it_happens(pytester: pytest.Pytester) -> None:
    """A leak in the setup or teardown of a fixture is an error there; the test's own is told once."""
    result = watch(
        pytester,
        """
        @pytest.fixture
        def before(): print("sid=" + S)
        @pytest.fixture
        def after():
            yield
            log.error("sid=" + S)
        def test_before(before): pass
        def test_after(after): pass
        def test_both(after): print("sid=" + S)
        """.replace("        ", ""),
    )
    assert result.told == {
        ("test_before", "setup"): leak("captured stdout", 1, 5),
        ("test_after", "teardown"): leak("captured log", 1, 5),
        ("test_both", "call"): leak("captured stdout", 1, 5),
        ("test_both", "teardown"): leak("captured log", 1, 5),
    }
    result.assert_outcomes(passed=1, failed=1, errors=3)


def test_a_leak_fails_whatever_the_outcome_was(pytester: pytest.Pytester) -> None:
    """Expected failures and skipped tests fail if they leak, and only then."""
    result = watch(
        pytester,
        """
        @pytest.mark.xfail
        def test_expected(): print("sid=" + S); assert False
        @pytest.mark.xfail(strict=False)
        def test_unexpected(): print("sid=" + S)
        def test_skipped(): print("sid=" + S); pytest.skip("sid=" + S)
        @pytest.mark.xfail
        def test_clean_expected(): assert False
        def test_clean_skipped(): pytest.skip("no reason")
        """.replace("        ", ""),
        "--junitxml=junit.xml",
    )
    assert {name: told for (name, _), told in result.told.items() if "clean" not in name} == {
        "test_expected": leak("captured stdout", 1, 5),
        "test_unexpected": leak("captured stdout", 1, 5),
        "test_skipped": leak("captured stdout", 1, 5),
    }
    result.assert_outcomes(failed=3, xfailed=1, skipped=1)
    assert 'failures="3" skipped="2"' in (pytester.path / "junit.xml").read_text()


FAILING = """
def check(token, other):
    value = token
    assert value == other
def test_fails():
    print("first", "sid=" + S)
    check(S, other="x")
@pytest.fixture
def broken():
    session_id = S
    raise ValueError("no session for sid=" + S)
def test_errs(broken): pass
def test_plain(): pytest.fail("sid=" + S, pytrace=False)
def test_chained():
    try:
        raise KeyError("sid=" + S)
    except KeyError as error:
        raise RuntimeError("again") from error
def test_group():
    raise ExceptionGroup("sid=" + S, [ValueError("sid=" + S)])
"""


DOCTEST = """
def example():
    '''
    >>> _ = sys.stderr.write("sid=" + S)
    >>> "sid=" + S
    1
    '''
"""


def test_a_failure_stays_and_the_leak_is_added(pytester: pytest.Pytester) -> None:
    """A test that fails by itself shows its own failure first and then its leaks."""
    result = watch(pytester, FAILING + DOCTEST, "--doctest-modules")
    told = result.told["test_fails", "call"].split("\n")
    assert "test_shop.py:8: AssertionError" in told
    assert told[-1] == "a secret leaked: captured stdout, line 1, column 11: rule session"
    assert told[-2].strip("-") == " Leaked secrets "
    example = result.told["test_shop.example", "call"].split("\n")
    assert "Got:" in example
    assert example[-3].endswith("test_shop.py:29: DocTestFailure")
    assert example[-2:] == ["", "a secret leaked: captured stderr, line 1, column 5: rule session"]
    assert "leaked" not in result.told["test_errs", "setup"]


@pytest.mark.parametrize("style", ["auto", "long", "short", "line", "native", "no"])
def test_reports_are_clean(pytester: pytest.Pytester, style: str) -> None:
    """No report shows a secret, however tracebacks are written, with locals, captured output and JUnit's file."""
    result = watch(pytester, FAILING, f"--tb={style}", "--showlocals", "-vv", "-rA", "--junitxml=junit.xml")
    shown = result.stdout.str()
    file = "test_shop.py"
    if style in ("auto", "long"):
        assert f"{file}:8: AssertionError" in shown
        assert "value      = '[REDACTED:session]'" in shown
        assert "token = '[REDACTED:session]', other = 'x'" in shown
        assert "session_id = '[REDACTED:session]'" in shown
        assert "E       ValueError: no session for sid=[REDACTED:session]" in shown
    if style == "short":
        assert f"{file}:8: in check" in shown
    if style == "native":
        assert "ValueError: no session for sid=[REDACTED:session]\n" in shown
    assert f"FAILED {file}::test_plain" in shown
    written = (pytester.path / "junit.xml").read_text()
    assert "sid=[REDACTED:session]" in written
    assert SECRET not in written


def test_what_passes_is_clean_too(pytester: pytest.Pytester) -> None:
    """Captured output of exempt tests, properties, reasons and modules that cannot be imported are clean in reports."""
    watch(
        pytester,
        """
        pytestmark = pytest.mark.leak_ok("shows the value on purpose")
        def test_exempt(record_property): print("sid=" + S); record_property("session_id", S)
        def test_skipped(): pytest.skip("sid=" + S)
        def test_expected(): pytest.xfail("sid=" + S)
        """.replace("        ", ""),
        *("-rA", "--junitxml=junit.xml", "-o", "junit_family=xunit1"),
    ).assert_outcomes(passed=1, skipped=1, xfailed=1)
    assert SECRET not in (pytester.path / "junit.xml").read_text()
    broken = watch(pytester, "print('sid=' + S)\nsession_id = S\nraise ValueError('sid=' + S)", "-rA", "-l")
    broken.assert_outcomes(errors=1)
    assert "ValueError: sid=[REDACTED:session]" in broken.stdout.str()


def test_a_leak_of_a_subtest_fails_it(pytester: pytest.Pytester) -> None:
    """Each subtest is judged by itself."""
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests")
    result = watch(
        pytester,
        """
        def test_parts(subtests):
            with subtests.test("leaks"): print("sid=" + S)
            with subtests.test("clean"): print("ok")
        """.replace("        ", ""),
    )
    assert result.reprec.getreports("pytest_runtest_logreport")[1].longreprtext == (
        "a secret leaked: stdout read by subtests, line 1, column 5: rule session"
    )
    assert "SUBFAILED[leaks]" in result.stdout.str()
    assert "SUBFAILED[clean]" not in result.stdout.str()


def test_output_of_imports_is_nobody_s(pytester: pytest.Pytester) -> None:
    """What a module logs while it is imported is not blamed on the first test."""
    pytester.makepyfile(
        HEAD + "logging.lastResort.handle(logging.makeLogRecord({'msg': 'sid=' + S}))\ndef test_first(): pass"
    )
    pytester.runpytest_inprocess("--fail-on-leak").assert_outcomes(passed=1)


def test_without_pytest_s_logging_the_application_s_handlers_are_seen(pytester: pytest.Pytester) -> None:
    """With -p no:logging handlers are watched as ever, and so is a log that another plugin captures."""
    pytester.makepyfile(
        HEAD
        + """
def test_handler():
    logging.StreamHandler(io.StringIO()).handle(logging.makeLogRecord({"msg": "sid=" + S}))
def test_section(request): request.node.add_report_section("call", "log", "sid=" + S)
"""
    )
    result = pytester.runpytest_inprocess("-p", "no:logging", "-p", "no:randomly", "--fail-on-leak")
    result.stdout.fnmatch_lines(["a secret leaked: log handler StreamHandler, line 1, column 5: rule session"])
    result.stdout.fnmatch_lines(["a secret leaked: captured log, line 1, column 5: rule session"])


def test_with_xdist_it_is_the_same(pytester: pytest.Pytester) -> None:
    """Workers watch, and what they send is clean."""
    pytester.makepyfile(
        test_shop=HEAD
        + """
def test_leaks(): log.error("sid=" + S)
def test_allowed(): print("sid=" + S[::-1])
def test_fails(): session_id = S; assert session_id == "x"
@pytest.mark.leak_ok("why")
def test_exempt(): print("sid=" + S)
"""
    )
    pytester.maketxtfile(allowed=SECRET[::-1])
    result = pytester.runpytest_subprocess(
        *(
            "-n",
            "2",
            "--log-format=%(message)s",
            "--fail-on-leak",
            "--leak-allow=allowed.txt",
            "-l",
            "-rA",
            "--strict-markers",
        )
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*a secret leaked: captured log, line 1, column 5: rule session"])
    result.stdout.fnmatch_lines(["session_id = '?REDACTED:session?'"])
    assert SECRET not in result.stdout.str() + result.stderr.str()


# --- options ----------------------------------------------------------------------------


def test_off_it_costs_nothing(pytester: pytest.Pytester) -> None:
    """Without the option nothing of redactor is imported but the plugin's own module, and nothing fails."""
    pytester.makepyfile(
        test_shop=HEAD
        + """
@pytest.mark.leak_ok("the marker is known all the same")
def test_imports():
    print("sid=" + S)
    log.error("sid=" + S)
    ours = [name for name in sys.modules if name.partition(".")[0] == "redactor"]
    assert sorted(ours) == ["redactor", "redactor.integrations", "redactor.integrations.pytest_plugin"]
    assert logging.Handler.format.__module__ == logging.Logger.callHandlers.__module__ == "logging"
    assert not hasattr(pytest.CaptureFixture.readouterr, "__wrapped__")
"""
    )
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=1)


def test_on_it_imports_no_host(pytester: pytest.Pytester) -> None:
    """With the option, no host is imported that the tests do not import."""
    pytester.makepyfile(
        test_shop=HEAD
        + """
def test_imports():
    assert "redactor.integrations._leak_watch" in sys.modules
    assert {"sentry_sdk", "opentelemetry", "structlog"}.isdisjoint(sys.modules)
"""
    )
    pytester.runpytest_subprocess("--fail-on-leak").assert_outcomes(passed=1)


def test_the_configuration_file_can_switch_it_on(pytester: pytest.Pytester) -> None:
    """``fail_on_leak`` in pytest's own configuration is the option, and -o overrides it."""
    pytester.makeini("[pytest]\nfail_on_leak = true\naddopts = --strict-config")
    suite = "def test_leaks(): print('sid=' + S)"
    watch(pytester, suite, on=False).assert_outcomes(failed=1)
    watch(pytester, suite, "-o", "fail_on_leak=false", on=False).assert_outcomes(passed=1)


def test_a_marked_test_may_leak(pytester: pytest.Pytester) -> None:
    """``leak_ok`` exempts a test, a class or a parameter, is documented, and the next test is not blamed for it."""
    result = watch(
        pytester,
        """
        @pytest.mark.leak_ok("the login page shows it")
        class TestMarked:
            def test_it(self): log.error("sid=" + S)
        @pytest.mark.parametrize("marked", [pytest.param(True, marks=pytest.mark.leak_ok(reason="so")), False])
        def test_parameter(marked): print("sid=" + S)
        def test_next(): pass
        """.replace("        ", ""),
        "--strict-markers",
    )
    assert set(result.told) == {("test_parameter[False]", "call")}
    assert "@pytest.mark.leak_ok(reason): " in pytester.runpytest_inprocess("--markers").stdout.str()


def test_allowed_values_are_no_leaks(pytester: pytest.Pytester) -> None:
    """The values of --leak-allow may get out, whole; the option may be repeated, and relative paths are from here."""
    pytester.path.joinpath("one").write_bytes(b"x\r\n" + SECRET.encode() + b"\r\n")
    pytester.maketxtfile(two="k2m5n0b4f1x9q8z7\n")
    pytester.makepyfile(
        test_shop=HEAD
        + "def test_one(): print('sid=' + S)\ndef test_two(): print('sid=k2m5n0b4f1x9q8z7')\n"
        + "def test_longer(): print('sid=' + S + 'a')"
    )
    options = ("--fail-on-leak", "--leak-allow=one", "--leak-allow", "two.txt")
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=2, failed=1)


def test_an_allowlist_that_cannot_be_read_is_refused(pytester: pytest.Pytester) -> None:
    """A missing or binary allowlist ends the run with one line, usage error's exit status and none of its content."""
    pytester.path.joinpath("binary").write_bytes(b"sid=\xff" + SECRET.encode())
    for name, problem in (
        ("missing", "No such file or directory, expected a file with one value a line"),
        ("binary", "not UTF-8, expected one value a line"),
    ):
        result = pytester.runpytest_inprocess("--fail-on-leak", f"--leak-allow={name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert [line for line in result.errlines if line] == [f"ERROR: {pytester.path / name}: {problem}"]


# --- exporters --------------------------------------------------------------------------

OTEL = f"""
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as logs
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics import export as metrics
from opentelemetry._logs import LogRecord, SeverityNumber
from redactor.integrations import opentelemetry as ours

def trace(exporter, event="/cart", **attributes):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("shop").start_as_current_span("GET", attributes=attributes) as span:
        span.add_event("seen", {{"http.url": event}})

def emit(exporter):
    provider = LoggerProvider()
    provider.add_log_record_processor(logs.SimpleLogRecordProcessor(exporter))
    record = LogRecord(timestamp=1, severity_number=SeverityNumber.INFO, body={{"user": {{"refresh_token": S}}}})
    provider.get_logger("shop").emit(record)

def count(reader):
    provider = MeterProvider(metric_readers=[reader])
    provider.get_meter("shop").create_counter("calls").add(1, {{"session_id": S}})
    provider.force_flush()
    provider.shutdown()

def spans(): return InMemorySpanExporter()
def records(): return getattr(logs, "{IN_MEMORY_RECORDS}")()
def console(): return metrics.ConsoleMetricExporter(out=io.StringIO())
"""


def test_what_exporters_are_given_is_looked_at(pytester: pytest.Pytester) -> None:
    """Spans, log records and metrics fail the test that exports a secret; the name beside it is told."""
    result = watch(
        pytester,
        OTEL
        + """
class Own(SpanExporter):
    def export(self, spans): pass
def test_span(): trace(spans(), f"/?sid={S}", cookie=["theme=dark; sessionid=" + S], raw=b"sid=" + S.encode())
def test_own(): trace(Own(), token=S)
def test_defined_here():
    class Here(Own):
        def export(self, spans): return super().export(spans)
    trace(Here(), token=S)
def test_record(): emit(records())
def test_reader():
    reader = metrics.InMemoryMetricReader()
    count(reader)
def test_metrics(): count(metrics.PeriodicExportingMetricReader(console()))
def test_clean(): trace(spans(), traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
""",
    )
    told = {
        name: re.findall(r"((?:span|log|metrics)[^,:]*), line 1, ", text) for (name, _), text in result.told.items()
    }
    assert told == {
        "test_span": [f'span in InMemorySpanExporter beside "{key}"' for key in ("cookie", "raw", "http.url")],
        "test_own": ['span in Own beside "token"'],
        "test_defined_here": ['span in Here beside "token"'],
        "test_record": [f'log record in {IN_MEMORY_RECORDS} beside "refresh_token"'],
        "test_reader": ['metrics in InMemoryMetricReader beside "session_id"'],
        "test_metrics": ['metrics in ConsoleMetricExporter beside "session_id"'],
    }


def test_redacting_exporters_are_believed(pytester: pytest.Pytester) -> None:
    """An exporter behind one that redacts, or a provider that was covered, leaks nothing."""
    result = watch(
        pytester,
        OTEL
        + """
import opentelemetry.sdk.trace
class Counting(ours.RedactingSpanExporter):
    def export(self, spans): return super().export(spans)
def test_span(): trace(ours.RedactingSpanExporter(spans()), f"/?sid={S}", cookie="sid=" + S, token=S)
def test_wrapped_twice(): trace(Counting(ours.RedactingSpanExporter(spans())), token=S)
def test_record(): emit(ours.RedactingLogRecordExporter(records()))
def test_metrics(): count(metrics.PeriodicExportingMetricReader(ours.RedactingMetricExporter(console())))
def test_not_the_inner_one(): trace(ours.RedactingSpanExporter(spans()), token=S); trace(spans(), sid=S)
""",
    )
    assert list(result.told) == [("test_not_the_inner_one", "call")]


def test_an_export_that_cannot_be_inspected_fails_the_test(pytester: pytest.Pytester) -> None:
    """What cannot be read counts as a leak of the rule error; the exporter is not disturbed, nor are its errors."""
    result = watch(
        pytester,
        OTEL
        + """
class Dark:
    @property
    def name(self): raise OSError(S)
def test_dark():
    exporter = spans()
    exporter.export([Dark()])
    assert len(exporter.get_finished_spans()) == 1
class Broken(SpanExporter):
    def export(self, spans): raise OSError("broken")
def test_broken():
    with pytest.raises(OSError, match="broken"):
        Broken().export([])
""",
    )
    assert result.told == {("test_dark", "call"): leak("span in InMemorySpanExporter", 1, 1, "error")}


SENTRY = """
import sentry_sdk
from redactor.integrations.sentry import sentry_options
from sentry_sdk.integrations.logging import BreadcrumbHandler, EventHandler

class Recorder(sentry_sdk.transport.Transport):
    def __init__(self): super().__init__({})
    def capture_envelope(self, envelope): pass

@pytest.fixture
def start():
    off = {"default_integrations": False, "auto_enabling_integrations": False}
    yield lambda make=dict, **options: sentry_sdk.init(
        **make(dsn="http://key@localhost/1", **{"transport": Recorder(), **off, **options}))
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.Scope.get_global_scope().set_client(None)

def report():
    token = "t" + S
    try:
        raise ValueError("no session")
    except ValueError:
        sentry_sdk.capture_exception()
"""


def test_what_sentry_is_sent_is_looked_at(pytester: pytest.Pytester) -> None:
    """An event fails the test in which it goes to a transport with a secret in it, and not if it was redacted."""
    result = watch(
        pytester,
        SENTRY
        + """
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_function(start):
    start(transport=lambda event: None)
    sentry_sdk.capture_message("sid=" + S)
def test_leaks(start):
    start()
    sentry_sdk.capture_event({"extra": {"url": "/?sid=" + S}})
def test_clean(start):
    start(sentry_options)
    report()
    sentry_sdk.capture_message("sid=" + S)
def test_log_handler_is_not_the_way_out(start):
    logger = logging.getLogger("shop.apart")
    logger.propagate = False
    logger.handlers = [logging.NullHandler(), EventHandler(), BreadcrumbHandler()]
    start(sentry_options)
    logger.error("sid=" + S)
    logger.handlers.clear()
""",
    )
    told = {name: re.findall(r"Sentry envelope[^,]*, line 3", text) for (name, _), text in result.told.items()}
    assert told == {
        "test_leaks": ['Sentry envelope in Recorder beside "url", line 3'],
        "test_function": ['Sentry envelope in _FunctionTransport beside "message", line 3'],
    }


# --- inside -----------------------------------------------------------------------------


def test_values_that_a_request_has_registered_are_known(pytester: pytest.Pytester) -> None:
    """A registered value is seen while its scope is entered, with no name near it, and is gone from the report."""
    result = watch(
        pytester,
        OTEL
        + """
from redactor import known
def test_log():
    with known.scope():
        known.register(S, "session")
        log.error("signed in as %s", S)
def test_span():
    with known.scope():
        known.register(S, "session")
        trace(spans(), note=S)
def test_not_registered(): log.error("signed in as %s", S[::-1])
""",
        "-rA",
    )
    assert result.told == {
        ("test_log", "call"): leak("captured log", 1, 14),
        ("test_span", "call"): result.told["test_span", "call"],
    }
    assert result.told["test_span", "call"].startswith(
        'failed: a secret leaked: span in InMemorySpanExporter beside "note", line 1'
    )


def test_afterwards_everything_is_as_it_was(pytester: pytest.Pytester) -> None:
    """A run gives back what it has replaced, as the same objects."""
    places = (
        (logging.Handler, "format"),
        (logging.Logger, "callHandlers"),
        (pytest.CaptureFixture, "readouterr"),
        (logs.SimpleLogRecordProcessor, "on_emit"),
        (getattr(logs, IN_MEMORY_RECORDS), "export"),
        (ConsoleSpanExporter, "export"),
        (SpanExporter, "__init_subclass__"),
        (HttpTransport, "capture_envelope"),
    )
    before = [vars(owner).get(name) for owner, name in places]
    result = watch(
        pytester,
        """
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter
        from sentry_sdk.transport import HttpTransport
        def test_inside():
            assert hasattr(ConsoleSpanExporter.export, "__wrapped__")
            assert hasattr(HttpTransport.capture_envelope, "__wrapped__")
            assert hasattr(logging.Handler.format, "__wrapped__")
            assert "__init_subclass__" in vars(SpanExporter)
        """.replace("        ", ""),
    )
    assert result.told == {}
    assert [vars(owner).get(name) for owner, name in places] == before
