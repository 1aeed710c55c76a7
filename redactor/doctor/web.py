"""Web and task apps: whether the secrets of a request are known while it is served.

The app is looked at, not called.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from redactor.doctor.report import COVERED, LEAKS, Row
from redactor.installation import ASGI, CELERY, WSGI, has_celery_app

__all__ = ["BARE", "UNKNOWN", "celery", "rows"]

BARE: Final = "bare id"
"""The kind of what leaks where a request is not known: no rule finds it, for nothing names it."""

UNKNOWN: Final = "an id that stands alone in a text is found only if the request that carries it is known"

_OURS: Final = frozenset({"redactor.integrations.asgi", "redactor.integrations.wsgi"})
_INSIDE: Final = ("app", "wsgi_app", "asgi_app", "application", "middleware_stack", "_app")
_MOST_LAYERS: Final = 64


def rows(app: Any, name: str) -> Iterator[Row]:
    """Yield a row for ``app``, which is called ``name`` where it is made; none if it is no app, or Django's."""
    protocol = _protocol(app)
    if not protocol:
        return
    what = f"requests of {type(app).__qualname__}"
    if _is_wrapped(app):
        yield Row(protocol, what, COVERED)
        return
    inside = f"{name}.wsgi_app" if "wsgi_app" in dir(type(app)) else name
    yield Row(protocol, what, LEAKS, (BARE,), UNKNOWN, (WSGI if protocol == "wsgi" else ASGI).format(app=inside))


def celery() -> Iterator[Row]:
    """Yield a row for the tasks of Celery, if there is an app of it."""
    if not has_celery_app():
        return
    from celery.signals import task_prerun

    if any("redactor" in str(lookup) for lookup, _ in task_prerun.receivers or ()):
        yield Row("celery", "arguments of tasks", COVERED)
    else:
        yield Row("celery", "arguments of tasks", LEAKS, (BARE,), UNKNOWN, CELERY)


def _protocol(app: Any) -> str:
    """Return ``asgi``, ``wsgi`` or nothing."""
    modules = {kind.__module__.partition(".")[0] for kind in type(app).__mro__}
    if not callable(app) or inspect.isclass(app) or "django" in modules:
        return ""
    called = app if inspect.isfunction(app) else type(app).__call__
    return "asgi" if inspect.iscoroutinefunction(called) or "redactor.integrations.asgi" in _layers(app) else "wsgi"


def _is_wrapped(app: Any) -> bool:
    return not _OURS.isdisjoint(_layers(app))


def _layers(app: Any) -> set[str]:
    """Return the modules of the middlewares that are seen around and in ``app``; runs no code of it."""
    modules: set[str] = set()
    waiting, seen = [app], 0
    while waiting and seen < _MOST_LAYERS:
        layer, seen = waiting.pop(), seen + 1
        modules.add(type(layer).__module__)
        held = getattr(layer, "__dict__", {})
        waiting += [held[name] for name in _INSIDE if name in held]
        chosen = held.get("user_middleware") or ()
        modules |= {str(getattr(getattr(each, "cls", None), "__module__", "")) for each in chosen}
    return modules
