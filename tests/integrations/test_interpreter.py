"""The interpreter's hooks: uncaught exceptions and warnings have no secret, and are else what they were."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from redactor import Policy, Redactor
from redactor.integrations.interpreter import HOOKS, Installation, install

SECRET = "q7Xw2LkR9vTz4BnM8sYd"
TEXT = f"sessionid={SECRET}"
CLEAN = "sessionid=[REDACTED:session]"

# The text comes from the environment: a source line that has it would be shown.
RAISING = {
    "uncaught": "raise ValueError(text)",
    "note": "error = ValueError('no'); error.add_note(text); raise error",
    "cause": "raise KeyError('no') from ValueError(text)",
    "group": "raise ExceptionGroup('many', [ValueError(text)])",
    "thread": "import threading; thread = threading.Thread(target=fail, name='T'); thread.start(); thread.join()",
    "finalizer": "class Kept:\n    def __del__(self): fail()\nheld = Kept(); del held",
    "warning": "import warnings; warnings.warn(text)",
}


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture
def hooks() -> Iterator[list[Any]]:
    """Replace every hook by one that keeps its arguments; put all back."""
    before = [getattr(place, name) for place, name, _ in HOOKS]
    given: list[Any] = []
    for place, name, _ in HOOKS:
        setattr(place, name, lambda *args, **kwargs: given.append((args, kwargs)))
    yield given
    for (place, name, _), hook in zip(HOOKS, before, strict=True):
        setattr(place, name, hook)


@pytest.fixture
def installed(hooks: list[Any], redactor: Redactor) -> Iterator[Installation]:
    installation = install(redactor)
    yield installation
    installation.uninstall()


def ended(program: str, text: str, *, covered: bool) -> tuple[int, str]:
    first = "from redactor.integrations import interpreter; interpreter.install()" if covered else "pass"
    code = f"{first}\nimport os\ntext = os.environ['TEXT']\ndef fail():\n    raise ValueError(text)\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={"TEXT": text, "PATH": ""}
    )
    # The address of the finalizer is its own each time.
    return done.returncode, "\n".join(line.partition(" at 0x")[0] for line in done.stderr.split("\n"))


@pytest.mark.parametrize("way", RAISING)
def test_process(way: str) -> None:
    """A process ends with the status and the words it ends with without us, less the secret."""
    code, said = ended(RAISING[way], TEXT, covered=False)
    assert TEXT in said
    assert ended(RAISING[way], TEXT, covered=True) == (code, said.replace(SECRET, "[REDACTED:session]"))


def test_clean_is_the_same_object(hooks: list[Any], installed: Installation) -> None:
    """What holds no secret is handed on as it was given."""
    error, warning = ValueError("no"), UserWarning("no")
    told = threading.ExceptHookArgs((ValueError, error, None, None))
    nothing = threading.ExceptHookArgs((SystemExit, None, None, None))
    sys.excepthook(ValueError, error, None)
    threading.excepthook(told)
    threading.excepthook(nothing)
    warnings.showwarning(warning, UserWarning, "shop.py", 3, line="x")
    assert hooks[0][0][1] is error
    assert hooks[1][0][0] is told
    assert hooks[2][0][0] is nothing
    assert hooks[3][0][0] is warning
    assert hooks[3][1] == {"line": "x"}


def test_objects_are_unchanged(hooks: list[Any], installed: Installation) -> None:
    """A dirty exception is copied: type, traceback and the thread go along, the application's object stays."""
    try:
        raise ValueError(TEXT)
    except ValueError as error:
        raised, trace = error, error.__traceback__
    thread = threading.current_thread()
    threading.excepthook(threading.ExceptHookArgs((ValueError, raised, trace, thread)))
    warnings.showwarning(TEXT, UserWarning, "shop.py", 3)
    told = hooks[0][0][0]
    assert (type(told), told.exc_type, str(told.exc_value)) == (threading.ExceptHookArgs, ValueError, CLEAN)
    assert (told.exc_traceback, told.thread) == (trace, thread)
    assert str(raised) == TEXT
    assert hooks[1][0] == (CLEAN, UserWarning, "shop.py", 3)


def test_installed_again(hooks: list[Any], installed: Installation) -> None:
    """Installing again takes the new redactor, and stands in front of a hook that was set since."""
    given: list[str] = []
    sys.excepthook = lambda kind, error, trace: given.append(str(error))
    ours = threading.excepthook
    assert install(Redactor(policy=Policy(redaction="mask"))) is installed
    sys.excepthook(ValueError, ValueError(TEXT), None)
    assert given == ["sessionid=********"]
    assert threading.excepthook is ours


def test_uninstalled(hooks: list[Any], redactor: Redactor) -> None:
    """Uninstalling restores each hook, leaves one that was set since, and does nothing of ours any more."""
    before = [getattr(place, name) for place, name, _ in HOOKS]
    installation = install(redactor)
    ours = sys.excepthook
    outer = lambda *args: ours(*args)  # noqa: E731
    sys.excepthook = outer
    installation.uninstall()
    installation.uninstall()
    assert [getattr(place, name) for place, name, _ in HOOKS] == [outer, *before[1:]]
    sys.excepthook(ValueError, ValueError(TEXT), None)
    assert [str(args[1]) for args, _ in hooks] == [TEXT]
    assert installation.covered == ()
