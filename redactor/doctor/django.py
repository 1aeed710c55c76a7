"""Django: what its error reports show, and whether requests are known to the middleware."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.views.debug import get_exception_reporter_class, get_exception_reporter_filter

from redactor.doctor.report import COVERED, LEAKS, Judge, Row
from redactor.doctor.web import BARE, UNKNOWN
from redactor.installation import DJANGO

__all__ = ["rows"]

_HOST: Final = "django"
_MIDDLEWARE: Final = "redactor.integrations.django.RedactorMiddleware"


def rows(judge: Judge) -> Iterator[Row]:
    """Yield a row for the filter, the reports and the middleware, by the settings; none without settings."""
    if not settings.configured:
        return
    for what, report in (("filter", _filtered), ("reporter", _reported)):
        name = f"error reports, {what} of the settings"
        try:
            sent = [report(canary.text) for canary in judge.canaries]
        except Exception as error:
            yield judge.unchecked(_HOST, name, f"it fails with {type(error).__name__}")
            continue
        yield judge.row(_HOST, name, sent, DJANGO[what])
    if _MIDDLEWARE in settings.MIDDLEWARE:
        yield Row(_HOST, "requests, MIDDLEWARE", COVERED)
    else:
        yield Row(_HOST, "requests, MIDDLEWARE", LEAKS, (BARE,), UNKNOWN, DJANGO["requests"])


def _filtered(canary: str) -> list[object]:
    """Return what the filter lets through of a request and of the variables of a frame."""
    request = _request(canary)
    held = canary
    chosen = get_exception_reporter_filter(request)
    frame = sys._getframe()
    variables = [(name, str(value)) for name, value in chosen.get_traceback_frame_variables(request, frame)]
    shown = [pair for pair in variables if pair[0] == "held"]
    del held
    return [
        shown,
        dict(chosen.get_safe_request_meta(request)),
        dict(chosen.get_safe_cookies(request)),
        dict(chosen.get_post_parameters(request)),
    ]


def _reported(canary: str) -> list[object]:
    """Return a report as it would be sent by e-mail, and the page that ``DEBUG`` shows."""
    request = _request(canary)
    try:
        raise ValueError(canary)
    except ValueError as error:
        reporter: Any = get_exception_reporter_class(request)(request, ValueError, error, error.__traceback__)
        return [reporter.get_traceback_text(), reporter.get_traceback_html()]


def _request(canary: str) -> WSGIRequest:
    body = urlencode({"note": canary}).encode()
    return WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_X_NOTE": canary,
            "wsgi.input": BytesIO(body),
        }
    )
