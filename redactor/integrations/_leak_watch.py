"""Watches tests for session secrets that get out, fails those tests and cleans every report.

Taps stand behind handlers, before exporters and at the capture fixtures. They look at what
passes at once, while the values that a request has registered are still known, and note
places only. What pytest itself has captured is looked at when it makes its report.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import logging.handlers
import re
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import pytest

from redactor import known
from redactor.integrations._hooks import Replaced
from redactor.integrations._pieces import is_common
from redactor.redactor import Redactor
from redactor.replace import ERROR_PLACEHOLDER, Policy, canonical, read_allowlist
from redactor.testing import Leak, described, find_leaks

__all__ = ["LeakWatch"]

_RecordKey: TypeAlias = tuple[Any, ...]
"""What a log record has in common with its redacted copies and with no other record."""

_UNINSPECTED: Final = "error"
"""The rule of what could not be inspected, as in ``[REDACTED:error]``."""

_Report: TypeAlias = pytest.TestReport | pytest.CollectReport


class LeakWatch:
    """A pytest plugin: fails tests that leak, and takes secrets out of all reports.

    ``allow`` are the paths of allowlists. Raises ``PolicyError`` for one that cannot be
    read, and what making a ``Redactor`` raises. The hooks do not raise: an output that
    cannot be inspected counts as a leak of the rule ``error``, and a report that cannot be
    cleaned reads ``[REDACTED:error]``.
    """

    def __init__(self, allow: Iterable[Path]) -> None:
        allowlist = frozenset[str]().union(*map(read_allowlist, allow))
        # Not the one that hosts share: its summary belongs to the tests.
        redactor = Redactor(policy=Policy(allowlist=allowlist))
        self._secrets = _Secrets(redactor)
        self._notes = _Notes(redactor, self._secrets)
        self._log = _LogTap(self._notes)
        self._reads = _ReadTap(self._notes)
        self._exporters = _ExporterTap(self._notes)
        self._cleaner = _ReportCleaner(redactor, self._secrets)

    def pytest_report_header(self, config: pytest.Config) -> str:
        """Say that tests are watched, and what is not seen."""
        unseen = "; with -s, stdout and stderr are not looked at" if config.getoption("capture") == "no" else ""
        return f"redactor: tests that leak session secrets fail{unseen}"

    def pytest_collection_finish(self) -> None:
        """Forget what was sent while modules were imported: no test is to blame for it."""
        self._notes.take()

    def pytest_runtest_logstart(self) -> None:
        """Forget the secrets of the last test."""
        self._secrets.forget()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Tap what is there before fixtures run."""
        self._tap(item.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Tap what the fixtures have imported."""
        self._tap(item.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Tap what the test has imported."""
        self._tap(item.config)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail the report of a phase in which a secret got out, unless the test is marked ``leak_ok``."""
        report = yield
        try:
            leaks = self._leaks(report)
        except Exception:
            leaks = [Leak(_UNINSPECTED, "report", 1, 1)]
        if leaks and item.get_closest_marker("leak_ok") is None:
            _fail(report, leaks)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Clean a report before anyone prints, stores or sends it."""
        self._cleaner.clean(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Clean the report of a module that could not be imported."""
        self._cleaner.clean(report)

    def pytest_unconfigure(self) -> None:
        """Restore everything."""
        for tap in (self._exporters, self._reads, self._log):
            tap.remove()

    def _tap(self, config: pytest.Config) -> None:
        with suppress(Exception):
            self._log.tap(config.pluginmanager.get_plugin("logging-plugin"))
        with suppress(Exception):
            self._exporters.tap()

    def _leaks(self, report: pytest.TestReport) -> list[Leak]:
        """Return what got out since the last report, each once."""
        for section, text in report.sections:
            place = self._place(section, report.when)
            if place:
                self._notes.look(place, text)
        noted = self._log.settled(self._notes.take())
        return list(dict.fromkeys(leak for leak, _ in noted))

    def _place(self, section: str, when: str) -> str:
        """Return what to call a section of a report; "" for one of an earlier phase, or seen already."""
        title, _, phase = section.rpartition(" ")
        if phase not in ("setup", "call", "teardown"):
            title, phase = section, when
        seen = title == "Captured log" and self._log.sees_captured_log
        return "" if seen or phase != when else title[:1].lower() + title[1:]


def _fail(report: pytest.TestReport, leaks: Sequence[Leak]) -> None:
    """Make the report one of a failure; a failure of the test's own stays and comes first."""
    text = described(leaks)
    if report.failed and report.longrepr:
        add_section = getattr(report.longrepr, "addsection", None)
        if add_section is not None:
            add_section("Leaked secrets", text)
        else:
            report.longrepr = f"{report.longrepr}\n\n{text}"
        return
    report.outcome = "failed"
    report.longrepr = text
    vars(report).pop("wasxfail", None)  # else JUnit's file would call it expected


# --- what has been seen -----------------------------------------------------------------

_MOST_SECRETS: Final = 64
"""How many values a scope of ``redactor.known`` keeps."""


class _Secrets:
    """The secrets that a test has given away, so that its reports can be cleaned of them wherever they are.

    Shows nothing of them. Of more than 64, the last are kept; those that could as well be
    a word, a short number or a one-time code are not.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._low_entropy = frozenset(rule.id for rule in redactor.ruleset.rules if rule.low_entropy)
        self._values: dict[bytes, str] = {}

    def learn(self, output: str | bytes) -> None:
        """Keep the secrets that are in ``output``."""
        data = output if isinstance(output, bytes) else output.encode("utf-8", "surrogatepass")
        for rule, start, end in self._redactor.matches(data):
            for secret in {data[start:end], canonical(data[start:end])}:
                if rule not in self._low_entropy and not is_common(secret):
                    self._values.setdefault(secret, rule)
        while len(self._values) > _MOST_SECRETS:
            self._values.pop(next(iter(self._values)))

    def register(self) -> None:
        """Make them known in the current scope."""
        for secret, rule in list(self._values.items()):
            known.register(secret, rule)

    def forget(self) -> None:
        """Forget them."""
        self._values.clear()


class _Noted(NamedTuple):
    """A leak and, if it is in pytest's own log, the record that it is in."""

    leak: Leak
    record: _RecordKey | None


class _Notes:
    """The leaks that nobody has reported yet, from whichever thread."""

    def __init__(self, redactor: Redactor, secrets: _Secrets) -> None:
        self._redactor = redactor
        self._secrets = secrets
        self._noted: deque[_Noted] = deque()

    def look(self, place: str, output: str | bytes, lines_before: int = 0, record: _RecordKey | None = None) -> None:
        """Note the secrets in ``output``; counts its lines from ``lines_before`` on."""
        for leak in self._found(place, output):
            self._noted.append(_Noted(leak._replace(line=leak.line + lines_before), record))

    def look_in_json(self, place: str, written: bytes) -> None:
        """Note the secrets in JSON, each with the name beside which it stands."""
        for leak in self._found(place, written):
            line = written.split(b"\n")[leak.line - 1]
            names = _JSON_NAME.findall(line[: leak.column - 1])
            beside = f' beside "{names[-1].decode("ascii")}"' if names else ""
            self._noted.append(_Noted(leak._replace(place=place + beside), None))

    def _found(self, place: str, output: str | bytes) -> list[Leak]:
        try:
            leaks = find_leaks(output, place, self._redactor)
            if leaks:
                self._secrets.learn(output)
        except Exception:
            leaks = [Leak(_UNINSPECTED, place, 1, 1)]
        return leaks

    def failed(self, place: str) -> None:
        """Note that what went out at ``place`` could not be inspected."""
        self._noted.append(_Noted(Leak(_UNINSPECTED, place, 1, 1), None))

    def take(self) -> list[_Noted]:
        """Return all notes, and forget them."""
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(self._noted.popleft())
        return taken


# --- logging ----------------------------------------------------------------------------

_PASS_ON: Final = ("sentry_sdk.", "opentelemetry.")
"""Packages whose handlers format a record for a host that may clean it yet; its exporters are tapped."""


class _LogTap:
    """Stands behind ``logging.Handler.format``, and behind whatever else wraps it: sees what handlers send.

    What the application's own handlers make of a record counts more than what pytest's
    log, which is nobody's output, makes of it: that counts for records that no other
    handler has formatted.
    """

    def __init__(self, notes: _Notes) -> None:
        self._notes = notes
        self._replaced = Replaced()
        self._removed = False
        self._captured: Any = None
        """The handler that writes pytest's captured log."""
        self._lines: Counter[str] = Counter()
        self._formatted: set[_RecordKey] = set()
        base = self._format(logging.Handler.format)
        self._ours = {base}
        """The functions that are in place of ``Handler.format``."""
        self._replaced.put(logging.Handler, "format", base)
        for kind, name in ((logging.Logger, "callHandlers"), (logging.handlers.QueueListener, "handle")):
            self._replaced.put(kind, name, self._dispatch(getattr(kind, name)))

    @property
    def sees_captured_log(self) -> bool:
        """Whether what pytest's captured log holds has been looked at already."""
        return self._captured is not None

    def tap(self, logging_plugin: Any) -> None:
        """Know pytest's own handler, which is not there before tests run."""
        self._captured = getattr(logging_plugin, "report_handler", None)

    def settled(self, noted: Iterable[_Noted]) -> list[_Noted]:
        """Return ``noted`` without the records of pytest's log that other handlers have sent, and begin anew."""
        kept = [each for each in noted if each.record not in self._formatted]
        self._formatted.clear()
        self._lines.clear()
        return kept

    def remove(self) -> None:
        """Restore everything; what someone else has wrapped since only passes on."""
        self._removed = True
        self._replaced.give_back()

    def _format(self, wrapped: Any) -> Any:
        @functools.wraps(wrapped)
        def format(handler: logging.Handler, record: logging.LogRecord) -> Any:  # noqa: A001
            __tracebackhide__ = True
            text = wrapped(handler, record)
            # Of several only the outermost sees what is sent.
            if vars(logging.Handler)["format"] is format and not self._removed:
                self._formatted_by(handler, record, text)
            return text

        return format

    def _dispatch(self, wrapped: Any) -> Any:
        @functools.wraps(wrapped)
        def dispatch(*args: Any) -> Any:
            __tracebackhide__ = True
            outermost = logging.Handler.format
            if self._removed or outermost in self._ours:
                return wrapped(*args)
            # A test or a fixture has installed redaction. It finds things as it left them when it restores them.
            ours = self._format(outermost)
            self._ours.add(ours)
            above = Replaced()
            above.put(logging.Handler, "format", ours)
            try:
                return wrapped(*args)
            finally:
                above.give_back()
                self._ours.discard(ours)

        return dispatch

    def _formatted_by(self, handler: logging.Handler, record: logging.LogRecord, text: object) -> None:
        kind = type(handler)
        if isinstance(handler, logging.handlers.QueueHandler) or kind.__module__.startswith(_PASS_ON):
            return
        if handler is self._captured:
            self._look("captured log", text, _key(record))
        elif not kind.__module__.startswith("_pytest."):
            self._formatted.add(_key(record))
            self._look(f"log handler {kind.__name__}", text, None)

    def _look(self, place: str, text: object, record: _RecordKey | None) -> None:
        if isinstance(text, str):
            self._notes.look(place, text, self._lines[place], record)
            self._lines[place] += text.count("\n") + 1
        else:
            self._notes.failed(place)


def _key(record: logging.LogRecord) -> _RecordKey:
    return record.created, record.thread, record.pathname, record.lineno


# --- capture fixtures -------------------------------------------------------------------


class _ReadTap:
    """Looks at what a test reads with ``capsys``, ``capfd`` and the like: no report shows that any more."""

    def __init__(self, notes: _Notes) -> None:
        self._replaced = Replaced()
        wrapped = pytest.CaptureFixture.readouterr

        @functools.wraps(wrapped)
        def readouterr(fixture: pytest.CaptureFixture[Any]) -> Any:
            captured = wrapped(fixture)
            for stream, output in zip(("stdout", "stderr"), captured, strict=True):
                notes.look(f"{stream} read by {fixture.request.fixturename}", output)
            return captured

        self._replaced.put(pytest.CaptureFixture, "readouterr", readouterr)

    def remove(self) -> None:
        """Restore everything."""
        self._replaced.give_back()


# --- exporters --------------------------------------------------------------------------

_JSON_NAME: Final = re.compile(rb'(?<!\\)"([A-Za-z_][A-Za-z0-9_.\-]{0,63})": ?')

_READ: Final = (
    *("resource_metrics", "scope_metrics", "metrics", "data", "data_points", "exemplars", "filtered_attributes"),
    *("log_record", "body", "event_name", "severity_text", "name", "description", "attributes", "events", "links"),
    *("status", "context", "resource", "scope", "instrumentation_scope", "version", "schema_url"),
)
"""The attributes by which the parts of spans, log records and metrics show what they hold."""


def _each(batch: Any) -> Iterator[bytes]:
    for item in batch:
        yield _as_json(item)


def _whole(data: Any) -> Iterator[bytes]:
    yield _as_json(data)


def _serialized(envelope: Any) -> Iterator[bytes]:
    yield envelope.serialize()


class _Output(NamedTuple):
    """A kind of exporter: its abstract class, the method that is given the data, and how to read those."""

    module: str
    base: str
    method: str
    noun: str
    written: Callable[[Any], Iterable[bytes]]


_OUTPUTS: Final = (
    _Output("opentelemetry.sdk.trace.export", "SpanExporter", "export", "span", _each),
    _Output("opentelemetry.sdk._logs.export", "LogRecordExporter", "export", "log record", _each),
    _Output("opentelemetry.sdk._logs.export", "LogExporter", "export", "log record", _each),
    _Output("opentelemetry.sdk.metrics.export", "MetricExporter", "export", "metrics", _whole),
    # Readers without an exporter, as tests use them; there is no public method for it.
    _Output("opentelemetry.sdk.metrics.export", "MetricReader", "_receive_metrics", "metrics", _whole),
    _Output("sentry_sdk.transport", "Transport", "capture_envelope", "Sentry envelope", _serialized),
)


class _ExporterTap:
    """Stands before the method of every class of exporter that is there or comes into being.

    An exporter that passes on to another one of its kind, as a redacting one does, is not
    judged: only what the last one is given goes out. Imports no host.
    """

    def __init__(self, notes: _Notes) -> None:
        self._notes = notes
        self._replaced = Replaced()
        self._tapped: set[type] = set()
        self._here = threading.local()
        self._removed = False

    def tap(self) -> None:
        """Tap the exporters of the hosts that are imported by now."""
        for output in _OUTPUTS:
            base = getattr(sys.modules.get(output.module), output.base, None)
            if base is not None:
                self._tap_tree(base, output)

    def remove(self) -> None:
        """Restore everything."""
        self._removed = True
        self._replaced.give_back()

    def _tap_tree(self, base: type, output: _Output) -> None:
        if base not in self._tapped:
            self._tap_later_ones(base, output)
        waiting = [base]
        while waiting:
            kind = waiting.pop()
            self._tap_class(kind, output)
            waiting += kind.__subclasses__()

    def _tap_class(self, kind: type, output: _Output) -> None:
        """Tap a class that has the method itself, unless it is abstract."""
        if kind in self._tapped:
            return
        self._tapped.add(kind)
        method = vars(kind).get(output.method)
        if callable(method) and not getattr(method, "__isabstractmethod__", False):
            self._replaced.put(kind, output.method, self._wrapped(method, output))

    def _tap_later_ones(self, base: Any, output: _Output) -> None:
        """Hear of the classes that are derived from ``base`` from now on."""

        def __init_subclass__(kind: Any, /, **kwargs: Any) -> None:  # noqa: N807
            super(base, kind).__init_subclass__(**kwargs)
            if not self._removed:
                self._tap_class(kind, output)

        if "__init_subclass__" not in vars(base):
            self._replaced.put(base, "__init_subclass__", classmethod(__init_subclass__))

    def _wrapped(self, wrapped: Callable[..., Any], output: _Output) -> Callable[..., Any]:
        @functools.wraps(wrapped)
        def export(exporter: Any, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            calls: list[bool] = vars(self._here).setdefault(output.noun, [])
            calls[:] = [False] * len(calls)
            calls.append(True)
            try:
                return wrapped(exporter, *args, **kwargs)
            finally:
                if calls.pop() and not self._removed:
                    self._exported(exporter, output, (*args, *kwargs.values()))

        return export

    def _exported(self, exporter: Any, output: _Output, arguments: Sequence[Any]) -> None:
        place = f"{output.noun} in {type(exporter).__name__}"
        try:
            for written in output.written(arguments[0]):
                self._notes.look_in_json(place, written)
        except Exception:
            self._notes.failed(place)


def _as_json(data: Any) -> bytes:
    """Return what an exporter was given as one line of JSON."""
    return json.dumps(data, default=_public, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _public(data: Any) -> Any:
    """Return what JSON has no form for as something that it has one for."""
    if isinstance(data, Mapping):
        return {str(key): value for key, value in data.items()}
    if isinstance(data, bytes):
        return data.decode("utf-8", "replace")
    if isinstance(data, Enum):
        return data.name
    if isinstance(data, Sequence | Set):
        return list(data)
    return {name: getattr(data, name) for name in _READ if hasattr(data, name)} or str(data)


# --- reports ----------------------------------------------------------------------------


class _ReportCleaner:
    """Takes secrets out of reports: what was printed and logged, tracebacks with their locals, properties.

    What the test has given away, or a part of the report does, is removed from all of it.
    """

    def __init__(self, redactor: Redactor, secrets: _Secrets) -> None:
        self._redactor = redactor
        self._secrets = secrets

    def clean(self, report: _Report) -> None:
        """Clean ``report`` in place; never raises."""
        try:
            self._clean(report)
        except Exception:
            report.sections = []
            report.longrepr = report.longrepr and ERROR_PLACEHOLDER

    def _clean(self, report: _Report) -> None:
        for text in (*(text for _, text in report.sections), str(report.longrepr or "")):
            self._secrets.learn(text)
        with known.scope():
            self._secrets.register()
            report.sections = [(name, self._redactor.text(text)) for name, text in report.sections]
            report.longrepr = self._longrepr(report.longrepr)
            for name in ("user_properties", "wasxfail"):
                if name in vars(report):
                    setattr(report, name, self._redactor.value(vars(report)[name]))

    def _longrepr(self, longrepr: Any) -> Any:
        if longrepr is None or isinstance(longrepr, str | tuple) or hasattr(longrepr, "reprtraceback"):
            return self._part(longrepr)
        text = str(longrepr)
        clean = self._redactor.text(text)
        return longrepr if clean == text else clean

    def _part(self, part: Any) -> Any:
        """Return a part of a traceback's representation without secrets; its objects are changed in place."""
        if isinstance(part, str):
            return self._redactor.text(part)
        if isinstance(part, list | tuple):
            return self._items(part)
        if dataclasses.is_dataclass(part):
            for field, value in list(vars(part).items()):
                setattr(part, field, self._part(value))
        return part

    def _items(self, items: Any) -> Any:
        texts = all(isinstance(item, str) for item in items)
        if texts and isinstance(items, tuple) and len(items) == 2:
            return self._argument(*items)
        if texts and isinstance(items, list):
            return self._lines(items)
        return type(items)(self._part(item) for item in items)

    def _argument(self, name: str, value: str) -> tuple[str, str]:
        """Judge an argument of a function by its name."""
        before = f"{name} = "
        clean = self._redactor.text(before + value)
        return name, clean.removeprefix(before) if clean.startswith(before) else ERROR_PLACEHOLDER

    def _lines(self, lines: list[str]) -> list[str]:
        """Judge lines together: a name and its value may be on two of them."""
        ended = all(line.endswith("\n") for line in lines)
        text = ("" if ended else "\n").join(lines)
        clean = self._redactor.text(text)
        if clean == text:
            return lines
        return clean.splitlines(keepends=True) if ended else clean.split("\n")
