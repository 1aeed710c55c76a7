"""structlog: what is rendered has no secret, and is else what it was."""

from __future__ import annotations

import copy
import io
import json
import logging
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import structlog

from redactor import Policy, Redactor
from redactor.integrations.structlog import Installation, RedactingProcessor, RedactingRenderer, install

OPAQUE = "q7Xw2LkR9vTz4BnM8sYd"
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0"
    ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)
KINDS = {
    "jwt": (f"login {JWT}", JWT, "[REDACTED:jwt]"),
    "cookie": (f"Cookie: sessionid={OPAQUE}; theme=dark", OPAQUE, "[REDACTED:session]"),
    "bearer": (f"Authorization: Bearer {OPAQUE}", OPAQUE, "[REDACTED:bearer]"),
    "opaque": (f"session_id={OPAQUE}", OPAQUE, "[REDACTED:session]"),
    "csrf": (f"csrftoken={OPAQUE}", OPAQUE, "[REDACTED:csrf]"),
    "clean": ("order 4711 placed in 23 ms", "", ""),
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": lambda text: quote(text, safe=""),
    "json": lambda text: json.dumps({"note": text}),
}
RICH = structlog.dev.RichTracebackFormatter(width=100, color_system="truecolor")
RENDERERS: dict[str, Callable[[], Any]] = {
    "json": structlog.processors.JSONRenderer,
    "orjson": lambda: structlog.processors.JSONRenderer(serializer=orjson.dumps),
    "logfmt": structlog.processors.LogfmtRenderer,
    "key-value": structlog.processors.KeyValueRenderer,
    "console": lambda: structlog.dev.ConsoleRenderer(0, colors=False),
    "colours": lambda: structlog.dev.ConsoleRenderer(0, colors=True),
}


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def logger(*processors: Any) -> tuple[Any, list[Any]]:
    """Return a logger and the list of what its chain hands to the output."""
    written: list[Any] = []

    class Output:
        def msg(self, message: Any) -> None:
            written.append(message)

        info = error = msg

    return structlog.wrap_logger(Output(), processors=list(processors)), written


def log_event(log: Any, text: str) -> None:
    log.info(text, ms=23)


def log_value(log: Any, text: str) -> None:
    log.info("request", note=text, ms=23)


def log_nested(log: Any, text: str) -> None:
    log.info("request", data={"list": [1, {"note": text}]})


def log_bound(log: Any, text: str) -> None:
    log.bind(note=text).info("request")


def log_context(log: Any, text: str) -> None:
    with structlog.contextvars.bound_contextvars(note=text):
        log.info("request")


PATHS = {"event": log_event, "value": log_value, "nested": log_nested, "bound": log_bound, "context": log_context}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("renderer", RENDERERS)
def test_renderers(renderer: str, path: str, kind: str, spelling: str, redactor: Redactor) -> None:
    """A renderer returns what it returns without us, with a placeholder in the place of the secret."""
    text, secret, shown = KINDS[kind]
    text = SPELLINGS[spelling](text)
    make = RENDERERS[renderer]
    merge = structlog.contextvars.merge_contextvars
    bare, expected = logger(merge, make())
    ours, written = logger(merge, RedactingRenderer(make(), redactor))
    PATHS[path](bare, text)
    PATHS[path](ours, text)
    if isinstance(expected[0], bytes):
        secret, shown = secret.encode(), shown.encode()  # type: ignore[assignment]
    assert written == [expected[0].replace(secret, shown) if secret else expected[0]]


def test_processor(redactor: Redactor) -> None:
    """A value is judged by its key, goes from the whole event, and nothing of the application's changes."""
    held = {"session_id": OPAQUE, "deep": [{"note": f"token={JWT}"}], "n": 7}
    event = {"event": f"login {OPAQUE}", "held": held, "user": "kim"}
    before = copy.deepcopy(event)
    assert RedactingProcessor(redactor)(None, "info", event) == {
        "event": "login [REDACTED:session]",
        "held": {"session_id": "[REDACTED:session]", "deep": [{"note": "token=[REDACTED:jwt]"}], "n": 7},
        "user": "kim",
    }
    assert event == before
    clean = {"event": "hello", "held": {"n": [1, 2]}}
    assert RedactingProcessor(redactor)(None, "info", clean) is clean


def login(session_id: str, thing: str) -> None:
    holder = type("Holder", (), {})()
    holder.csrf_token = f"{session_id}csrf"
    kept = {"refresh_token": session_id[::-1] * 3, "raw": thing.encode()}
    raise ValueError(f"session_id={session_id} {len(kept)}")


def failing() -> None:
    try:
        login(OPAQUE, JWT)
    except ValueError as error:
        error.add_note(f"token={JWT}")
        raise RuntimeError("outer") from error


TRACEBACKS: dict[str, list[Any]] = {
    "rich": [lambda: structlog.dev.ConsoleRenderer(colors=True, exception_formatter=RICH)],
    "rich narrow": [
        lambda: structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.RichTracebackFormatter(color_system=None, width=60)
        )
    ],
    "plain": [lambda: structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
    "formatted": [lambda: structlog.processors.format_exc_info, structlog.processors.JSONRenderer],
    "dictionaries": [lambda: structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer],
    "raw": [structlog.processors.JSONRenderer],
}


@pytest.mark.parametrize("chain", TRACEBACKS)
def test_tracebacks(chain: str, redactor: Redactor) -> None:
    """No part of a secret of 12 characters or more is in a traceback, its local variables and notes."""
    *first, last = [make() for make in TRACEBACKS[chain]]
    log, written = logger(*first, RedactingRenderer(last, redactor))
    try:
        failing()
    except RuntimeError:
        log.error("failed", exc_info=True)
    assert "ValueError" in written[0] or chain == "raw"
    for secret in (OPAQUE, JWT, f"{OPAQUE}csrf", OPAQUE[::-1] * 3):
        for start in range(len(secret) - 11):
            assert secret[start : start + 12] not in written[0]


def harmless() -> ValueError:
    order, note = 4711, "in 23 ms"
    try:
        raise ValueError(f"plain {order} {note}")
    except ValueError as error:
        return error


@pytest.mark.parametrize("chain", [chain for chain in TRACEBACKS if chain != "raw"])
def test_clean_tracebacks(chain: str, redactor: Redactor) -> None:
    """A traceback without secrets is rendered as it is without us."""
    error = harmless()
    outputs = []
    for wrap in (lambda renderer: renderer, lambda renderer: RedactingRenderer(renderer, redactor)):
        *first, last = [make() for make in TRACEBACKS[chain]]
        log, written = logger(*first, wrap(last))
        log.error("failed", exc_info=error, n=4711)
        outputs.append(written)
    assert outputs[0] == outputs[1]
    assert "ValueError" in outputs[0][0]


@pytest.mark.parametrize("given", ["true", "tuple", "exception"])
def test_exception_spellings(given: str, redactor: Redactor) -> None:
    """Each way of giving an exception keeps its form and loses the secrets."""
    error = ValueError(f"session_id={OPAQUE}")
    try:
        raise error
    except ValueError:
        exc_info = {"true": True, "tuple": sys.exc_info(), "exception": error}[given]
        event = RedactingProcessor(redactor)(None, "error", {"event": "x", "exc_info": exc_info})
    made = event["exc_info"] if given == "exception" else event["exc_info"][1]
    assert isinstance(event["exc_info"], ValueError if given == "exception" else tuple)
    assert (str(made), made.__traceback__) == ("session_id=[REDACTED:session]", error.__traceback__)
    assert str(error) == f"session_id={OPAQUE}"


def formatter(redactor: Redactor | None) -> logging.Formatter:
    renderer: Any = structlog.processors.JSONRenderer()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer if redactor is None else RedactingRenderer(renderer, redactor),
        ],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_processor_formatter(kind: str, redactor: Redactor) -> None:
    """Events of structlog and records of logging that share a ProcessorFormatter are both clean."""
    text, secret, shown = KINDS[kind]
    outputs = []
    for used in (None, redactor):
        tree = logging.Manager(logging.RootLogger(logging.DEBUG)).getLogger("shop.test")
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter(used))
        tree.addHandler(handler)
        event = structlog.wrap_logger(
            tree,
            processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        event.info("request", note=text)
        tree.info("got %s", text, extra={"n": text})
        try:
            raise ValueError(text)
        except ValueError:
            event.exception("failed")
        outputs.append(stream.getvalue())
        handler.close()
    assert outputs[1] == (outputs[0].replace(secret, shown) if secret else outputs[0])


def test_wrap_for_formatter(redactor: Redactor) -> None:
    """Around wrap_for_formatter, the event that goes on to logging is clean and the rest is untouched."""
    wrapped = RedactingRenderer(structlog.stdlib.ProcessorFormatter.wrap_for_formatter, redactor)
    marker = object()
    args, kwargs = wrapped(marker, "info", {"event": "x", "session_id": OPAQUE})
    assert args == ({"event": "x", "session_id": "[REDACTED:session]"},)
    assert kwargs == {"extra": {"_logger": marker, "_name": "info"}}


def test_printed_objects(redactor: Redactor) -> None:
    """A secret that only the text of an object shows goes from the rendered text."""

    class Request:
        def __repr__(self) -> str:
            return f"<Request session_id={OPAQUE}>"

    log, written = logger(RedactingRenderer(structlog.processors.KeyValueRenderer(), redactor))
    log.info("x", request=Request())
    assert written == ["request=<Request session_id=[REDACTED:session]> event='x'"]


def test_drop_event(redactor: Redactor) -> None:
    """A renderer that drops an event or raises does so as it does without us."""

    def drop(*_: Any) -> Any:
        raise structlog.DropEvent

    def fail(*_: Any) -> Any:
        raise LookupError("renderer")

    log, written = logger(RedactingRenderer(drop, redactor))
    log.info("x")
    assert written == []
    log, written = logger(RedactingRenderer(fail, redactor))
    with pytest.raises(LookupError, match="renderer"):
        log.info("x")


class Broken(Redactor):
    """A redactor whose every method raises, as none should."""

    def text(self, text: str) -> str:
        raise RuntimeError(OPAQUE)

    def value(self, value: Any) -> Any:
        raise RuntimeError(OPAQUE)

    def bytes(self, data: Any) -> Any:
        raise RuntimeError(OPAQUE)


def test_our_failure(redactor: Redactor) -> None:
    """If we fail, events keep their keys and level and read [REDACTED:error], and nothing raises."""
    broken = copy.copy(redactor)
    broken.__class__ = Broken
    marker = object()
    event = {"event": OPAQUE, "level": "info", "n": 7, "held": {"a": OPAQUE}, "exc_info": True, "_record": marker}
    assert RedactingProcessor(broken)(None, "info", event) == {
        "event": "[REDACTED:error]",
        "level": "info",
        "n": 7,
        "held": "[REDACTED:error]",
        "_record": marker,
    }
    for make in RENDERERS.values():
        rendered = RedactingRenderer(make(), broken)(None, "info", {"event": OPAQUE})
        assert rendered in ("[REDACTED:error]", b"[REDACTED:error]")


def test_evil_values(redactor: Redactor) -> None:
    """Cycles, depth, large strings and objects that raise are the renderer's business, as without us."""

    class Evil:
        def __repr__(self) -> str:
            raise LookupError("no repr")

    cycle: list[Any] = []
    cycle.append(cycle)
    filler = "x y z " * (10_000_000 // 12)
    log, written = logger(RedactingRenderer(structlog.processors.KeyValueRenderer(), redactor))
    log.info("x", cycle=cycle)
    log.info(f"{filler} session_id={OPAQUE} {filler}")
    with pytest.raises(LookupError, match="no repr"):
        log.info("x", evil=Evil())
    assert written == ["cycle=[[...]] event='x'", f"event='{filler} session_id=[REDACTED:session] {filler}'"]


def test_threads(redactor: Redactor) -> None:
    """Eight threads that log 20,000 events lose none and garble none."""
    log, written = logger(RedactingRenderer(structlog.processors.LogfmtRenderer(), redactor))

    def work(thread: int) -> None:
        for number in range(2500):
            log.info(number, thread=thread, session_id=OPAQUE)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(written) == Counter(
        f"thread={thread} session_id=[REDACTED:session] event={number}" for thread in range(8) for number in range(2500)
    )


def test_module_name() -> None:
    """Our module is called like its host and imports the host, not itself."""
    code = "import redactor.integrations.structlog as ours, structlog; print(structlog.get_logger.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "structlog._config\n"


# --- install ------------------------------------------------------------------------------


@pytest.fixture
def installed(redactor: Redactor) -> Iterator[Installation]:
    installation = install(redactor)
    yield installation
    installation.uninstall()


def test_installed(installed: Installation) -> None:
    """A logger with processors of its own is covered, and the list of them stays as it is."""
    processors = [structlog.processors.add_log_level, structlog.processors.JSONRenderer()]
    log, written = logger()
    log = structlog.wrap_logger(log._logger, processors=processors)
    log.info(f"session_id={OPAQUE}", csrf_token=OPAQUE, n=7)
    assert [json.loads(line) for line in written] == [
        {"csrf_token": "[REDACTED:csrf]", "n": 7, "event": "session_id=[REDACTED:session]", "level": "info"}
    ]
    assert [type(each).__name__ for each in processors] == ["function", "JSONRenderer"]


def test_installed_without_processors(installed: Installation) -> None:
    """A chain of no processors hands on a clean event."""
    output = structlog.testing.CapturingLogger()
    structlog.wrap_logger(output, processors=[]).info("hello", session_id=OPAQUE)
    assert output.calls[0].kwargs == {"session_id": "[REDACTED:session]", "event": "hello"}


def test_installed_beside_explicit(installed: Installation) -> None:
    """A chain that ends in a renderer of ours keeps its own redactor."""
    masking = Redactor(policy=Policy(redaction="mask"))
    log, written = logger(RedactingRenderer(structlog.processors.KeyValueRenderer(), masking))
    log.info(f"sid={OPAQUE}")
    assert written == ["event='sid=********'"]


def test_installed_again(installed: Installation) -> None:
    """Chains that have been used before get the redactor that is installed last."""
    log, written = logger(structlog.processors.KeyValueRenderer())
    log.info(f"sid={OPAQUE}")
    assert install(Redactor(policy=Policy(redaction="mask"))) is installed
    log.info(f"sid={OPAQUE}")
    assert written == ["event='sid=[REDACTED:session]'", "event='sid=********'"]


def test_installed_keeps_errors_and_drops(installed: Installation) -> None:
    """Events that a processor drops are dropped, errors of processors are their own, and captured logs are clean."""

    def fail(logger: Any, name: str, event: Any) -> Any:
        raise structlog.DropEvent if event["event"] == "drop" else LookupError("own")

    log, written = logger(fail)
    log.info("drop")
    with pytest.raises(LookupError, match="own"):
        log.info("fail")
    with structlog.testing.capture_logs() as captured:
        structlog.get_logger().info("hello", session_id=OPAQUE)
    assert captured == [{"session_id": "[REDACTED:session]", "event": "hello", "log_level": "info"}]
    assert written == []


def test_uninstalled(redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    """After uninstalling, also where someone has wrapped the method since, events pass as without us."""
    kind, name = structlog.BoundLoggerBase, "_process_event"
    original = vars(kind)[name]
    installation = install(redactor)
    hooked = vars(kind)[name]
    wrapped = lambda *args, **kwargs: hooked(*args, **kwargs)  # noqa: E731
    monkeypatch.setattr(kind, name, wrapped)
    installation.uninstall()
    assert (vars(kind)[name], installation.covered) == (wrapped, ())
    log, written = logger(structlog.processors.KeyValueRenderer())
    log.info(f"sid={OPAQUE}")
    assert written == [f"event='sid={OPAQUE}'"]
    monkeypatch.setattr(kind, name, original)
