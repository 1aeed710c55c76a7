"""Django: the secrets of a request are known while it is served, and error reports are clean.

``RedactorMiddleware`` goes first in ``MIDDLEWARE``; ``DEFAULT_EXCEPTION_REPORTER_FILTER`` and
``DEFAULT_EXCEPTION_REPORTER`` name the two other classes. The settings ``REDACTOR`` (a
``Redactor``; the shared default one unless given) and ``REDACTOR_FIELDS`` (names of further
headers, cookies, parameters and POST fields whose values are secret) are for all three.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.template.defaultfilters import pprint
from django.utils.datastructures import MultiValueDict
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from redactor import known
from redactor.integrations._http_values import SecretValues
from redactor.integrations._pieces import Rendered, secrets_in_frames
from redactor.redactor import Redactor, default_redactor
from redactor.replace import ERROR_PLACEHOLDER

__all__ = ["RedactorExceptionReporter", "RedactorExceptionReporterFilter", "RedactorMiddleware"]

_VALUES: Final = "_redactor_values"
"""The attribute of a request that holds what the middleware registered for it."""

_REPORTED: Final = "_redactor_reported"
"""The attribute of a request that holds what an error report registered for it."""


class RedactorMiddleware:
    """Registers the secrets of each request and response as known values of its context.

    Read are the path, the query, the headers and, at sign-in, the new session's key.
    Responses are unchanged; the chunks of streaming ones are made with the values known.
    Works in sync and async stacks. Raises what making the default redactor raises, and
    nothing later.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._secrets = SecretValues(_redactor(), _fields())
        user_logged_in.connect(_register_session, dispatch_uid="redactor")
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        if self._is_async:
            return self._serve(request)
        with known.scope() as values:
            self._begin(request, values)
            return self._end(self.get_response(request), values)

    async def _serve(self, request: HttpRequest) -> HttpResponseBase:
        with known.scope() as values:
            self._begin(request, values)
            return self._end(await self.get_response(request), values)

    def _begin(self, request: HttpRequest, values: known.Values) -> None:
        setattr(request, _VALUES, values)
        self._secrets.environ(request.META)

    def _end(self, response: HttpResponseBase, values: known.Values) -> HttpResponseBase:
        self._secrets.response(response.items())
        self._secrets.response(("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values())
        if response.streaming and not isinstance(response, FileResponse):
            streaming = cast(Any, response)
            chunks = streaming.streaming_content
            make = _later_chunks if streaming.is_async else _chunks
            streaming.streaming_content = make(chunks, values)
        close = response.close

        def close_with_values() -> None:
            with known.scope(values):
                close()

        response.close = close_with_values
        return response


def _redactor() -> Redactor:
    return getattr(settings, "REDACTOR", None) or default_redactor()


def _fields() -> Iterable[str]:
    return getattr(settings, "REDACTOR_FIELDS", ())


def _register_session(request: HttpRequest | None = None, **_: Any) -> None:
    """Register the key of the session that a sign-in has just made, before any cookie carries it."""
    values = getattr(request, _VALUES, None)
    key = getattr(getattr(request, "session", None), "session_key", None)
    if values is not None and isinstance(key, str):
        with known.scope(values):
            known.register(key, "session")


def _chunks(chunks: Iterable[bytes], values: known.Values) -> Iterator[bytes]:
    iterator = iter(chunks)
    while True:
        with known.scope(values):
            try:
                chunk = next(iterator)
            except StopIteration:
                return
        yield chunk


async def _later_chunks(chunks: AsyncIterator[bytes], values: known.Values) -> AsyncIterator[bytes]:
    iterator = aiter(chunks)
    while True:
        with known.scope(values):
            try:
                chunk = await anext(iterator)
            except StopAsyncIteration:
                return
        yield chunk


# --- error reports ------------------------------------------------------------------------


class RedactorExceptionReporterFilter(SafeExceptionReporterFilter):  # type: ignore[misc]
    """Removes secrets from what error reports show, whether ``DEBUG`` is on or off.

    Settings, META, cookies, POST fields and the variables of frames: beside their names,
    by their shapes, and opaque ones that the request carries, wherever they turn up. What
    Django and the ``sensitive_*`` decorators hide stays hidden.
    """

    def __init__(self) -> None:
        self._redactor = _redactor()

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Return a setting, or an item of one, without secrets."""
        return self._beside(key, super().cleanse_setting(key, value))

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return ``request.META`` without secrets."""
        with _request_known(request):
            cleansed: dict[str, Any] = super().get_safe_request_meta(request)
            return cleansed

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return ``request.COOKIES`` without secrets."""
        with _request_known(request):
            cleansed: dict[str, Any] = super().get_safe_cookies(request)
            return cleansed

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        """Return the POST fields without secrets."""
        parameters = super().get_post_parameters(request)
        with _request_known(request):
            return self._multivalued(parameters)

    def get_cleansed_multivaluedict(self, request: HttpRequest, multivaluedict: Any) -> Any:
        """Return a dictionary of lists, as a frame's variable, without secrets."""
        return self._multivalued(super().get_cleansed_multivaluedict(request, multivaluedict))

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> list[tuple[str, Any]]:
        """Return a frame's variables, each without secrets in what it holds and how it prints."""
        variables = super().get_traceback_frame_variables(request, tb_frame)
        with _request_known(request):
            return [(name, self._variable(name, value)) for name, value in variables]

    def _beside(self, key: Any, value: Any) -> Any:
        if not isinstance(value, str | bytes | Mapping | list | tuple | set | frozenset):
            return value
        held = self._redactor.value({key: value})
        return held[key] if isinstance(held, Mapping) and key in held else ERROR_PLACEHOLDER

    def _multivalued(self, parameters: Any) -> Any:
        if not isinstance(parameters, MultiValueDict):
            return parameters
        cleansed = parameters.copy()
        for key, items in parameters.lists():
            cleansed.setlist(key, [self._beside(key, item) for item in items])
        return cleansed

    def _variable(self, name: str, value: Any) -> Any:
        try:
            cleansed = self._beside(name, value)
            text = pprint(cleansed)
            clean = self._redactor.text(text)
            return cleansed if clean is text else Rendered(clean, clean)
        except Exception:
            self._redactor.summary.add_error()
            return ERROR_PLACEHOLDER


class RedactorExceptionReporter(ExceptionReporter):  # type: ignore[misc]
    """Removes secrets from a whole error report, as page, as text and as e-mail.

    The exception's text, the URL, GET, source lines: all that is shown is redacted once
    more as text, with the request's own secrets known, and those that stand beside their
    names in the variables of the frames.
    """

    def get_traceback_html(self) -> str:
        """Return the report as HTML without secrets."""
        return self._clean(super().get_traceback_html)

    def get_traceback_text(self) -> str:
        """Return the report as plain text without secrets."""
        return self._clean(super().get_traceback_text)

    def _clean(self, report: Callable[[], str]) -> str:
        redactor = _redactor()
        with _request_known(self.request):
            if self.exc_value is not None:
                for secret, shown in secrets_in_frames(redactor, self.exc_value):
                    known.register(secret, shown.removeprefix("[REDACTED:").removesuffix("]").partition(":")[0])
            return redactor.text(str(report()))


def _request_known(request: HttpRequest | None) -> AbstractContextManager[known.Values]:
    """Return a scope in which the request's own secrets are known; they are read once for a report."""
    values = getattr(request, _REPORTED, None)
    if values is not None:
        return known.scope(values)
    secrets = SecretValues(_redactor(), _fields())
    with known.scope() as values:
        secrets.environ(getattr(request, "META", {}))
        secrets.named(_posted(request))
    if request is not None:
        setattr(request, _REPORTED, values)
    return known.scope(values)


def _posted(request: HttpRequest | None) -> Mapping[str, Any]:
    """Return the POST fields of a request, or none if its body cannot be read any more."""
    try:
        return {} if request is None else dict(request.POST.lists())
    except Exception:
        return {}
