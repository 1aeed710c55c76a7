"""ASGI: the secrets of a request or a websocket are known while it is served.

``app = RedactorMiddleware(app)``, outermost. Opaque session ids are then removed from
every log, event and span of the request, in any spelling, with no name near them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias

from redactor import known
from redactor.integrations._http_values import SecretValues
from redactor.redactor import Redactor

__all__ = ["RedactorMiddleware"]

_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]
_App: TypeAlias = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_SERVED: Final = ("http", "websocket")


class RedactorMiddleware:
    """Registers the secrets of each request and response as known values of its context.

    Read are the path, the query and the headers, with ``redactor``'s rules (the shared
    default one unless given); ``fields`` names further headers, cookies and parameters
    whose values are secret. Messages pass unchanged, as the same objects; ``lifespan`` is
    left alone. Raises what making the default redactor raises, and nothing later.
    """

    def __init__(self, app: _App, redactor: Redactor | None = None, fields: Iterable[str] = ()) -> None:
        self.app = app
        self._secrets = SecretValues(redactor, fields)

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serve one connection."""
        if scope["type"] not in _SERVED:
            await self.app(scope, receive, send)
            return
        with known.scope():
            self._secrets.connection(scope)
            await self.app(scope, receive, self._watching(send))

    def _watching(self, send: _Send) -> _Send:
        async def watched(message: _Message) -> None:
            headers = message.get("headers")
            if headers:
                self._secrets.response(headers)
            await send(message)

        return watched
