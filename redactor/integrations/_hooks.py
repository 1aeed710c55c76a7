"""What installations share: attributes of a host that are replaced, and given back as they were."""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Final

from redactor.redactor import Redactor, default_redactor

__all__ = ["Installation", "Replaced"]

_ABSENT: Final = object()


class Replaced:
    """Attributes of classes, modules and objects that something of ours stands in for."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, str, Any, Any]] = []

    def __bool__(self) -> bool:
        return bool(self._made)

    def put(self, target: Any, name: str, ours: Any) -> None:
        """Set ``name`` of ``target`` itself, not of its class. Raises what setting it raises."""
        held = vars(target).get(name, _ABSENT)
        setattr(target, name, ours)
        self._made.append((target, name, held, ours))

    def give_back(self) -> None:
        """Restore everything, latest first, but for what something else has replaced since."""
        while self._made:
            target, name, held, ours = self._made.pop()
            if vars(target).get(name, _ABSENT) is not ours:
                continue
            if held is _ABSENT:
                delattr(target, name)
            else:
                setattr(target, name, held)


class Installation:
    """What covers one host: ``covered`` names it, a line each, and ``uninstall`` undoes it."""

    parts: ClassVar[tuple[str, ...]] = ()
    """What of the host is covered once it is installed."""

    def __init__(self) -> None:
        self._redactor: Redactor | None = None
        self._replaced = Replaced()
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Installation of {', '.join(self.covered) or 'nothing'}>"

    @property
    def covered(self) -> tuple[str, ...]:
        """What is redacted now; nothing once it has been uninstalled."""
        return () if self._redactor is None else self.parts

    def uninstall(self) -> None:
        """Restore everything; doing so twice does no harm.

        What someone else has wrapped since stays where it is, and does nothing of ours any more.
        """
        with self._lock:
            self._redactor = None
            self._replaced.give_back()

    def _install(self, redactor: Redactor | None) -> None:
        """Redact with ``redactor`` from now on.

        Raises what making the default one raises, and what a host raises that is not what it
        was: then nothing of it is replaced.
        """
        chosen = default_redactor() if redactor is None else redactor
        with self._lock:
            self._redactor = chosen
            if self._replaced:
                return
            try:
                self._hook()
            except BaseException:
                self.uninstall()
                raise

    def _hook(self) -> None:
        """Put every hook in its place."""
        raise NotImplementedError
