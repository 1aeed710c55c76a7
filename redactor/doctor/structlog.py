"""structlog: what the configured chain hands to the logger, and what ``logging`` makes of that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

import structlog

from redactor.doctor.report import Judge, Row
from redactor.doctor.stdlib import exception, passed_on
from redactor.installation import INSTALL
from redactor.integrations import structlog as ours

__all__ = ["rows"]

_HOST: Final = "structlog"
_METHODS: Final = ("critical", "error", "info", "msg")
_LAST: Final = 'structlog.get_config()["processors"][-1]'
_WRAP: Final = (
    "import structlog, redactor.integrations.structlog; "
    f"{_LAST} = redactor.integrations.structlog.RedactingRenderer({_LAST})"
)
"""What covers the chain of a wrapper class that is no ``BoundLoggerBase``."""
_HANDED: Final = frozenset({"log", "msg", "info", "warn", "warning", "err", "error", "critical", "fatal", "failure"})
"""Methods of loggers that write; the others only tell or set something."""


def rows(judge: Judge) -> Iterator[Row]:
    """Yield one row: the configured processors and logger factory. Processors run for real."""
    config = structlog.get_config()
    last = _class(config["processors"][-1]) if config["processors"] else "no processor"
    what = f"{last} into {_class(config['logger_factory'])}"
    try:
        sent = _sent(config, [canary.text for canary in judge.canaries])
    except Exception as error:
        yield judge.unchecked(_HOST, what, f"its chain fails with {type(error).__name__}")
        return
    fix = _WRAP if ours._bound_loggers.covered else INSTALL
    yield judge.row(_HOST, what, sent, fix, dropped="its processors drop the event")


def _class(each: Any) -> str:
    return getattr(each, "__qualname__", type(each).__qualname__)


def _sent(config: dict[str, Any], canaries: list[str]) -> list[object]:
    real = _logger(config["logger_factory"])
    sent: list[object] = []
    bound = structlog.wrap_logger(_StandIn(real, sent)).bind()
    bound = getattr(bound, "sync_bl", bound)
    write = next(getattr(bound, name) for name in _METHODS if hasattr(bound, name))
    for canary in canaries:
        write(canary, note=canary, exc_info=exception(canary)[1])
    return sent


def _logger(factory: Callable[..., Any]) -> Any:
    # Without a name this factory would make a logger that is called like us.
    return factory("root") if isinstance(factory, structlog.stdlib.LoggerFactory) else factory()


class _StandIn:
    """Stands in for a logger: keeps what it is to write, and is otherwise the logger.

    What goes to ``logging`` is handed to the handlers that the logger has.
    """

    def __init__(self, logger: Any, sent: list[object]) -> None:
        self._logger = logger
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        if name not in _HANDED:
            return getattr(self._logger, name)

        def write(*args: Any, **kwargs: Any) -> None:
            if isinstance(self._logger, logging.Logger):
                self._sent.extend(_logged(self._logger, *args, **kwargs))
            else:
                self._sent.append([args, kwargs])

        return write


def _logged(
    logger: logging.Logger, message: object, *args: Any, exc_info: Any = None, stack_info: Any = None, **kwargs: Any
) -> list[object]:
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    extra = kwargs.get("extra")
    record = logger.makeRecord(
        logger.name, logging.CRITICAL, __file__, 1, message, args, exc_info or None, None, extra, stack_info or None
    )
    return passed_on(_handlers(logger), record)


def _handlers(logger: logging.Logger) -> list[Any]:
    found: list[Any] = []
    at: logging.Logger | None = logger
    while at is not None:
        found += at.handlers
        at = at.parent if at.propagate else None
    return found or [logging.lastResort]
