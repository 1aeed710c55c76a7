"""Whether secrets get out of this process: every place is given canaries, and nothing of them leaves.

``examine()`` lists the places at which text leaves (handlers, sinks, clients, exporters,
the interpreter's hooks) and sends synthetic secrets through each, in this process, with
its last step replaced by one that keeps. Its rows say what is covered, what leaks, and
which line of code stops the leak.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any, Final

from redactor.doctor import interpreter, stdlib, web
from redactor.doctor.report import COVERED, LEAKS, NOT_CHECKED, Judge, Report, Row
from redactor.redactor import Redactor, default_redactor
from redactor.testing import canaries

__all__ = ["COVERED", "LEAKS", "NOT_CHECKED", "Report", "Row", "examine"]

_HOSTS: Final = {
    "structlog": ("structlog",),
    "loguru": ("loguru",),
    "sentry": ("sentry_sdk",),
    "opentelemetry": ("opentelemetry.sdk.trace", "opentelemetry.sdk._logs", "opentelemetry.sdk.metrics"),
    "django": ("django.conf",),
}
"""The modules of this package and the hosts for which they are imported, if one is there."""


def examine(redactor: Redactor | None = None, *, app: Any = None, app_name: str = "app") -> Report:
    """Send canaries through every place of this process at which text leaves, and return what got out.

    ``redactor`` (the shared default one unless given) says which canaries count: what its
    policy leaves alone is no leak. ``app`` is an ASGI or WSGI app to be looked at, and
    ``app_name`` what it is called in the code that makes it. Nothing is sent or written;
    handlers, whose last steps are replaced under their locks, are put back whatever
    happens, and clients, sinks and processors are examined as copies. Formatters, filters, processors and hooks of the application run with
    the canaries. Never raises for what it examines: what fails is a row that says so.
    """
    judge = Judge(canaries(), default_redactor() if redactor is None else redactor)
    with warnings.catch_warnings():
        # Looking at a deprecated part of a host is no news to the application.
        warnings.simplefilter("ignore")
        return Report(tuple(_rows(judge, app, app_name)))


def _rows(judge: Judge, app: Any, app_name: str) -> Iterator[Row]:
    yield from stdlib.rows(judge)
    for name, modules in _HOSTS.items():
        if any(module in sys.modules for module in modules):
            yield from _host_rows(judge, name)
    if app is not None:
        yield from web.rows(app, app_name)
    yield from web.celery()
    yield from interpreter.rows(judge)


def _host_rows(judge: Judge, name: str) -> Iterator[Row]:
    try:
        host = importlib.import_module(f"redactor.doctor.{name}")
        yield from host.rows(judge)
    except Exception as error:
        yield judge.unchecked(name, "all of it", f"looking at it fails with {type(error).__name__}")
