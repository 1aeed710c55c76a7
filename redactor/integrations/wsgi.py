"""WSGI: the secrets of a request are known while it is served, to the last chunk of its response.

``app = RedactorMiddleware(app)``, outermost. Opaque session ids are then removed from
every log, event and span of the request, in any spelling, with no name near them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from redactor import known
from redactor.integrations._http_values import SecretValues
from redactor.redactor import Redactor

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["RedactorMiddleware"]


class RedactorMiddleware:
    """Registers the secrets of each request and response as known values of its context.

    Read are the path, the query and the headers, with ``redactor``'s rules (the shared
    default one unless given); ``fields`` names further headers, cookies and parameters
    whose values are secret. The bytes of the response are unchanged; lists, tuples and
    the server's file wrapper pass as the same objects. Raises what making the default
    redactor raises, and nothing later.
    """

    def __init__(self, app: WSGIApplication, redactor: Redactor | None = None, fields: Iterable[str] = ()) -> None:
        self.app = app
        self._secrets = SecretValues(redactor, fields)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        with known.scope() as values:
            self._secrets.environ(environ)
            body = self.app(environ, self._watching(start_response))
        if isinstance(body, list | tuple) or _is_file(body, environ):
            return body
        return (_SizedBody if hasattr(body, "__len__") else _Body)(body, values)

    def _watching(self, start_response: StartResponse) -> StartResponse:
        def watched(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            self._secrets.response(headers)
            return start_response(status, headers, *exc_info)

        return watched


class _Body:
    """The chunks of a response, each made with the request's values known."""

    def __init__(self, body: Iterable[bytes], values: known.Values) -> None:
        self._body = body
        self._values = values
        self._chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with known.scope(self._values):
            if self._chunks is None:
                self._chunks = iter(self._body)
            return next(self._chunks)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            with known.scope(self._values):
                close()


class _SizedBody(_Body):
    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def _is_file(body: object, environ: Mapping[str, Any]) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)
