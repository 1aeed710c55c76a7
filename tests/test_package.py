"""What the package shows to the world, and what importing it costs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import import_module
from importlib.resources import files
from types import ModuleType

import pytest

import redactor

HEAVY = ("hyperscan", "regex", "click", "structlog", "loguru", "sentry_sdk", "opentelemetry", "django", "pyspark")
HEAVY_STANDARD = ("asyncio", "tomllib", "subprocess", "logging", "http", "ssl")
LAYERS = (
    "model",
    "errors",
    "validators",
    "syntax",
    "cache",
    "rulefiles",
    "compiler",
    "engines",
    "replace",
    "scanner",
    "stream",
    "redactor",
)


def test_importing_costs_little() -> None:
    """``import redactor`` imports no engine, no command line, no host and nothing large."""
    code = f"import sys; import redactor; print(*[name for name in {HEAVY + HEAVY_STANDARD} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_redacting_imports_no_host() -> None:
    """Making and using a redactor imports neither the command line nor a logging or telemetry host."""
    code = (
        "import sys; from redactor import Redactor; Redactor().text('sid=kL9xQ2mZ8vBk3J7wT1aN4c'); "
        f"print(*[name for name in {HEAVY[2:]} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("name", redactor.__all__)
def test_a_public_name_is_there_and_explained(name: str) -> None:
    """Every public name can be imported and has a docstring of its own that is a sentence."""
    public = getattr(redactor, name)
    text = inspect.getdoc(public)
    assert text
    assert not text.startswith(f"{name}(")
    assert "." in text


def test_the_public_names_are_exactly_these() -> None:
    """The list of public names is sorted and complete: each is declared once and has a home."""
    assert list(redactor.__all__) == sorted(set(redactor.__all__))
    namespace: dict[str, object] = {}
    exec("from redactor import *", namespace)
    assert set(redactor.__all__) <= set(namespace)


@pytest.mark.parametrize("name", redactor.__all__)
def test_public_methods_are_explained(name: str) -> None:
    """Every public method and property of a public class has a docstring."""
    public = getattr(redactor, name)
    if not inspect.isclass(public):
        return
    own = {key: value for key, value in vars(public).items() if not key.startswith("_")}
    missing = [
        key
        for key, value in own.items()
        if (inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod))
        and not inspect.getdoc(getattr(public, key))
    ]
    assert missing == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public raises AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = redactor.no_such_name  # type: ignore[attr-defined]
    assert not hasattr(redactor, "Scanner")


def _modules() -> list[ModuleType]:
    return [import_module(f"redactor.{name}") for name in LAYERS]


@pytest.mark.parametrize("name", LAYERS)
def test_a_module_lists_what_it_offers(name: str) -> None:
    """Every module has a docstring and an ``__all__`` whose names exist."""
    module = import_module(f"redactor.{name}")
    assert module.__doc__
    assert all(hasattr(module, each) for each in module.__all__)


def test_the_package_is_typed() -> None:
    """The marker for type checkers is in the package."""
    assert files("redactor").joinpath("py.typed").is_file()


def test_the_version_is_a_version() -> None:
    """The version is one that packaging tools accept."""
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?(?:\.dev\d+)?", redactor.__version__)


def test_errors_have_one_base() -> None:
    """Every error of ours is a RedactorError."""
    errors = [redactor.PolicyError, redactor.RuleError, redactor.SourceError]
    assert all(issubclass(each, redactor.RedactorError) for each in errors)
    assert str(redactor.RuleError("a.toml", 3, "bad")) == "a.toml:3: bad"
    assert str(redactor.RuleError("a.toml", None, "bad")) == "a.toml: bad"
