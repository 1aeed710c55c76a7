"""``redactor.install()``: one line for every host of the process, imported before or after.

A host that is imported already is covered at once; one that is imported later is covered
when its import is done. Nothing is imported for being installed on the machine, and nothing
of any host is configured.
"""

from __future__ import annotations

import copy
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final, NamedTuple, Protocol

from redactor.redactor import Redactor, default_redactor

__all__ = ["ASGI", "CELERY", "DJANGO", "INSTALL", "WSGI", "Installation", "Uncovered", "has_celery_app", "install"]

_logger = logging.getLogger("redactor")

INSTALL: Final = "import redactor; redactor.install()"
"""What a program needs, at its start."""

DJANGO: Final = {
    "requests": 'MIDDLEWARE = ["redactor.integrations.django.RedactorMiddleware", *MIDDLEWARE]',
    "filter": 'DEFAULT_EXCEPTION_REPORTER_FILTER = "redactor.integrations.django.RedactorExceptionReporterFilter"',
    "reporter": 'DEFAULT_EXCEPTION_REPORTER = "redactor.integrations.django.RedactorExceptionReporter"',
}
"""What the settings of Django need, a line each, at their end."""

ASGI: Final = "from redactor.integrations.asgi import RedactorMiddleware; {app} = RedactorMiddleware({app})"
WSGI: Final = "from redactor.integrations.wsgi import RedactorMiddleware; {app} = RedactorMiddleware({app})"
CELERY: Final = "import redactor.integrations.celery; redactor.integrations.celery.install()"
"""What an app needs, after it is made; ``{app}`` is where it is."""


class Uncovered(NamedTuple):
    """What ``install`` cannot cover: of which host, why, and the line of code that does."""

    host: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.host}: {self.reason}; {self.fix}"


class _Covering(Protocol):
    """What the ``install`` of an integration returns."""

    @property
    def covered(self) -> tuple[str, ...]: ...

    def uninstall(self) -> None: ...


class _Host(NamedTuple):
    """A host: the package it is imported as, the modules of which one has to be there, and how it is covered."""

    package: str
    modules: tuple[str, ...]
    integration: str
    function: str = "install"

    @property
    def is_here(self) -> bool:
        return any(name in sys.modules for name in self.modules)

    def holds(self, module: str) -> bool:
        return module == self.package or module.startswith(f"{self.package}.")

    def cover(self, redactor: Redactor) -> _Covering:
        integration = importlib.import_module(f"redactor.integrations.{self.integration}")
        covering: _Covering = getattr(integration, self.function)(redactor)
        return covering


_OWN: Final = (_Host("logging", ("logging",), "stdlib"), _Host("sys", ("sys",), "interpreter"))
"""What every process has."""

_OTEL_PROVIDERS: Final = ("opentelemetry.sdk.trace", "opentelemetry.sdk._logs", "opentelemetry.sdk.metrics")

_HOSTS: Final = (
    _Host("structlog", ("structlog",), "structlog"),
    _Host("loguru", ("loguru",), "loguru"),
    _Host("sentry_sdk", ("sentry_sdk",), "sentry"),
    _Host("opentelemetry.sdk", _OTEL_PROVIDERS, "opentelemetry", "install_always"),
)
"""What a process may import."""


class _Arrivals:
    """A finder that finds what the others do, to hear when a host has been imported.

    Told is of a host once no module of it is being imported any more in that thread: not
    before can its integration be imported.
    """

    def __init__(self, hosts: Sequence[_Host], tell: Callable[[_Host], None]) -> None:
        self._hosts = list(hosts)
        self._tell = tell
        self._here = threading.local()

    def forget(self, host: _Host) -> None:
        self._hosts = [each for each in self._hosts if each != host]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        host = next((host for host in self._hosts if host.holds(fullname)), None)
        asked: set[str] = vars(self._here).setdefault("asked", set())
        if host is None or fullname in asked:
            return None
        asked.add(fullname)  # another finder that asks all finders would ask this one again
        try:
            spec = self._found(fullname, path, target)
        finally:
            asked.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = self._listening(spec.loader, host)
        return spec

    def _found(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find is not None and finder is not self else None
            if isinstance(spec, ModuleSpec):
                return spec
        return None

    def _listening(self, loader: Any, host: _Host) -> Any:
        """Return a copy of ``loader`` that tells when it is done, and is a plain copy from then on."""
        try:
            listening = copy.copy(loader)
            run = listening.exec_module
        except Exception:
            return loader

        def exec_module(module: ModuleType) -> None:
            del listening.exec_module
            depths: dict[_Host, int] = vars(self._here).setdefault("depths", {})
            depths[host] = depths.get(host, 0) + 1
            try:
                run(module)
            finally:
                depths[host] -= 1
            if not depths[host] and host in self._hosts and host.is_here:
                self._tell(host)

        try:
            listening.exec_module = exec_module
        except Exception:
            return loader
        return listening


class Installation:
    """What ``redactor.install`` covers, now and later; ``print`` shows it, ``uninstall`` undoes it."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._coverings: dict[_Host, _Covering] = {}
        self._failed: dict[_Host, str] = {}
        self._arrivals = _Arrivals(_HOSTS, self._arrived)

    def __repr__(self) -> str:
        return f"<Installation of {len(self.covered)} parts>"

    def __str__(self) -> str:
        lines = [f"covered: {each}" for each in self.covered]
        lines += [f"waiting: {each}" for each in self.waiting]
        lines += [f"not covered: {each}" for each in self.uncovered]
        return "\n".join(lines)

    @property
    def covered(self) -> tuple[str, ...]:
        """What is redacted now, a line each."""
        lines = [_covered(host, covering) for host, covering in self._coverings.items()]
        return tuple(line for each in lines for line in each)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The packages that are covered as soon as they are imported."""
        here = {*self._coverings, *self._failed}
        return tuple(host.package for host in _HOSTS if self._coverings and host not in here)

    @property
    def uncovered(self) -> tuple[Uncovered, ...]:
        """What of the packages that are imported now is not covered, why, and what to write to cover it."""
        failed = [
            Uncovered(host.package, reason, f"import redactor.integrations.{host.integration}")
            for host, reason in self._failed.items()
        ]
        return (*failed, *_wiring())

    def uninstall(self) -> None:
        """Restore everything that was replaced; doing so twice does no harm.

        What someone else has wrapped since stays where it is, and does nothing of ours any more.
        """
        global _installed
        with _lock:
            if self._arrivals in sys.meta_path:
                sys.meta_path.remove(self._arrivals)
            for covering in reversed(self._coverings.values()):
                covering.uninstall()
            self._coverings.clear()
            self._failed.clear()
            if _installed is self:
                _installed = None

    def _cover(self, redactor: Redactor) -> None:
        """Cover what is here with ``redactor``, and listen for what is not."""
        self._redactor = redactor
        for host in _OWN:
            self._coverings[host] = host.cover(redactor)
        if self._arrivals not in sys.meta_path:
            sys.meta_path.insert(0, self._arrivals)
        for host in _HOSTS:
            if host.is_here:
                self._arrived(host)

    def _arrived(self, host: _Host) -> None:
        """Cover a host; never raises, as it may happen in the middle of the application's import.

        No lock of ours is held: the import system holds one, and another thread may be on
        its way from ours to that one.
        """
        self._arrivals.forget(host)
        try:
            self._coverings[host] = host.cover(self._redactor)
            self._failed.pop(host, None)
        except Exception as error:
            self._failed[host] = f"its integration fails with {type(error).__name__}"
            _logger.warning("not redacted: %s: %s", host.package, self._failed[host])


def _covered(host: _Host, covering: _Covering) -> tuple[str, ...]:
    # The functions that stdlib names are many and say less.
    return ("logging: every handler",) if host.package == "logging" else covering.covered


def _wiring() -> tuple[Uncovered, ...]:
    """Return what only the application itself can wire."""
    found = _django()
    if _any_imported("starlette", "fastapi", "litestar", "quart", "sanic"):
        found.append(Uncovered("ASGI", "a middleware has to be around the app that is served", ASGI.format(app="app")))
    if _any_imported("flask", "bottle", "pyramid", "falcon"):
        found.append(Uncovered("WSGI", "a middleware has to be around the app that is served", WSGI.format(app="app")))
    if has_celery_app() and "redactor.integrations.celery" not in sys.modules:
        found.append(Uncovered("celery", "the arguments of tasks are known where signals are connected", CELERY))
    return tuple(found)


def has_celery_app() -> bool:
    """Return whether an app of Celery has been made: Sentry imports Celery where it is installed."""
    state = sys.modules.get("celery._state")
    return state is not None and any(state._get_active_apps())


def _any_imported(*packages: str) -> bool:
    return any(package in sys.modules for package in packages)


def _django() -> list[Uncovered]:
    settings = getattr(sys.modules.get("django.conf"), "settings", None)
    if settings is None or not (settings.configured or "DJANGO_SETTINGS_MODULE" in os.environ):
        return []
    names = {
        "requests": ("MIDDLEWARE", "what a request carries is known to its middleware"),
        "filter": ("DEFAULT_EXCEPTION_REPORTER_FILTER", "error reports are filtered by what a setting names"),
        "reporter": ("DEFAULT_EXCEPTION_REPORTER", "error reports are made by what a setting names"),
    }
    missing = []
    for key, (setting, reason) in names.items():
        if not settings.configured or "redactor.integrations.django" not in str(getattr(settings, setting, "")):
            missing.append(Uncovered("django", reason, DJANGO[key]))
    return missing


_lock: Final = threading.RLock()
_installed: Installation | None = None


def install(redactor: Redactor | None = None) -> Installation:
    """Keep session secrets out of all that this process logs and reports, from now on.

    Covered are ``logging``, uncaught exceptions and warnings at once, and structlog, loguru,
    Sentry and OpenTelemetry as soon as they are imported, configured before or after. The
    result says what is covered, and what only the application can wire (the middleware that
    knows a request's own secrets; Django's error reports), with the line that does it. Called
    again, the ``redactor`` given (the shared default one unless given) replaces the first.
    Raises what making the default redactor raises, and nothing later: a host that cannot be
    covered is in ``uncovered``, and in a warning of the logger ``redactor``.
    """
    global _installed
    chosen = default_redactor() if redactor is None else redactor
    with _lock:
        installation = _installed or Installation(chosen)
        installation._cover(chosen)
        _installed = installation
        return installation
