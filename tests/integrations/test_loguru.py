"""loguru: what reaches a sink has no secret, and is else what it was."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import loguru
import pytest
from loguru import logger

from redactor import Policy, Redactor
from redactor.integrations.loguru import Installation, RedactingPatcher, RedactingSink, install, redacting_sink

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
FORMAT = "{level} {message} | {extra}"


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    logger.remove()
    yield
    logger.remove()
    logger.configure(patcher=lambda record: None)


def log_exception(text: str) -> None:
    try:
        try:
            raise KeyError(text)
        except KeyError as error:
            error.add_note(text)
            raise ValueError("outer") from error
    except ValueError:
        logger.exception("failed")


PATHS: dict[str, Callable[[str], None]] = {
    "message": lambda text: logger.info(text.replace("{", "{{").replace("}", "}}")) if "{" not in text else None,
    "argument": lambda text: logger.info("got {}", text),
    "keyword": lambda text: logger.info("got {note}", note=text),
    "bound": lambda text: logger.bind(note=text).info("hello"),
    "context": lambda text: _in_context(text),
    "lazy": lambda text: logger.opt(lazy=True).info("got {}", lambda: text),
    "colours": lambda text: logger.opt(colors=True).info("<red>got</red> {}", text),
    "exception": log_exception,
}


def _in_context(text: str) -> None:
    with logger.contextualize(data={"note": text}):
        logger.info("hello")


def written(path: str, text: str, redactor: Redactor | None, *, patch: bool, wrap: bool, **options: Any) -> str:
    stream = io.StringIO()
    sink: Any = stream if redactor is None or not wrap else redacting_sink(stream, redactor)
    patcher = RedactingPatcher(redactor) if redactor is not None and patch else lambda record: None
    options = {"format": FORMAT, "diagnose": False, "backtrace": False, **options}
    logger.configure(handlers=[{"sink": sink, **options}], patcher=patcher)
    PATHS[path](text)
    logger.complete()
    return stream.getvalue()


@pytest.mark.parametrize("wiring", ["patcher", "sink", "both"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_stream(path: str, kind: str, spelling: str, wiring: str, redactor: Redactor) -> None:
    """A stream gets the bytes it gets without us, with a placeholder in the place of the secret."""
    text, secret, shown = KINDS[kind]
    text = SPELLINGS[spelling](text)
    bare = written(path, text, None, patch=False, wrap=False)
    ours = written(path, text, redactor, patch=wiring != "sink", wrap=wiring != "patcher")
    assert ours == (bare.replace(secret, shown) if secret else bare)


@pytest.mark.parametrize("colorize", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_enqueue_and_colours(path: str, kind: str, colorize: bool, redactor: Redactor) -> None:
    """Messages that pass through loguru's queue, coloured or not, are clean."""
    text, secret, shown = KINDS[kind]
    bare = written(path, text, None, patch=False, wrap=False, colorize=colorize, enqueue=True)
    ours = written(path, text, redactor, patch=True, wrap=True, colorize=colorize, enqueue=True)
    if path == "colours" and secret:  # loguru drops the message's own colours when a patcher changes it
        bare, ours = _plain(bare), _plain(ours)
    assert ours == (bare.replace(secret, shown) if secret else bare)


def _plain(text: str) -> str:
    return text.replace("\x1b[31m", "").replace("\x1b[0m", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_serialize(path: str, kind: str, redactor: Redactor) -> None:
    """Serialised records are JSON without a secret in any field."""
    text, secret, shown = KINDS[kind]
    line = written(path, text, redactor, patch=True, wrap=True, serialize=True)
    record = json.loads(line)
    assert record["record"]["level"]["name"] in ("INFO", "ERROR")
    if secret:
        assert secret not in line
        assert shown in line


def login(session_id: str, thing: str, holder: Any) -> None:
    [session_id, thing, holder.csrf_token].index(7)


class Holder:
    def __init__(self, token: str) -> None:
        self.csrf_token = token


@pytest.mark.parametrize("colorize", [True, False])
@pytest.mark.parametrize("wiring", ["sink", "both"])
def test_diagnose(wiring: str, colorize: bool, redactor: Redactor) -> None:
    """No part of a secret of 12 characters or more is among the values that diagnose prints."""
    stream = io.StringIO()
    patcher = RedactingPatcher(redactor) if wiring == "both" else lambda record: None
    handler = {"sink": redacting_sink(stream, redactor), "diagnose": True, "backtrace": True, "colorize": colorize}
    logger.configure(handlers=[handler], patcher=patcher)
    session_id, holder, cookies = OPAQUE, Holder(OPAQUE[::-1] * 9), {"sessionid": OPAQUE[5:] + OPAQUE}
    try:
        login(session_id, JWT, holder)
    except ValueError:
        logger.exception("failed for {}", len(cookies))
    output = stream.getvalue()
    assert "ValueError" in output
    assert "[REDACTED:session]" in output
    for secret in (OPAQUE, JWT, OPAQUE[::-1] * 9):
        for start in range(len(secret) - 11):
            assert secret[start : start + 12] not in output


def test_clean_diagnose(redactor: Redactor) -> None:
    """Without secrets, what diagnose prints is what it prints without us."""
    outputs = []
    holder = Holder("c")
    for wrap in (False, True):
        stream = io.StringIO()
        sink = redacting_sink(stream, redactor) if wrap else stream
        logger.configure(handlers=[{"sink": sink, "diagnose": True, "backtrace": False, "format": FORMAT}])
        try:
            login("a", "b", holder)
        except ValueError:
            logger.exception("failed")
        outputs.append(stream.getvalue())
    assert outputs[0] == outputs[1]
    assert "└ 'a'" in outputs[0] or "-> 'a'" in outputs[0]


def test_beside_its_name(redactor: Redactor) -> None:
    """A value in extra is judged by its name and goes from the message too; the application's objects stay."""
    stream = io.StringIO()
    held = {"token": JWT}
    handler = {"sink": redacting_sink(stream, redactor), "format": FORMAT}
    logger.configure(handlers=[handler], patcher=RedactingPatcher(redactor))
    logger.info("login {session_id}", session_id=OPAQUE, held=held)
    assert stream.getvalue() == (
        "INFO login [REDACTED:session] | {'session_id': '[REDACTED:session]', 'held': {'token': '[REDACTED:jwt]'}}\n"
    )
    assert held == {"token": JWT}


def test_sinks(redactor: Redactor, tmp_path: Path) -> None:
    """Functions, coroutine functions, paths and objects with write each get clean messages with clean records."""
    messages: list[loguru.Message] = []
    later: list[loguru.Message] = []

    async def coroutine(message: loguru.Message) -> None:
        later.append(message)

    class Output:
        encoding = "utf-8"
        stopped = False

        def __init__(self) -> None:
            self.lines: list[str] = []

        def write(self, message: str) -> None:
            self.lines.append(message)

        def stop(self) -> None:
            self.stopped = True

    output = Output()
    target = tmp_path / "app.log"

    async def run() -> None:
        for sink in (messages.append, coroutine, output):
            logger.add(redacting_sink(sink, redactor), format="{message}")
        logger.add(redacting_sink(target, redactor, rotation="10 MB", encoding="utf-8"), format="{message}")
        logger.bind(session_id=OPAQUE).info(f"login {JWT}")
        await logger.complete()

    asyncio.run(run())
    logger.remove()
    assert [*messages, *later, *output.lines, target.read_text()] == ["login [REDACTED:jwt]\n"] * 4
    for message in (*messages, *later):
        assert message.record["extra"] == {"session_id": "[REDACTED:session]"}
        assert message.record["message"] == "login [REDACTED:jwt]"
    assert output.stopped
    assert redacting_sink(output, redactor).encoding == "utf-8"
    assert isinstance(redacting_sink(output, redactor), RedactingSink)
    assert repr(redacting_sink(sys.__stdout__, redactor)).startswith("<RedactingSink of <_io.")


def test_clean_messages_are_the_same_objects(redactor: Redactor) -> None:
    """A clean message goes on as the object that loguru made."""
    seen: list[Any] = []
    sink = redacting_sink(seen.append, redactor)
    logger.add(sink, format="{message}")
    logger.add(seen.append, format="{message}")
    logger.info("order {} placed", 4711)
    assert seen == ["order 4711 placed\n"] * 2
    assert seen[0].record is seen[1].record


def test_refused_sinks(redactor: Redactor) -> None:
    """A logging handler and an option that only files take are refused in set-up, not later."""
    with pytest.raises(TypeError, match=r"redactor\.integrations\.stdlib"):
        redacting_sink(logging.NullHandler(), redactor)
    with pytest.raises(TypeError, match="rotation"):
        redacting_sink(sys.stderr, redactor, rotation="1 MB")


def test_patcher_chain(redactor: Redactor) -> None:
    """A patcher of the application's runs first, so that what it adds is clean."""

    def add(record: loguru.Record) -> None:
        record["extra"]["session_id"] = OPAQUE

    stream = io.StringIO()
    logger.configure(handlers=[{"sink": stream, "format": FORMAT}], patcher=RedactingPatcher(redactor, after=add))
    logger.info("hello")
    assert stream.getvalue() == "INFO hello | {'session_id': '[REDACTED:session]'}\n"


def test_patcher_pickles() -> None:
    """A patcher with the default redactor travels to a spawned process with the logger."""
    patcher = pickle.loads(pickle.dumps(RedactingPatcher()))
    record: Any = {"message": f"login {JWT}", "extra": {}, "exception": None}
    patcher(record)
    assert record["message"] == "login [REDACTED:jwt]"


class Broken(Redactor):
    """A redactor whose every method raises, as none should."""

    def text(self, text: str) -> str:
        raise RuntimeError(OPAQUE)

    def value(self, value: Any) -> Any:
        raise RuntimeError(OPAQUE)


@pytest.mark.parametrize("wiring", ["patcher", "sink", "both"])
@pytest.mark.parametrize("path", PATHS)
def test_our_failure(path: str, wiring: str, redactor: Redactor, capsys: pytest.CaptureFixture[str]) -> None:
    """If we fail, the message reads [REDACTED:error], nothing leaks and nothing raises."""
    broken = copy.copy(redactor)
    broken.__class__ = Broken
    output = written(path, KINDS["opaque"][0], broken, patch=wiring != "sink", wrap=wiring != "patcher")
    assert "[REDACTED:error]" in output
    assert output.count("\n") == 1
    assert OPAQUE not in output
    assert capsys.readouterr().err == ""


def test_evil_values(redactor: Redactor) -> None:
    """Cycles, objects that raise when printed and large strings are logged as without us."""

    class Evil:
        def __repr__(self) -> str:
            raise LookupError("no repr")

    cycle: list[Any] = [f"session_id={OPAQUE}"]
    cycle.append(cycle)
    filler = "x y z " * (10_000_000 // 12)
    stream = io.StringIO()
    handler = {"sink": redacting_sink(stream, redactor), "format": "{message}", "catch": False}
    logger.configure(handlers=[handler], patcher=RedactingPatcher(redactor))
    logger.bind(evil=Evil()).info("got {}", cycle)
    logger.info("{} session_id={} {}", filler, OPAQUE, filler)
    with pytest.raises(LookupError, match="no repr"):
        logger.info("{}", Evil())
    assert stream.getvalue() == (
        f"got ['session_id=[REDACTED:session]', [...]]\n{filler} session_id=[REDACTED:session] {filler}\n"
    )


def test_threads(redactor: Redactor) -> None:
    """Eight threads that log 20,000 messages lose none and garble none."""
    stream = io.StringIO()
    handler = {"sink": redacting_sink(stream, redactor), "format": "{message}"}
    logger.configure(handlers=[handler], patcher=RedactingPatcher(redactor))

    def work(thread: int) -> None:
        for number in range(2500):
            logger.info("{} {} session_id={}", thread, number, OPAQUE)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(stream.getvalue().splitlines()) == Counter(
        f"{thread} {number} session_id=[REDACTED:session]" for thread in range(8) for number in range(2500)
    )


def test_module_name() -> None:
    """Our module is called like its host and imports the host, not itself."""
    code = "import redactor.integrations.loguru as ours, loguru; print(type(loguru.logger).__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "loguru._logger\n"


# --- install ------------------------------------------------------------------------------


@pytest.fixture
def installed(redactor: Redactor) -> Iterator[Installation]:
    installation = install(redactor)
    yield installation
    installation.uninstall()


@pytest.mark.parametrize("kind", KINDS)
def test_installed(kind: str, installed: Installation, tmp_path: Path) -> None:
    """Streams, files, functions, coroutine functions and handlers get what they get without us, less the secret."""
    text, secret, shown = KINDS[kind]
    stream, messages, handled = io.StringIO(), [], io.StringIO()

    async def later(message: Any) -> None:
        messages.append(message)

    async def say() -> None:
        for sink in (stream, tmp_path / "app.log", messages.append, later, logging.StreamHandler(handled)):
            logger.add(sink, format="{message} {extra[note]}", enqueue=sink is stream)
        logger.bind(note=text).info(text)
        await logger.complete()

    asyncio.run(say())
    clean = text.replace(secret, shown) if secret else text
    line = f"{clean} {clean}\n"
    assert stream.getvalue() == (tmp_path / "app.log").read_text() == handled.getvalue() == line
    assert [str(message) for message in messages] == [line] * 2
    assert [message.record["extra"]["note"] for message in messages] == [clean] * 2


def test_installed_variables(installed: Installation) -> None:
    """Variables that a traceback shows are clean, whatever patchers add and whoever sets one later."""
    stream = io.StringIO()
    logger.add(stream, diagnose=True, format="{message} {extra[late]}")
    logger.configure(patcher=lambda record: record["extra"].update(late=f"csrftoken={OPAQUE}"))

    def fail(session_id: str) -> None:
        raise ValueError("no")

    try:
        fail(OPAQUE)
    except ValueError:
        logger.patch(lambda record: record.update(message=f"sid={OPAQUE}")).exception("x")
    assert stream.getvalue().startswith("sid=[REDACTED:session] csrftoken=[REDACTED:csrf]\n")
    assert "[REDACTED:session]" in stream.getvalue().partition("\n")[2]
    assert OPAQUE not in stream.getvalue()


def test_installed_again_and_uninstalled(installed: Installation) -> None:
    """Sinks that are there get the redactor that is installed last, and none once it is uninstalled."""
    stream = io.StringIO()
    logger.add(stream, format="{message}")
    logger.info(f"sid={OPAQUE}")
    assert install(Redactor(policy=Policy(redaction="mask"))) is installed
    logger.info(f"sid={OPAQUE}")
    installed.uninstall()
    logger.info(f"sid={OPAQUE}")
    assert stream.getvalue() == f"sid=[REDACTED:session]\nsid=********\nsid={OPAQUE}\n"
    assert installed.covered == ()
