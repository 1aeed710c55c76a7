"""What all tests share: an environment of their own, the engines and Hypothesis's profiles."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from redactor import Redactor

_COMMON = {
    "deadline": None,
    "derandomize": False,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.differing_executors],
}
settings.register_profile("ci", max_examples=60, **_COMMON)
settings.register_profile("thorough", max_examples=3000, **_COMMON)
settings.load_profile("ci")

_ENGINES = ("hyperscan", "portable")
_CACHE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the user's engine, key and cache out of the tests."""
    for name in ("REDACTOR_ENGINE", "REDACTOR_HMAC_KEY_FILE"):
        os.environ.pop(name, None)
    config.stash[_CACHE] = os.environ["REDACTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="redactor-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    shutil.rmtree(config.stash.get(_CACHE, ""), ignore_errors=True)


@pytest.fixture(scope="session", params=_ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine that can run here."""
    if request.param == "hyperscan" and find_spec("hyperscan") is None:
        pytest.skip("hyperscan is not installed")
    return str(request.param)


@pytest.fixture(scope="session")
def built_in(engine: str) -> Redactor:
    """The built-in rules on each engine."""
    return Redactor(engine=engine)


@pytest.fixture(scope="session")
def both() -> tuple[Redactor, Redactor]:
    """The built-in rules on Hyperscan and on the portable engine."""
    if find_spec("hyperscan") is None:
        pytest.skip("hyperscan is not installed")
    return Redactor(engine="hyperscan"), Redactor(engine="portable")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of the test's own that does not exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("REDACTOR_CACHE_DIR", str(folder))
    return folder


def _enable_loggers() -> None:
    for name, logger in logging.Logger.manager.loggerDict.items():
        if isinstance(logger, logging.Logger):
            logger.disabled = False
            if name == "py.warnings" or name.partition(".")[0] == "shop":
                logger.setLevel(logging.NOTSET)
                logger.propagate = True
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    # pytest puts warnings.showwarning back by itself; logging would think that it still has it.
    showing = warnings.showwarning
    logging.captureWarnings(False)
    warnings.showwarning = showing


@pytest.fixture(autouse=True)
def enabled_loggers() -> Iterator[None]:
    """Give each test the loggers as they are by default: what ran before it may have configured them."""
    _enable_loggers()
    yield
    _enable_loggers()
