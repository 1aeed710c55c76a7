"""Mint session secrets with Python's web and token libraries into python.jsonl.

Randomness and the clock are fixed, so a second run differs only where a library
draws from the operating system itself (ECDSA, biscuit, AES-GCM keys made in Rust).
Every cryptographic key and credential below is synthetic.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import json
import logging
import os
import random
import re
import secrets
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import time_machine

from contexts import Kind, Scene, render

HERE = Path(__file__).parent
NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
KEY = "corpus-key-not-used-anywhere-else-0123456789abcdef"
KEY32 = hashlib.sha256(KEY.encode()).digest()
MANY = 12


@contextmanager
def fixed_randomness(seed: int) -> Iterator[None]:
    """os.urandom, secrets and uuid4 repeat themselves from run to run."""
    source = random.Random(seed)
    before = os.urandom, random._urandom  # type: ignore[attr-defined]
    os.urandom = random._urandom = source.randbytes  # type: ignore[attr-defined]
    try:
        yield
    finally:
        os.urandom, random._urandom = before  # type: ignore[attr-defined]


def made(*distributions: str) -> str:
    """The libraries and versions that made a value."""
    return ", ".join(f"{name} {version(name)}" for name in distributions)


def several(mint: Callable[[int], str], count: int = MANY) -> tuple[str, ...]:
    return tuple(mint(number) for number in range(count))


def claims(number: int) -> dict[str, Any]:
    """JWT claims of a session that lasts an hour."""
    issued = int(NOW.timestamp()) + number
    return {
        "sub": str(1000 + number),
        "iss": "https://login.example.com",
        "iat": issued,
        "exp": issued + 3600,
        "jti": uuid.uuid4().hex,
    }


def cookie_of(header: str) -> tuple[str, str]:
    """Name and value, as on the wire, of a Set-Cookie header."""
    name, _, rest = header.partition("=")
    return name, rest.split(";", 1)[0] if not rest.startswith('"') else rest[: rest.index('"', 1) + 1]


def rsa_pem() -> bytes:
    """A 2048-bit RSA private key, the same in every run."""
    from Cryptodome.PublicKey import RSA

    return RSA.generate(2048, randfunc=random.Random(65537).randbytes).export_key(pkcs=8)


def ec_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(KEY32) >> 2, ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def ed25519_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return ed25519.Ed25519PrivateKey.from_private_bytes(KEY32).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


# --- Django ---------------------------------------------------------------------


def start_django(session_files: str) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.configure(
        SECRET_KEY=KEY,
        USE_TZ=True,
        SESSION_FILE_PATH=session_files,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="mint_python",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django.contrib.messages",
            "rest_framework",
            "rest_framework.authtoken",
            "knox",
            "oauth2_provider",
            "allauth",
            "allauth.account",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "allauth.account.middleware.AccountMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        OAUTH2_PROVIDER={"SCOPES": {"read": "Read", "write": "Write"}, "PKCE_REQUIRED": True},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SIMPLE_JWT={"SIGNING_KEY": KEY},
    )
    django.setup()
    call_command("migrate", verbosity=0)


class _Captured(logging.Handler):
    """Keeps formatted records."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"DEBUG django.db.backends {self.format(record)}")


def sql_lines(action: Callable[[], str]) -> tuple[str, list[str]]:
    """The secret an action made, and what Django's SQL log said of it."""
    from django.db import connection

    handler = _Captured()
    logger = logging.getLogger("django.db.backends")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    connection.force_debug_cursor = True
    try:
        secret = action()
    finally:
        connection.force_debug_cursor = False
        logger.removeHandler(handler)
    return secret, [line for line in handler.lines if secret in line]


def sql_native(action: Callable[[], str]) -> tuple[dict[str, Any], ...]:
    """Django's own log lines; an INSERT of a session also shows the signed session data."""
    secret, lines = sql_lines(action)
    return tuple(
        {
            "context": "django-sql-log",
            "text": line,
            "secrets": [secret, *set(re.findall(r"'(\.?eJ[\w-]+:[\w-]+:[\w-]+)'", line))],
            "cue": "name" if 'session_key" = ' in line else "weak",
        }
        for line in lines
    )


def django_sessions() -> Iterator[Kind]:
    from importlib import import_module

    def store(engine: str) -> Any:
        session = import_module(f"django.contrib.sessions.backends.{engine}").SessionStore()
        session["_auth_user_id"] = "7"
        session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
        session["_auth_user_hash"] = secrets.token_hex(32)
        session.save()
        return session

    def saved_in_db() -> str:
        return str(store("db").session_key)

    by = made("Django")
    for engine in ("db", "cached_db", "file"):
        native = sql_native(saved_in_db) if engine == "db" else ()
        csrf = secrets.token_urlsafe(24)
        yield Kind(
            f"django-session-{engine.replace('_', '-')}",
            by,
            "sessionid",
            several(lambda _, e=engine: str(store(e).session_key)),
            ("cookie",),
            member="session_key",
            noun="session",
            table="django_session",
            native=native,
            beside=(("csrftoken", csrf),) if engine == "db" else (),
            named=12 if engine == "db" else 7,
        )
    yield Kind(
        "django-session-signed-cookies",
        by,
        "sessionid",
        several(lambda _: str(store("signed_cookies").session_key)),
        ("cookie",),
        member="session_data",
        noun="session",
        told_by_shape=True,
    )


def django_csrf() -> Iterator[Kind]:
    from django.middleware.csrf import get_token
    from django.test import RequestFactory

    def pair() -> tuple[str, str]:
        request = RequestFactory().get("/")
        masked = get_token(request)
        return str(request.META["CSRF_COOKIE"]), masked

    by = made("Django")
    yield Kind(
        "django-csrf-cookie",
        by,
        "csrftoken",
        several(lambda _: pair()[0]),
        ("cookie", "header"),
        header="X-CSRFToken",
        noun="CSRF token",
    )
    yield Kind(
        "django-csrf-form",
        by,
        "csrfmiddlewaretoken",
        several(lambda _: pair()[1]),
        ("field", "header"),
        header="X-CSRFToken",
        noun="CSRF token",
    )


def django_links() -> Iterator[Kind]:
    from django.contrib.auth.models import User
    from django.contrib.auth.tokens import default_token_generator
    from django.core import signing

    def reset(number: int) -> str:
        user = User.objects.create_user(f"reset{number}", f"reset{number}@example.com", "unused-password")
        return default_token_generator.make_token(user)

    by = made("Django")
    yield Kind(
        "django-password-reset",
        by,
        "token",
        several(reset),
        ("path",),
        noun="password reset token",
        link="/accounts/reset/MTc/{token}/",
        named=8,
        unnamed=2,
    )
    yield Kind(
        "django-signing",
        by,
        "signed",
        several(lambda n: signing.dumps({"user": n, "action": "login"}, salt="magic")),
        ("path", "field"),
        member="login_token",
        link="/magic/{token}",
        noun="magic link token",
        told_by_shape=True,
        only=(
            "link-access-log",
            "link-in-mail",
            "link-json",
            "traceback-locals",
            "json-flat",
            "prose-named",
            "json-neutral-key",
            "prose-bare",
        ),
    )


def django_rest() -> Iterator[Kind]:
    from django.contrib.auth.models import User
    from knox.models import get_token_model
    from rest_framework.authtoken.models import Token
    from rest_framework_simplejwt.tokens import RefreshToken

    def user(prefix: str, number: int) -> User:
        return User.objects.create_user(f"{prefix}{number}")

    def logged_token() -> str:
        return str(Token.objects.create(user=user("sql", 0)).key)

    yield Kind(
        "drf-token",
        made("djangorestframework"),
        "token",
        several(lambda _: Token.generate_key()),
        ("auth", "field"),
        member="auth_token",
        scheme="Token",
        native=sql_native(logged_token),
        table="authtoken_token",
        noun="auth token",
    )
    yield Kind(
        "knox-token",
        made("django-rest-knox"),
        "token",
        several(lambda n: str(get_token_model().objects.create(user("knox", n))[1])),
        ("auth", "field"),
        member="auth_token",
        scheme="Token",
        noun="API token",
    )
    by = made("djangorestframework_simplejwt")
    yield Kind(
        "simplejwt-access",
        by,
        "access",
        several(lambda n: str(RefreshToken.for_user(user("a", n)).access_token)),
        ("auth", "field"),
        member="access_token",
        noun="access token",
        told_by_name=False,
        told_by_shape=True,
    )
    yield Kind(
        "simplejwt-refresh",
        by,
        "refresh",
        several(lambda n: str(RefreshToken.for_user(user("r", n)))),
        ("field",),
        noun="refresh token",
        told_by_name=False,
        told_by_shape=True,
    )


class _Inputs(HTMLParser):
    """Collects the inputs of a form."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input" and found.get("name"):
            self.values[str(found["name"])] = found.get("value") or ""


def django_oauth() -> Iterator[Kind]:
    """Run the authorization code flow with PKCE through django-oauth-toolkit's views."""
    from django.contrib.auth.models import User
    from django.test import Client
    from oauth2_provider.models import Application

    app = Application.objects.create(
        name="corpus",
        client_id="web-client",
        client_type="public",
        authorization_grant_type="authorization-code",
        redirect_uris="https://app.example.org/callback",
        skip_authorization=True,
    )
    client = Client()
    client.force_login(User.objects.create_user("oauth"))
    rows: list[dict[str, str]] = []
    callbacks: list[dict[str, Any]] = []
    for number in range(MANY):
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        ask = {
            "client_id": app.client_id,
            "response_type": "code",
            "redirect_uri": "https://app.example.org/callback",
            "scope": "read write",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        location = client.get("/o/authorize/", ask)["Location"]
        code = parse_qs(urlsplit(location).query)["code"][0]
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": "https://app.example.org/callback",
            "client_id": app.client_id,
            "code_verifier": verifier,
        }
        answer = client.post("/o/token/", body).json()
        rows.append({"code": code, "state": state, "code_verifier": verifier, **answer})
        scene = Scene(f"oauth{number}")
        line = ""
        if number % 3 == 0:
            path = location.removeprefix("https://app.example.org")
            line = f'{scene.ip()} - - [{scene.clf()}] "GET {path} HTTP/1.1" 302 0 "https://login.example.net/" "{scene.agent()}"'
            callbacks.append({"context": "oauth-callback", "text": line, "secrets": [code, state]})
        elif number % 3 == 1:
            line = "POST /o/token/ " + "&".join(f"{name}={quote(value, safe='')}" for name, value in body.items())
            callbacks.append({"context": "oauth-token-request", "text": line, "secrets": [code, verifier]})
        else:
            line = f"{scene.stamp()} DEBUG oauth token response {json.dumps(answer)} request_id={scene.uuid()}"
            callbacks.append(
                {
                    "context": "oauth-token-response",
                    "text": line,
                    "secrets": [answer["access_token"], answer["refresh_token"]],
                }
            )
    for number in range(3):
        state, scene = rows[number]["state"], Scene(f"authorize{number}")
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(rows[number]["code_verifier"].encode()).digest())
            .rstrip(b"=")
            .decode()
        )
        line = (
            f'{scene.ip()} "GET /o/authorize/?client_id=web-client&response_type=code&scope=read+write&state={state}'
            f'&code_challenge={challenge}&code_challenge_method=S256 HTTP/1.1" 302'
        )
        callbacks.append({"context": "oauth-authorize", "text": line, "secrets": [state]})

    by = made("django-oauth-toolkit")

    def column(name: str) -> tuple[str, ...]:
        return tuple(row[name] for row in rows)

    yield Kind(
        "oauth-toolkit-access", by, "access_token", column("access_token"), ("auth", "field"), noun="access token"
    )
    yield Kind(
        "oauth-toolkit-refresh",
        by,
        "refresh_token",
        column("refresh_token"),
        ("field",),
        noun="refresh token",
        native=tuple(callbacks),
    )
    on_the_way = (
        "nginx-access-query",
        "referer-query",
        "form-body",
        "redirect-encoded",
        "redirect-double-encoded",
        "httpx-log-query",
        "prose-bare",
    )
    yield Kind(
        "oauth-code",
        by,
        "code",
        column("code"),
        ("field",),
        member="authorization_code",
        noun="authorization code",
        only=(
            *on_the_way,
            "json-flat",
            "ruby-params-hash",
            "prose-named",
            "traceback-locals",
            "multipart",
            "go-map-params",
        ),
    )
    yield Kind(
        "oauth-state",
        by,
        "state",
        column("state"),
        ("field",),
        member="oauth_state",
        noun="OAuth state",
        only=(*on_the_way, "json-flat", "structlog-console"),
    )
    yield Kind(
        "oauth-code-verifier",
        by,
        "code_verifier",
        column("code_verifier"),
        ("field",),
        noun="code verifier",
        named=7,
        unnamed=2,
    )


def authlib_requests() -> Iterator[Kind]:
    """Authorization requests as Authlib's client writes them."""
    from authlib.integrations.requests_client import OAuth2Session

    lines = []
    for number in range(9):
        nonce, verifier, scene = secrets.token_urlsafe(16), secrets.token_urlsafe(48), Scene(f"authlib{number}")
        client = OAuth2Session(
            "web-client", redirect_uri="https://app.example.org/cb", scope="openid email", code_challenge_method="S256"
        )
        url, state = client.create_authorization_url(
            "https://login.example.net/authorize", nonce=nonce, code_verifier=verifier
        )
        context, text, spelled = [
            (
                "oauth-authorize-location",
                f"< HTTP/1.1 302 Found\n< Location: {url}\n< X-Request-Id: {scene.uuid()}",
                [state, nonce],
            ),
            (
                "oauth-authorize-json",
                json.dumps({"ts": scene.iso(), "redirect": url, "trace_id": scene.hex(32)}),
                [state, nonce],
            ),
            (
                "oauth-authorize-session",
                f"DEBUG session data { ({'redirect_uri': 'https://app.example.org/cb', 'nonce': nonce, 'code_verifier': verifier})!r} trace={scene.hex(32)}",
                [nonce, verifier],
            ),
        ][number % 3]
        lines.append({"context": context, "text": text, "secrets": spelled})
    yield Kind("authlib-authorize", made("Authlib"), "state", ("unused",), (), native=tuple(lines))


def allauth_links() -> Iterator[Kind]:
    from allauth.account.models import EmailAddress, EmailConfirmationHMAC

    yield Kind(
        "allauth-confirm-email",
        made("django-allauth"),
        "key",
        several(lambda n: EmailConfirmationHMAC(EmailAddress(pk=70 + n)).key),
        ("path",),
        member="confirmation_key",
        link="/accounts/confirm-email/{token}/",
        noun="email confirmation key",
        told_by_shape=True,
        named=7,
        unnamed=2,
    )


# --- Flask and itsdangerous -------------------------------------------------------


def flask_kinds() -> Iterator[Kind]:
    import flask
    from flask_jwt_extended import (
        JWTManager,
        create_access_token,
        create_refresh_token,
        get_csrf_token,
        set_access_cookies,
    )
    from flask_login import LoginManager, UserMixin, login_user
    from flask_wtf.csrf import generate_csrf

    app = flask.Flask("corpus")
    app.config.update(
        SECRET_KEY=KEY, JWT_SECRET_KEY=KEY, JWT_TOKEN_LOCATION=["headers", "cookies"], WTF_CSRF_SECRET_KEY=KEY
    )
    JWTManager(app)
    manager = LoginManager(app)

    class User(UserMixin):
        def __init__(self, number: int) -> None:
            self.id = str(number)

    manager.user_loader(lambda number: User(int(number)))

    @app.get("/small/<int:number>")
    def small(number: int) -> str:
        flask.session["user_id"] = number
        flask.session["csrf_token"] = secrets.token_hex(20)
        return "ok"

    @app.get("/large/<int:number>")
    def large(number: int) -> str:
        flask.session["cart"] = [
            {"sku": f"SKU-{number}-{item}", "quantity": 1, "currency": "EUR"} for item in range(12)
        ]
        flask.session["user_id"] = number
        return "ok"

    @app.get("/remember/<int:number>")
    def remember(number: int) -> str:
        login_user(User(number), remember=True)
        return "ok"

    @app.get("/csrf")
    def csrf() -> str:
        return generate_csrf()

    @app.get("/jwt/<int:number>")
    def jwt(number: int) -> flask.Response:
        response = flask.jsonify(ok=True)
        set_access_cookies(response, create_access_token(identity=str(number)))
        return response

    def cookies(path: str) -> dict[str, str]:
        return dict(cookie_of(header) for header in app.test_client().get(path).headers.getlist("Set-Cookie"))

    by = made("Flask", "itsdangerous")
    yield Kind(
        "flask-session",
        by,
        "session",
        several(lambda n: cookies(f"/small/{n}")["session"]),
        ("cookie",),
        member="session_cookie",
        noun="session",
        told_by_shape=True,
    )
    yield Kind(
        "flask-session-zlib",
        by,
        "session",
        several(lambda n: cookies(f"/large/{n}")["session"]),
        ("cookie",),
        member="session_cookie",
        noun="session",
        told_by_shape=True,
        named=7,
    )
    yield Kind(
        "flask-login-remember",
        made("Flask-Login"),
        "remember_token",
        several(lambda n: cookies(f"/remember/{n}")["remember_token"]),
        ("cookie",),
        noun="remember token",
    )
    yield Kind(
        "flask-wtf-csrf",
        made("Flask-WTF"),
        "csrf_token",
        several(lambda _: app.test_client().get("/csrf").text),
        ("field", "header"),
        header="X-CSRFToken",
        noun="CSRF token",
        told_by_shape=True,
    )
    with app.app_context():
        by = made("Flask-JWT-Extended")
        yield Kind(
            "flask-jwt-refresh",
            by,
            "refresh_token",
            several(lambda n: create_refresh_token(identity=str(n))),
            ("field", "auth"),
            noun="refresh token",
            told_by_shape=True,
            named=7,
        )
        first = cookies("/jwt/1")
        yield Kind(
            "flask-jwt-cookie",
            by,
            "access_token_cookie",
            several(lambda n: cookies(f"/jwt/{n}")["access_token_cookie"]),
            ("cookie",),
            noun="access token",
            told_by_shape=True,
            beside=(("csrf_access_token", first["csrf_access_token"]),),
        )
        yield Kind(
            "flask-jwt-csrf",
            by,
            "csrf_access_token",
            several(lambda n: get_csrf_token(create_access_token(identity=str(n)))),
            ("cookie", "header"),
            header="X-CSRF-TOKEN",
            noun="CSRF token",
            named=7,
            unnamed=2,
        )


def itsdangerous_kinds() -> Iterator[Kind]:
    from itsdangerous import TimestampSigner, URLSafeSerializer, URLSafeTimedSerializer

    by = made("itsdangerous")
    timed = URLSafeTimedSerializer(KEY, salt="email-confirm")
    plain = URLSafeSerializer(KEY, salt="unsubscribe")
    yield Kind(
        "itsdangerous-timed",
        by,
        "token",
        several(lambda n: timed.dumps({"user": n})),
        ("path", "field"),
        link="/confirm/{token}",
        noun="confirmation token",
        told_by_shape=True,
    )
    yield Kind(
        "itsdangerous-string",
        by,
        "token",
        several(lambda n: timed.dumps(f"user{n}@example.com")),
        ("path",),
        link="/auth/magic/{token}",
        noun="magic link token",
        told_by_shape=True,
        named=6,
        unnamed=2,
    )
    yield Kind(
        "itsdangerous-plain",
        by,
        "token",
        several(lambda n: plain.dumps([n, "login"])),
        ("field",),
        member="login_token",
        noun="login token",
        named=6,
        unnamed=2,
    )
    signer = TimestampSigner(KEY)
    yield Kind(
        "itsdangerous-signed-id",
        by,
        "sid",
        several(lambda _: signer.sign(secrets.token_hex(16)).decode()),
        ("cookie",),
        member="session_id",
        noun="session",
        named=7,
        unnamed=2,
    )


# --- other web frameworks ----------------------------------------------------------


def starlette_session() -> Iterator[Kind]:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.testclient import TestClient

    async def login(request: Request) -> Response:
        request.session["user"] = request.query_params["n"]
        return Response("ok")

    app = Starlette(routes=[Route("/", login)], middleware=[Middleware(SessionMiddleware, secret_key=KEY)])

    def mint(number: int) -> str:
        return cookie_of(TestClient(app).get("/", params={"n": number}).headers["set-cookie"])[1]

    yield Kind(
        "starlette-session",
        made("starlette"),
        "session",
        several(mint),
        ("cookie",),
        member="session_cookie",
        noun="session",
        told_by_shape=True,
    )


def aiohttp_session_kinds() -> Iterator[Kind]:
    from aiohttp import web
    from aiohttp.test_utils import make_mocked_request
    from aiohttp_session import Session
    from aiohttp_session.cookie_storage import EncryptedCookieStorage

    storage = EncryptedCookieStorage(KEY32)

    async def save(number: int) -> str:
        response = web.Response()
        session = Session(None, data=None, new=True)
        session["user"] = number
        await storage.save_session(make_mocked_request("GET", "/"), response, session)
        return cookie_of(response.cookies["AIOHTTP_SESSION"].OutputString())[1]

    yield Kind(
        "aiohttp-session",
        made("aiohttp-session"),
        "AIOHTTP_SESSION",
        several(lambda n: asyncio.run(save(n))),
        ("cookie",),
        noun="session",
        told_by_shape=True,
    )


def tornado_kinds() -> Iterator[Kind]:
    from tornado.web import create_signed_value

    def mint(number: int) -> str:
        jar = SimpleCookie()
        jar["login"] = create_signed_value(KEY, "login", json.dumps({"id": number}), clock=NOW.timestamp).decode()
        return cookie_of(jar["login"].OutputString())[1]

    def xsrf(_: int) -> str:
        mask, token = secrets.token_bytes(4), secrets.token_bytes(16)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(token))
        return f"2|{mask.hex()}|{masked.hex()}|{int(NOW.timestamp())}"

    by = made("tornado")
    yield Kind(
        "tornado-signed-cookie",
        by,
        "login",
        several(mint),
        ("cookie",),
        told_by_name=False,
        told_by_shape=True,
        noun="user cookie",
    )
    yield Kind(
        "tornado-xsrf",
        by + " (format)",
        "_xsrf",
        several(xsrf),
        ("cookie", "field", "header"),
        header="X-XSRFToken",
        noun="XSRF token",
        told_by_shape=True,
    )


def pyramid_kinds() -> Iterator[Kind]:
    from pyramid.authentication import AuthTktCookieHelper
    from pyramid.request import Request
    from pyramid.response import Response
    from pyramid.session import SignedCookieSessionFactory

    factory = SignedCookieSessionFactory(KEY)
    helper = AuthTktCookieHelper(KEY, hashalg="sha512")

    def session(number: int) -> str:
        request = Request.blank("/")
        stored = factory(request)
        stored["user"] = number
        response = Response()
        stored._set_cookie(response)
        return cookie_of(response.headers["Set-Cookie"])[1]

    def ticket(number: int) -> str:
        return cookie_of(helper.remember(Request.blank("/"), f"user{number}")[0][1])[1]

    by = made("pyramid")
    yield Kind("pyramid-session", by, "session", several(session), ("cookie",), member="session_cookie", noun="session")
    yield Kind("pyramid-auth-tkt", by, "auth_tkt", several(ticket), ("cookie",), noun="auth ticket")


def bottle_kinds() -> Iterator[Kind]:
    import bottle

    def mint(number: int) -> str:
        response = bottle.BaseResponse()
        response.set_cookie("account", {"user": number}, secret=KEY)
        return cookie_of(dict(response.headerlist)["Set-Cookie"])[1]

    yield Kind(
        "bottle-signed-cookie",
        made("bottle"),
        "account",
        several(mint),
        ("cookie",),
        told_by_name=False,
        noun="account cookie",
        told_by_shape=True,
    )


def litestar_kinds() -> Iterator[Kind]:
    from litestar import Litestar, Request, get
    from litestar.middleware.session.client_side import CookieBackendConfig
    from litestar.middleware.session.server_side import ServerSideSessionConfig
    from litestar.testing import TestClient

    @get("/")
    async def login(request: Request) -> str:  # type: ignore[type-arg]
        request.session["user"] = request.query_params["n"]
        return "ok"

    login.fn.__annotations__["request"] = Request
    inside = Litestar([login], logging_config=None, middleware=[CookieBackendConfig(secret=KEY32[:16]).middleware])
    server = Litestar([login], logging_config=None, middleware=[ServerSideSessionConfig().middleware])

    def minter(app: Litestar) -> Callable[[int], str]:
        def mint(number: int) -> str:
            with TestClient(app) as client:
                return cookie_of(client.get("/", params={"n": number}).headers["set-cookie"])[1]

        return mint

    by = made("litestar")
    yield Kind(
        "litestar-client-session",
        by,
        "session-0",
        several(minter(inside), 6),
        ("cookie",),
        member="session_cookie",
        noun="session",
        named=7,
        unnamed=2,
    )
    yield Kind(
        "litestar-server-session",
        by,
        "session",
        several(minter(server), 6),
        ("cookie",),
        member="session_id",
        noun="session",
        named=7,
        unnamed=2,
    )


# --- tokens -----------------------------------------------------------------------------


def pyjwt_kinds() -> Iterator[Kind]:
    import jwt

    by = made("PyJWT")
    keys = {"HS256": KEY, "RS256": rsa_pem(), "ES256": ec_pem(), "EdDSA": ed25519_pem()}

    def encoded(algorithm: str) -> tuple[str, ...]:
        return several(
            lambda n: jwt.encode(
                claims(n), keys[algorithm], algorithm=algorithm, headers={"kid": f"key-{n}"} if n % 2 else None
            )
        )

    yield Kind(
        "jwt-hs256",
        by,
        "access_token",
        encoded("HS256"),
        ("auth", "field", "cookie"),
        noun="access token",
        told_by_shape=True,
        named=14,
    )
    yield Kind("jwt-rs256", by, "id_token", encoded("RS256"), ("field",), noun="ID token", told_by_shape=True)
    yield Kind("jwt-es256", by, "token", encoded("ES256"), ("auth", "field"), noun="token", told_by_shape=True, named=7)
    yield Kind("jwt-eddsa", by, "jwt", encoded("EdDSA"), ("auth", "field"), noun="JWT", told_by_shape=True, named=7)
    yield Kind(
        "jwt-none",
        by,
        "token",
        several(lambda n: jwt.encode(claims(n), None, algorithm="none")),
        ("auth", "field"),
        told_by_shape=True,
        named=6,
    )

    def unusual(number: int) -> str:
        header = [
            '{"typ":"JWT","alg":"HS256"}',
            '{\n  "alg": "HS256",\n  "typ": "JWT"\n}',
            '{ "kid" : "2026-01", "alg" : "HS256" }',
            '{"kid":"' + "k" * 60 + '","typ":"at+jwt","alg":"HS256"}',
            '{"x5t":"' + "A" * 27 + '","alg":"HS256"}',
            '\t{"alg":"HS256"}',
        ][number % 6]
        signed = ".".join(
            base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode()
            for part in (header, json.dumps(claims(number)))
        )
        digest = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed.encode(), KEY32)
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    yield Kind(
        "jwt-unusual-header",
        by + " (signature)",
        "token",
        several(unusual),
        ("auth", "field"),
        told_by_shape=True,
        named=12,
        unnamed=6,
    )


def jose_kinds() -> Iterator[Kind]:
    from jose import jwt as python_jose
    from joserfc import jwe, jws
    from joserfc import jwt as joserfc_jwt
    from joserfc.jwk import ECKey, OctKey, RSAKey

    oct256, rsa, ec = OctKey.import_key(KEY32), RSAKey.import_key(rsa_pem()), ECKey.import_key(ec_pem())
    yield Kind(
        "jwt-python-jose",
        made("python-jose"),
        "access_token",
        several(lambda n: python_jose.encode(claims(n), KEY)),
        ("auth", "field"),
        noun="access token",
        told_by_shape=True,
        named=6,
    )
    by = made("joserfc")

    def encrypted(algorithm: str, key: Any) -> tuple[str, ...]:
        header = {"alg": algorithm, "enc": "A256GCM"}
        return several(lambda n: jwe.encrypt_compact(header, json.dumps(claims(n)).encode(), key))

    yield Kind(
        "jwe-dir",
        by,
        "access_token",
        encrypted("dir", oct256),
        ("auth", "field"),
        noun="access token",
        told_by_shape=True,
    )
    yield Kind(
        "jwe-rsa-oaep",
        by,
        "id_token",
        encrypted("RSA-OAEP", rsa),
        ("field",),
        noun="ID token",
        told_by_shape=True,
        named=6,
    )
    yield Kind(
        "jwe-a256kw",
        by,
        "token",
        encrypted("A256KW", oct256),
        ("field", "cookie"),
        noun="token",
        told_by_shape=True,
        named=6,
    )

    def proof(number: int) -> str:
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": ec.as_dict(private=False)}
        body = {
            "jti": uuid.uuid4().hex,
            "htm": "POST",
            "htu": "https://api.example.com/token",
            "iat": int(NOW.timestamp()) + number,
        }
        return joserfc_jwt.encode(header, body, ec)

    yield Kind(
        "dpop-proof",
        by,
        "DPoP",
        several(proof),
        ("header",),
        member="dpop_proof",
        header="DPoP",
        noun="DPoP proof",
        told_by_shape=True,
        named=3,
        unnamed=3,
    )

    json_lines = []
    for number in range(6):
        body = json.dumps(claims(number)).encode()
        members = [{"protected": {"alg": "HS256"}, "header": {"kid": "k1"}}]
        signed: Any = jws.serialize_json(members if number % 2 else members[0], body, oct256)
        scene = Scene(f"jws{number}")
        parts = [signed["signature"]] if "signature" in signed else [one["signature"] for one in signed["signatures"]]
        text = f"{scene.stamp()} DEBUG verifying {json.dumps(signed)} request_id={scene.uuid()}"
        json_lines.append({"context": "jws-json", "text": text, "secrets": [signed["payload"], *parts], "cue": "shape"})
    yield Kind("jws-json-serialization", by, "jws", ("unused",), (), native=tuple(json_lines))


def paseto_kinds() -> Iterator[Kind]:
    import pyseto

    for generation in (2, 3, 4):
        local = pyseto.Key.new(version=generation, purpose="local", key=KEY32)
        pem = ec_p384_pem() if generation == 3 else ed25519_pem()
        public = pyseto.Key.new(version=generation, purpose="public", key=pem)
        for purpose, key in (("local", local), ("public", public)):
            yield Kind(
                f"paseto-v{generation}-{purpose}",
                made("pyseto"),
                "token",
                several(
                    lambda n, k=key: pyseto.encode(
                        k, claims(n), serializer=json, footer=b'{"kid":"k1"}' if n % 2 else b""
                    ).decode(),
                    8,
                ),
                ("auth", "field", "cookie"),
                member="paseto",
                noun="token",
                told_by_shape=True,
                named=5,
                unnamed=2,
            )


def ec_p384_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(KEY32), ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def capability_kinds() -> Iterator[Kind]:
    from biscuit_auth import BiscuitBuilder, KeyPair
    from cryptography.fernet import Fernet
    from pymacaroons import Macaroon

    fernet = Fernet(base64.urlsafe_b64encode(KEY32))
    pair = KeyPair()

    def macaroon(number: int) -> str:
        made_here = Macaroon(location="https://api.example.com", identifier=f"session-{number}", key=KEY)
        made_here.add_first_party_caveat(f"user = {number}")
        return made_here.serialize()

    yield Kind(
        "fernet",
        made("cryptography"),
        "session_token",
        several(lambda n: fernet.encrypt_at_time(json.dumps({"user": n}).encode(), int(NOW.timestamp()) + n).decode()),
        ("field", "cookie", "auth"),
        noun="session token",
        told_by_shape=True,
    )
    yield Kind(
        "macaroon",
        made("pymacaroons"),
        "macaroon",
        several(macaroon),
        ("auth", "field"),
        scheme="Macaroon",
        noun="macaroon",
        told_by_shape=True,
        named=7,
    )
    yield Kind(
        "biscuit",
        made("biscuit-python"),
        "biscuit",
        several(lambda n: BiscuitBuilder(f'user("{n}")').build(pair.private_key).to_base64()),
        ("auth", "field"),
        noun="biscuit token",
        named=7,
        unnamed=2,
    )


def opaque_kinds() -> Iterator[Kind]:
    import pyotp

    by = "Python secrets"
    totp = pyotp.TOTP(base64.b32encode(KEY32).decode())
    yield Kind(
        "opaque-refresh",
        by,
        "refresh_token",
        several(lambda _: secrets.token_urlsafe(32)),
        ("field",),
        noun="refresh token",
        named=12,
    )
    yield Kind(
        "opaque-session-token",
        by,
        "session_token",
        several(lambda _: secrets.token_hex(32)),
        ("field", "cookie", "auth", "header"),
        header="X-Session-Token",
        noun="session token",
        named=12,
    )
    yield Kind(
        "opaque-magic-link",
        by,
        "token",
        several(lambda _: secrets.token_urlsafe(24)),
        ("path",),
        link="/magic-link/{token}",
        member="magic_token",
        noun="magic link token",
        named=7,
        unnamed=2,
    )
    yield Kind(
        "opaque-magic-query",
        by,
        "login_token",
        several(lambda _: secrets.token_urlsafe(24)),
        ("field",),
        noun="login token",
        named=7,
        unnamed=2,
    )
    yield Kind(
        "opaque-reset-uuid",
        by,
        "reset_token",
        several(lambda _: str(uuid.uuid4())),
        ("field", "path"),
        link="/password/reset/{token}",
        noun="password reset token",
        named=9,
        unnamed=2,
    )
    yield Kind(
        "opaque-invite",
        by,
        "invite_token",
        several(lambda _: secrets.token_hex(16)),
        ("field", "path"),
        link="/invite/accept/{token}",
        noun="invite token",
        named=6,
        unnamed=2,
    )
    yield Kind(
        "opaque-device-trust",
        by,
        "device_trust_token",
        several(lambda _: secrets.token_urlsafe(32)),
        ("cookie", "field"),
        noun="device trust token",
        named=7,
        unnamed=2,
    )
    yield Kind(
        "opaque-impersonation",
        by,
        "impersonation_token",
        several(lambda _: secrets.token_urlsafe(32)),
        ("field", "header"),
        header="X-Impersonation-Token",
        noun="impersonation token",
        named=7,
        unnamed=2,
    )
    yield Kind(
        "opaque-session-uuid",
        by,
        "session_id",
        several(lambda _: str(uuid.uuid4())),
        ("cookie", "field", "header"),
        header="X-Session-Id",
        noun="session",
        named=9,
    )
    yield Kind(
        "opaque-device-code",
        by,
        "device_code",
        several(lambda _: secrets.token_urlsafe(30)),
        ("field",),
        noun="device code",
        named=6,
        unnamed=1,
    )
    yield Kind(
        "opaque-oidc-nonce",
        by,
        "nonce",
        several(lambda _: secrets.token_urlsafe(16)),
        ("field",),
        member="oidc_nonce",
        noun="OIDC nonce",
        named=6,
        unnamed=1,
    )
    yield Kind(
        "opaque-ws-ticket",
        by,
        "ticket",
        several(lambda _: secrets.token_hex(20)),
        ("field",),
        member="ws_ticket",
        noun="WebSocket ticket",
        named=6,
        unnamed=1,
    )
    yield Kind(
        "totp",
        made("PyOTP"),
        "otp",
        several(lambda n: totp.at(NOW + dt.timedelta(minutes=n))),
        ("field",),
        noun="one-time code",
        named=9,
        unnamed=0,
    )
    yield Kind(
        "recovery-code",
        by,
        "recovery_code",
        several(lambda _: f"{secrets.token_hex(4)}-{secrets.token_hex(4)}"),
        ("field",),
        noun="recovery code",
        named=6,
        unnamed=0,
    )
    mail = []
    for number in range(6):
        code, scene = totp.at(NOW + dt.timedelta(hours=number + 1)), Scene(f"otp{number}")
        text = [
            f"{scene.stamp()} DEBUG sms to +49 30 90182{scene.number(100, 999)}: Your verification code is {code}. It expires in 10 minutes.",
            f"Subject: {code} is your login code\nTo: {scene.email()}\n\nEnter {code} to sign in. Request {scene.uuid()}",
            f"{scene.iso()} otp verify user={scene.user()} code={code} result=ok trace={scene.hex(32)}",
            f"Ihr Einmalcode lautet {code} und ist 5 Minuten gültig. Vorgang {scene.uuid()}",
            f'{{"event":"mfa.challenge","user":"{scene.user()}","mfa_code":"{code}","request_id":"{scene.uuid()}"}}',
            f'{scene.ip()} "POST /login/verify?mfa_token={code}&remember=1 HTTP/1.1" 302',
        ][number]
        mail.append({"context": f"otp-message-{number}", "text": text, "secrets": [code]})
    yield Kind("otp-message", made("PyOTP"), "otp", ("unused",), (), native=tuple(mail))


def basic_kinds() -> Iterator[Kind]:
    from requests.auth import _basic_auth_str

    def credentials(number: int) -> str:
        return _basic_auth_str(f"user{number}", secrets.token_urlsafe(12)).removeprefix("Basic ")

    yield Kind(
        "basic-credentials",
        made("requests"),
        "authorization",
        several(credentials),
        ("auth",),
        scheme="Basic",
        noun="credentials",
        only=tuple(
            f"authorization-{place}"
            for place in (
                "header",
                "curl",
                "json",
                "json-in-json",
                "python-repr",
                "asgi",
                "go-map",
                "rack-env",
                "php-server",
                "java-list",
                "nginx-field",
            )
        )
        + ("grpc-metadata", "har-header", "otlp-header-attribute", "prose-authorization"),
        named=12,
        unnamed=0,
    )


# --- URLs that carry their own rights -----------------------------------------------------------


def url_lines(name: str, url: str, parameters: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """A pre-signed URL in the places where one is logged; `parameters` hold the secrets."""
    query = dict(pair.split("=", 1) for pair in urlsplit(url).query.split("&"))
    plain = [query[parameter] for parameter in parameters]
    scene = Scene(name)
    path = url.removeprefix("https://" + urlsplit(url).netloc)
    doubled = quote(quote(url, safe=""), safe="")
    return (
        {
            "context": "url-access-log",
            "text": f'{scene.ip()} - - [{scene.clf()}] "GET {path} HTTP/1.1" 200 {scene.number()} "-" "{scene.agent()}"',
            "secrets": plain,
        },
        {
            "context": "url-json",
            "text": json.dumps({"ts": scene.iso(), "downloadUrl": url, "trace_id": scene.hex(32)}),
            "secrets": plain,
        },
        {
            "context": "url-json-in-json",
            "text": json.dumps({"log": json.dumps({"url": url, "id": scene.uuid()})}),
            "secrets": plain,
        },
        {
            "context": "url-prose",
            "text": f"{scene.stamp()} INFO fetched {url} in 212ms (request {scene.uuid()})",
            "secrets": plain,
        },
        {
            "context": "url-html",
            "text": f'<a href="{url.replace("&", "&amp;")}" rel="nofollow">download</a>',
            "secrets": plain,
        },
        {
            "context": "url-redirect-encoded",
            "text": f"Location: https://app.example.org/go?u={quote(url, safe='')}&ref={scene.hex(8)}",
            "secrets": [quote(value, safe="") for value in plain],
        },
        {
            "context": "url-redirect-double-encoded",
            "text": f"GET /sso?next={doubled}&lang=en",
            "secrets": [quote(quote(value, safe=""), safe="") for value in plain],
        },
        {
            "context": "url-python-repr",
            "text": f"urllib3.connectionpool DEBUG https://{urlsplit(url).netloc}:443 {'GET ' + path!r} HTTP/1.1 200 None",
            "secrets": plain,
        },
    )


def presigned_kinds() -> Iterator[Kind]:
    import botocore.session
    from azure.storage.blob import BlobSasPermissions, generate_blob_sas
    from google.cloud.storage import Client as Storage
    from google.oauth2.service_account import Credentials

    session_token = "IQoJb3JpZ2luX2VjE" + base64.b64encode(secrets.token_bytes(360)).decode()
    session = botocore.session.get_session()

    def s3(token: str | None) -> Any:
        return session.create_client(
            "s3",
            region_name="eu-central-1",
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            aws_session_token=token,
            config=botocore.config.Config(signature_version="s3v4"),
        )

    def presigned(token: str | None) -> str:
        return str(
            s3(token).generate_presigned_url(
                "get_object", Params={"Bucket": "invoices", "Key": "2026/03/7f3a.pdf"}, ExpiresIn=900
            )
        )

    by = made("botocore")
    yield Kind(
        "aws-presigned", by, "url", ("unused",), (), native=url_lines("aws", presigned(None), ("X-Amz-Signature",))
    )
    yield Kind(
        "aws-presigned-session",
        by,
        "url",
        ("unused",),
        (),
        native=url_lines("aws-sts", presigned(session_token), ("X-Amz-Signature", "X-Amz-Security-Token")),
    )
    yield Kind(
        "aws-session-token",
        "format of AWS STS",
        "aws_session_token",
        several(lambda _: "IQoJb3JpZ2luX2VjE" + base64.b64encode(secrets.token_bytes(240)).decode(), 8),
        ("field", "header"),
        header="X-Amz-Security-Token",
        noun="session token",
        named=9,
        unnamed=2,
    )
    sas = generate_blob_sas(
        "corpusaccount",
        "invoices",
        "2026/03/7f3a.pdf",
        account_key=base64.b64encode(KEY32).decode(),
        permission=BlobSasPermissions(read=True),
        expiry=NOW + dt.timedelta(hours=1),
    )
    azure = f"https://corpusaccount.blob.core.windows.net/invoices/2026/03/7f3a.pdf?{sas}"
    yield Kind(
        "azure-sas", made("azure-storage-blob"), "url", ("unused",), (), native=url_lines("azure", azure, ("sig",))
    )
    credentials = Credentials.from_service_account_info(
        {
            "type": "service_account",
            "client_email": "corpus@example.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
            "private_key": rsa_pem().decode(),
        }
    )
    blob = Storage(project="corpus", credentials=credentials).bucket("invoices").blob("2026/03/7f3a.pdf")
    google = blob.generate_signed_url(version="v4", expiration=dt.timedelta(minutes=15))
    yield Kind(
        "gcs-signed-url",
        made("google-cloud-storage"),
        "url",
        ("unused",),
        (),
        native=url_lines("gcs", google, ("X-Goog-Signature",)),
    )


def connection_kinds() -> Iterator[Kind]:
    """Passwords in connection URLs; only the password is the secret."""
    lines = []
    for number, scheme in enumerate(("postgresql", "redis", "amqp", "mongodb+srv", "mysql+pymysql", "https")):
        scene, password = Scene(f"dsn{number}"), secrets.token_urlsafe(14)
        user = "" if scheme == "redis" else "app"
        url = f"{scheme}://{user}:{password}@db-{number}.internal.example.com/main"
        for place, text in (
            ("url-userinfo-log", f"{scene.stamp()} INFO connecting to {url} (attempt 1, trace {scene.hex(32)})"),
            ("url-userinfo-json", json.dumps({"level": "error", "dsn": url, "request_id": scene.uuid()})),
            ("url-userinfo-env", f"DATABASE_URL={url}\nBUILD_SHA={scene.hex(40)}"),
        ):
            lines.append({"context": place, "text": text, "secrets": [password]})
    yield Kind("connection-url", "Python secrets", "dsn", ("unused",), (), native=tuple(lines))


def django_urls() -> list[Any]:
    from django.urls import include, path

    return [
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("accounts/", include("allauth.urls")),
    ]


def all_kinds() -> Iterator[Kind]:
    for mint in (
        django_sessions,
        django_csrf,
        django_links,
        django_rest,
        django_oauth,
        authlib_requests,
        allauth_links,
        flask_kinds,
        itsdangerous_kinds,
        starlette_session,
        aiohttp_session_kinds,
        tornado_kinds,
        pyramid_kinds,
        bottle_kinds,
        litestar_kinds,
        pyjwt_kinds,
        jose_kinds,
        paseto_kinds,
        capability_kinds,
        opaque_kinds,
        basic_kinds,
        presigned_kinds,
        connection_kinds,
    ):
        yield from mint()


def main() -> None:
    sys.modules["mint_python"] = sys.modules[__name__]
    with TemporaryDirectory() as files, time_machine.travel(NOW, tick=False), fixed_randomness(20260302):
        start_django(files)
        globals()["urlpatterns"] = django_urls()
        lines = list(render(all_kinds()))
    with (HERE / "python.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        for line in lines:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
