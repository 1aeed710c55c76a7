"""Request logging of the kind one adds to chase a bug and forgets to remove."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

http = logging.getLogger("shop.http")
audit = logging.getLogger("shop.audit")

Handler = Callable[[HttpRequest], HttpResponse]


def request_log(get_response: Handler) -> Handler:
    """Log each request; headers and form only where something is written or the API is used."""

    def handle(request: HttpRequest) -> HttpResponse:
        ident = request.headers.get("X-Request-Id", "-")
        http.info("%s %s request_id=%s", request.method, request.get_full_path(), ident)
        if request.method == "POST":
            http.debug("request headers %r", dict(request.headers))
            if request.POST:
                http.debug("form %r", request.POST)
        response = get_response(request)
        for morsel in response.cookies.values():
            http.debug("response %s", morsel.output())
        if request.path.startswith("/api/"):
            _log_api_call(request, response, ident)
        http.debug(
            "response %d %s etag=%s length=%d",
            response.status_code,
            response.get("Content-Type", "-"),
            response.get("ETag", "-"),
            len(response.content),
        )
        return response

    return handle


def _log_api_call(request: HttpRequest, response: HttpResponse, ident: str) -> None:
    wanted = ("Host", "Authorization", "Traceparent", "User-Agent")
    headers = {name: request.headers[name] for name in wanted if name in request.headers}
    audit.info(
        "api call",
        extra={
            "request_id": ident,
            "path": request.path,
            "status": response.status_code,
            "request": json.dumps({"method": request.method, "headers": headers}),
        },
    )
    if request.path.startswith("/api/token/"):
        http.debug("response body %s", response.content.decode())


@receiver(user_logged_in)
def _logged_in(request: HttpRequest, user: Any, **_: object) -> None:
    audit.info(
        "login",
        extra={
            "user": user.get_username(),
            "user_id": user.pk,
            "session_key": request.session.session_key,
            "cookies": request.COOKIES,
            "session_timeout": 1209600,
            "csrf_enabled": True,
        },
    )


@receiver(user_logged_out)
def _logged_out(request: HttpRequest, user: Any, **_: object) -> None:
    audit.info("logout", extra={"user": str(user), "session_key": request.session.session_key})


@receiver(user_login_failed)
def _failed(credentials: dict[str, Any], **_: object) -> None:
    audit.warning("login failed", extra={"credentials": credentials})
