"""The Flask site: login with remember-me, JWTs, and an OAuth provider it is itself a client of."""

from __future__ import annotations

import hashlib
import secrets
import sys
import uuid
from base64 import b64encode, urlsafe_b64encode
from typing import Any, Final
from urllib.parse import urlencode

import flask_jwt_extended as jwt
import requests
import structlog
from flask import Flask, Response, jsonify, redirect, render_template_string, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from flask_wtf.csrf import CSRFProtect
from itsdangerous import URLSafeTimedSerializer
from werkzeug.wrappers import Response as BaseResponse

import ledger
from people import PEOPLE, Person

from . import logs

log = structlog.get_logger()

CLIENT_ID: Final = "shop-web"
CLIENT_SECRET: Final = secrets.token_urlsafe(24)
FORM: Final = """<!doctype html><form method=post><input type=hidden name=csrf_token
value="{{ csrf_token() }}"><input name=username><input name=password type=password></form>"""

csrf = CSRFProtect()
manager = LoginManager()
tokens = jwt.JWTManager()


class Member(UserMixin):
    """A user as Flask-Login sees one."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.id = str(100 + PEOPLE.index(person))


MEMBERS: Final = {person.name: Member(person) for person in PEOPLE}


@manager.user_loader
def load_member(ident: str) -> Member | None:
    """Find a user by id."""
    return next((member for member in MEMBERS.values() if member.id == ident), None)


def create_app(base: str) -> Flask:
    """Build the site; `base` is the address where it reaches itself."""
    logs.configure()
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secrets.token_urlsafe(40),
        JWT_SECRET_KEY=secrets.token_urlsafe(40),
        JWT_TOKEN_LOCATION=["headers", "cookies"],
        ISSUER=base,
    )
    for extension in (csrf, manager, tokens):
        extension.init_app(app)
    app.before_request(_log_request)
    app.after_request(_log_response)
    _add_pages(app)
    _add_api(app)
    _add_oauth(app)
    ledger.record("client-secret", CLIENT_SECRET)
    ledger.record("basic", b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode())
    return app


def _log_request() -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=str(uuid.uuid4()))
    if request.path == "/healthz":
        return
    log.info("request.started", method=request.method, path=request.path, user_agent=request.user_agent.string)
    if request.method == "POST":
        log.debug("request.headers", headers=dict(request.headers))
        if request.form:
            log.debug("request.form", form=request.form.to_dict())


def _log_response(response: Response) -> Response:
    cookies = response.headers.getlist("Set-Cookie")
    if cookies:
        log.debug("response.cookies", set_cookie=cookies)
    return response


def _add_pages(app: Flask) -> None:
    signer = URLSafeTimedSerializer(app.config["SECRET_KEY"], salt="reset")

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.get("/")
    def home() -> str:
        log.debug("cache.lookup", cache_key="home:v3", etag=hashlib.md5(b"home").hexdigest(), hit=True)
        return "<!doctype html><p>Welcome"

    @app.route("/login", methods=["GET", "POST"])
    def login() -> BaseResponse | str:
        if request.method == "GET":
            return render_template_string(FORM)
        member = MEMBERS[request.form["username"]]
        if member.person.password != request.form["password"]:
            log.warning("login.failed", user=member.person.name, attempts=1)
            return render_template_string(FORM)
        login_user(member, remember="remember" in request.form)
        log.info("login.ok", user=member.person.name, session_keys=sorted(session))
        return redirect(url_for("profile"))

    @app.get("/profile")
    @login_required
    def profile() -> str:
        log.info("profile.viewed", user_id=current_user.id, cookies=request.cookies.to_dict())
        return f"<!doctype html><p>{current_user.person.name}"

    @app.post("/verify")
    @login_required
    def verify() -> Response:
        log.info("otp.accepted", user_id=current_user.id, otp_length=len(request.form["otp"]))
        return jsonify(verified=True)

    @app.route("/forgot", methods=["GET", "POST"])
    def forgot() -> str:
        if request.method == "GET":
            return render_template_string(FORM)
        token = signer.dumps(request.form["username"])
        assert isinstance(token, str)
        ledger.record("reset-token", token)
        log.info("mail.sent", to=MEMBERS[request.form["username"]].person.email, template="reset")
        log.debug("mail.body", link=url_for("reset", token=token, _external=True))
        return "<!doctype html><p>Look into your mail"

    @app.get("/reset/<token>")
    def reset(token: str) -> str:
        log.info("reset.opened", user=signer.loads(token, max_age=3600))
        return render_template_string(FORM)

    @app.post("/pay")
    @login_required
    def pay() -> Response:
        raise ConnectionError(f"gateway closed the connection, cookies sent: {request.headers['Cookie']}")

    @app.get("/logout")
    @login_required
    def logout() -> BaseResponse:
        logout_user()
        return redirect(url_for("home"))


def _add_api(app: Flask) -> None:
    @app.post("/api/token")
    @csrf.exempt
    def token() -> Response:
        name = request.get_json()["username"]
        pair = {
            "access_token": jwt.create_access_token(name),
            "refresh_token": jwt.create_refresh_token(name),
            "token_type": "Bearer",
            "expires_in": 900,
        }
        log.debug("token.issued", **pair)
        response = jsonify(pair)
        if request.args.get("cookies"):
            jwt.set_access_cookies(response, str(pair["access_token"]))
        return response

    @app.post("/api/refresh")
    @csrf.exempt
    @jwt.jwt_required(refresh=True)
    def refresh() -> Response:
        fresh = jwt.create_access_token(jwt.get_jwt_identity())
        log.info("token.refreshed", user=jwt.get_jwt_identity(), jti=jwt.get_jwt()["jti"])
        return jsonify(access_token=fresh)

    @app.route("/api/me", methods=["GET", "POST"])
    @csrf.exempt
    @jwt.jwt_required()
    def me() -> Response:
        log.info("api.me", user=jwt.get_jwt_identity(), authorization=request.headers.get("Authorization"))
        return jsonify(name=jwt.get_jwt_identity())


def _add_oauth(app: Flask) -> None:
    issuer = app.config["ISSUER"]

    @app.get("/oauth/start")
    @login_required
    def start() -> BaseResponse:
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        session["oauth"] = {"state": state, "verifier": verifier}
        ledger.record("oauth-state", state)
        ledger.record("pkce-verifier", verifier)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        log.debug("oauth.start", state=state, code_verifier=verifier, code_challenge=challenge)
        query = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": url_for("callback", _external=True),
            "scope": "openid profile",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return redirect(f"/oauth/authorize?{urlencode(query)}")

    @app.get("/oauth/authorize")
    @login_required
    def authorize() -> BaseResponse:
        code = secrets.token_urlsafe(24)
        ledger.record("oauth-code", code)
        query = urlencode({"code": code, "state": request.args["state"]})
        return redirect(f"{request.args['redirect_uri']}?{query}")

    @app.get("/oauth/callback")
    @login_required
    def callback() -> BaseResponse:
        started = session.pop("oauth")
        answer = requests.post(
            f"{issuer}/oauth/token",
            data={
                "grant_type": "authorization_code",
                "code": request.args["code"],
                "redirect_uri": url_for("callback", _external=True),
                "code_verifier": started["verifier"],
            },
            auth=(CLIENT_ID, CLIENT_SECRET),
            timeout=5,
        ).json()
        log.debug("oauth.answer", answer=answer)
        _call(f"{issuer}/oauth/userinfo", answer["access_token"])
        return redirect(url_for("profile"))

    @app.post("/oauth/token")
    @csrf.exempt
    def oauth_token() -> Response:
        answer: dict[str, Any] = {
            "access_token": secrets.token_urlsafe(32),
            "refresh_token": secrets.token_hex(32),
            "id_token": jwt.create_access_token("alice", additional_claims={"aud": CLIENT_ID}),
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        ledger.record("oauth-access-token", answer["access_token"])
        ledger.record("oauth-refresh-token", answer["refresh_token"])
        ledger.record("jwt", answer["id_token"])
        return jsonify(answer)

    @app.get("/oauth/userinfo")
    def userinfo() -> Response:
        session["client"] = CLIENT_ID  # so that http.client logs a Set-Cookie header
        return jsonify(sub="100", email="alice@example.com")


def _call(url: str, bearer: str) -> None:
    headers = {"Authorization": f"Bearer {bearer}", "X-Trace-Id": uuid.uuid4().hex}
    response = requests.get(url, headers=headers, timeout=5)
    ledger.record("flask-session", response.cookies.get("session"))


if __name__ == "__main__":
    port = int(sys.argv[1])
    create_app(f"http://127.0.0.1:{port}").run(port=port)
