"""pytest: ``pytest --fail-on-leak`` fails a test during which a session secret got out.

Every pytest run of an environment loads this module, so it imports nothing of ours until
the option is on.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__: list[str] = []

_MARKER = "leak_ok(reason): with --fail-on-leak, do not fail this test for the secrets that get out during it"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; the command line's and the configuration file's mean the same."""
    help_text = "Fail each test during which a session secret reaches a log, stdout, stderr or an exporter."
    group = parser.getgroup("redactor", "session secrets")
    group.addoption("--fail-on-leak", action="store_true", help=help_text)
    group.addoption(
        "--leak-allow",
        action="append",
        default=[],
        type=os.path.abspath,  # workers of xdist may run elsewhere
        metavar="FILE",
        help="Values in FILE are no secrets: one a line, matched whole. Repeatable.",
    )
    parser.addini("fail_on_leak", help_text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Start watching if that is wanted; raises ``pytest.UsageError`` for a file that cannot be used."""
    config.addinivalue_line("markers", _MARKER)
    if not config.getoption("fail_on_leak") and not config.getini("fail_on_leak"):
        return
    from redactor.errors import RedactorError
    from redactor.integrations._leak_watch import LeakWatch

    try:
        watch = LeakWatch(map(Path, config.getoption("leak_allow")))
    except RedactorError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(watch, "redactor-leaks")
