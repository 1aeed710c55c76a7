"""Celery: the secrets among a task's arguments are known while it runs.

``install()`` in the module of the Celery app, once in each worker. Nothing is added to the
messages of the broker: a task knows what the application passed to it under a secret's
name, and a task run eagerly knows what its caller knows besides.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final
from weakref import WeakKeyDictionary

from celery import signals

from redactor import known
from redactor.integrations._http_values import SecretValues
from redactor.redactor import Redactor

__all__ = ["Installation", "install"]

_UID: Final = "redactor"


class Installation:
    """What ``install`` has connected; ``uninstall`` disconnects it."""

    def __init__(self, secrets: SecretValues) -> None:
        self._secrets = secrets

    def uninstall(self) -> None:
        """Leave tasks alone from now on; those that run are finished as they were begun."""
        signals.task_prerun.disconnect(dispatch_uid=_UID)

    def _connect(self) -> None:
        signals.task_prerun.disconnect(dispatch_uid=_UID)
        signals.task_prerun.connect(self._begin, weak=False, dispatch_uid=_UID)
        signals.task_postrun.connect(_end, dispatch_uid=_UID)

    def _begin(self, task: Any = None, args: Any = (), kwargs: Any = None, **_: Any) -> None:
        stack = ExitStack()
        stack.enter_context(known.scope())
        _open[task.request] = stack
        self._secrets.named(_arguments(task, args or (), kwargs or {}))


_open: Final[WeakKeyDictionary[Any, ExitStack]] = WeakKeyDictionary()
"""The scopes of the tasks that run, by their requests."""


def _end(task: Any = None, **_: Any) -> None:
    stack = _open.pop(task.request, None)
    if stack is not None:
        stack.close()


def install(redactor: Redactor | None = None, fields: Iterable[str] = ()) -> Installation:
    """Run every task of this process in a scope in which its own secrets are known.

    Strings under secret names are registered: arguments by their parameters' names, and
    what dictionaries among them hold, judged by ``redactor`` (the shared default one
    unless given); ``fields`` names further ones. Installing again replaces the earlier
    installation. Raises what making the default redactor raises.
    """
    installation = Installation(SecretValues(redactor, fields))
    installation._connect()
    return installation


def _arguments(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a task's arguments by the names of its parameters; by keyword if they do not fit."""
    try:
        return inspect.signature(task.run).bind_partial(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return kwargs
