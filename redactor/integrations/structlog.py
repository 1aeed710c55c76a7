"""structlog: a processor for the event dictionary and a wrapper for the renderer.

``RedactingRenderer`` around the last processor covers both the events and what becomes of
them. ``RedactingProcessor`` alone is for chains that end in something else, such as
``ProcessorFormatter.wrap_for_formatter``. ``install()`` puts the renderer around the last
processor of every chain, however and whenever it is configured.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from structlog import BoundLoggerBase
from structlog.processors import JSONRenderer, KeyValueRenderer, LogfmtRenderer
from structlog.typing import EventDict, WrappedLogger

from redactor.integrations._hooks import Installation
from redactor.integrations._pieces import (
    clean_exception,
    clean_mapping,
    hide,
    secrets_in_frames,
    swap_value,
)
from redactor.redactor import Redactor, default_redactor
from redactor.replace import ERROR_PLACEHOLDER

__all__ = ["Installation", "RedactingProcessor", "RedactingRenderer", "install"]

_KEEPS_EVENT: Final = "keeps the event"
_TAKES_KEYS: Final = "takes keys out of the event"
_NAMING_RENDERERS: Final[dict[type, str]] = {
    JSONRenderer: _KEEPS_EVENT,
    LogfmtRenderer: _TAKES_KEYS,
    KeyValueRenderer: _TAKES_KEYS,
}
"""Renderers that write every key beside its value, and what they do to the event they are given."""

_KEPT: Final = frozenset({"level", "log_level", "timestamp"})
"""What an event that cannot be inspected still shows."""


class RedactingProcessor:
    """A processor that returns the event without its secrets.

    Values are judged by their keys and as text; a value found beside its key is replaced
    in the whole event. Exceptions under ``exc_info`` are replaced by clean copies with
    their causes, contexts, groups and notes. The same event dictionary is returned if it
    is clean; nothing of the application's is changed. Never raises: an event that cannot
    be inspected keeps its keys and reads ``[REDACTED:error]``. Put it last before the
    renderer, after processors that add to the event.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = default_redactor() if redactor is None else redactor

    def __call__(self, logger: WrappedLogger, method_name: str, event_dict: EventDict) -> EventDict:  # noqa: ARG002
        """Return ``event_dict``, or a clean copy."""
        try:
            return self._clean(event_dict)
        except Exception:
            self._redactor.summary.add_error()
            return {key: _blank(key, value) for key, value in event_dict.items() if key != "exc_info"}

    def _clean(self, event: EventDict) -> EventDict:
        found, pairs = clean_mapping(self._redactor, event)
        clean = event if found is event else dict(found)
        if pairs:
            clean = {key: swap_value(value, pairs) if _is_data(value) else value for key, value in clean.items()}
        if clean.get("exc_info"):
            given = clean["exc_info"]
            exception = _exception(given)
            harmless = exception if exception is None else clean_exception(self._redactor, exception)
            if harmless is not None and harmless is not exception:
                shown = harmless if isinstance(given, BaseException) else _info(harmless)
                clean = {**clean, "exc_info": shown}
        return clean


class RedactingRenderer:
    """Renders as ``renderer`` does, without secrets.

    The renderer is given a clean event (see ``RedactingProcessor``); JSON, logfmt and
    key-value renderers see the event as it is first, and only if their text is not clean
    are they called once more. The ``str`` or
    ``bytes`` it returns is redacted once more, which covers objects that it prints, and
    local variables in a traceback are replaced even where they are wrapped, cut short or
    coloured. What it returns for another formatter is redacted as a value. Errors of the
    renderer itself, and ``structlog.DropEvent``, are its own and pass through.
    """

    def __init__(
        self, renderer: Callable[[WrappedLogger, str, EventDict], Any], redactor: Redactor | None = None
    ) -> None:
        self._redactor = default_redactor() if redactor is None else redactor
        self._renderer = renderer
        self._names_all = _NAMING_RENDERERS.get(type(renderer))
        self._redact = self._redactor.text
        self._process = RedactingProcessor(self._redactor)

    def __call__(self, logger: WrappedLogger, method_name: str, event_dict: EventDict) -> Any:
        """Return what the renderer makes of the clean event, without its secrets."""
        exc_info = event_dict.get("exc_info")
        if self._names_all and not exc_info:
            # Such a text has every name beside its value: if it is clean, so is the event.
            given = event_dict if self._names_all is _KEEPS_EVENT else dict(event_dict)
            rendered = self._renderer(logger, method_name, given)
            try:
                if type(rendered) is str:
                    if self._redact(rendered) is rendered:
                        return rendered
                elif type(rendered) is bytes and rendered[:1] == b"{" and self._redactor.bytes(rendered) is rendered:
                    return rendered
            except Exception:
                self._redactor.summary.add_error()
        rendered = self._renderer(logger, method_name, self._process(logger, method_name, event_dict))
        try:
            if isinstance(rendered, str):
                return self._text(rendered, exc_info)
            if isinstance(rendered, bytes):
                return self._redactor.bytes(rendered)
            return self._redactor.value(rendered)
        except Exception:
            self._redactor.summary.add_error()
            return ERROR_PLACEHOLDER.encode() if isinstance(rendered, bytes) else ERROR_PLACEHOLDER

    def _text(self, rendered: str, exc_info: object) -> str:
        exception = _exception(exc_info) if exc_info else None
        if exception is not None:
            rendered = hide(rendered, secrets_in_frames(self._redactor, exception))
        return self._redactor.text(rendered)


def _exception(given: object) -> BaseException | None:
    """Return the exception that ``exc_info`` stands for, as structlog reads it."""
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if len(given) == 3 and isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def _info(exception: BaseException) -> tuple[type[BaseException], BaseException, Any]:
    return type(exception), exception, exception.__traceback__


def _is_data(value: object) -> bool:
    return isinstance(value, str | dict | list | tuple)


def _blank(key: str, value: Any) -> Any:
    """Keep what structlog needs (``_record``) and what cannot be a secret."""
    if key in _KEPT or key.startswith("_") or value is None or isinstance(value, bool | int | float):
        return value
    return ERROR_PLACEHOLDER


# --- every bound logger -------------------------------------------------------------------


_MOST_RENDERERS: Final = 256


class _BoundLoggers(Installation):
    """Lends each bound logger a chain whose last processor is wrapped; configuration and loggers stay as they are."""

    parts = ("structlog: every bound logger",)

    def __init__(self) -> None:
        super().__init__()
        self._renderers: dict[int, tuple[Any, RedactingRenderer]] = {}

    def _hook(self) -> None:
        original = BoundLoggerBase._process_event

        @functools.wraps(original)
        def process_event(bound: Any, *args: Any, **kwargs: Any) -> Any:
            redactor = self._redactor
            if redactor is not None:
                lent = object.__new__(type(bound))
                lent.__dict__.update(bound.__dict__)
                lent._processors = self._redacting(bound._processors, redactor)
                bound = lent
            return original(bound, *args, **kwargs)

        self._replaced.put(BoundLoggerBase, "_process_event", process_event)

    def _redacting(self, processors: Iterable[Any], redactor: Redactor) -> list[Any]:
        chain = list(processors)
        if not chain:
            return [RedactingProcessor(redactor)]
        last = chain[-1]
        if not isinstance(last, RedactingRenderer):
            chain[-1] = self._renderer(last, redactor)
        return chain

    def _renderer(self, last: Any, redactor: Redactor) -> RedactingRenderer:
        """Return the wrapper of ``last``, made once."""
        wrapped, renderer = self._renderers.get(id(last), (None, None))
        if renderer is None or wrapped is not last or renderer._redactor is not redactor:
            renderer = RedactingRenderer(last, redactor)
            if len(self._renderers) >= _MOST_RENDERERS:
                self._renderers.clear()
            self._renderers[id(last)] = (last, renderer)
        return renderer


_bound_loggers: Final = _BoundLoggers()


def install(redactor: Redactor | None = None) -> Installation:
    """Put a ``RedactingRenderer`` around the last processor of every chain; return what is covered.

    Loggers that exist and those made later, configured before or after, with the configured
    processors or their own; a chain that ends in a ``RedactingRenderer`` is left alone. The
    configuration is not touched. Not covered: wrapper classes that do not derive from
    ``BoundLoggerBase``, and loggers such as ``PrintLogger`` used without one. Installing again
    changes the redactor (the shared default one unless given). Raises what making the default
    redactor raises.
    """
    _bound_loggers._install(redactor)
    return _bound_loggers
