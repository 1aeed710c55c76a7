"""Run both sites behind nginx, play their users, and collect the four logs.

    python drive.py OUTPUT

Run it from a copy of this folder whose path may appear in tracebacks. It leaves in OUTPUT
`django.log`, `flask.log`, `nginx-access.log`, `nginx-cookies.log` and `ledger.jsonl`.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

import requests

import ledger
from people import ALICE, BOB, CAROL, PEOPLE, Person

HERE: Final = Path(__file__).resolve().parent
LOCAL: Final = "127.0.0.1"
PORTS: Final = {"PROXY": 8080, "DJANGO": 8001, "FLASK": 8002}
SHOP: Final = "app.example.com"
SSO: Final = "sso.example.com"

COOKIE_KINDS: Final = {
    "sessionid": "django-session",
    "csrftoken": "csrf",
    "session": "flask-session",
    "remember_token": "remember-me",
    "access_token_cookie": "jwt",
    "csrf_access_token": "csrf",
}
BODY_KINDS: Final = {"access": "jwt", "refresh": "jwt", "access_token": "jwt", "refresh_token": "jwt"}
HIDDEN_FIELD: Final = re.compile(r'name="?(csrfmiddlewaretoken|csrf_token)"?\s+value="([^"]+)"')
RESET_LINK: Final = re.compile(r"http://app\.example\.com(/accounts/reset/[^/\s]+/([^/\s]+)/)")


class Browser:
    """A client that keeps cookies, follows redirects, sends Referer, and notes what it is given."""

    def __init__(self, host: str, address: str, agent: str) -> None:
        self.host = host
        self.form_token = ""
        self.referer: str | None = None
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({"Host": host, "X-Forwarded-For": address, "User-Agent": agent})

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a path as a page."""
        return self._send("GET", path, **options)

    def post(self, path: str, form: dict[str, str], **options: Any) -> requests.Response:
        """POST a form with the hidden field of the last page that had one."""
        field = "csrfmiddlewaretoken" if self.host == SHOP else "csrf_token"
        return self._send("POST", path, data={field: self.form_token, **form}, **options)

    def api(self, method: str, path: str, bearer: str | None = None, **options: Any) -> dict[str, Any]:
        """Call the JSON API, outside of page navigation."""
        headers = {"Traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        response = self._request(method, path, headers, **options)
        body = response.json() if "json" in response.headers.get("Content-Type", "") else {}
        return body if isinstance(body, dict) else {}

    def ajax(self, path: str, headers: dict[str, str], form: dict[str, str]) -> None:
        """POST from a script on the page; it must succeed."""
        self._request("POST", path, headers, data=form).raise_for_status()

    def cookie(self, name: str) -> str:
        """Return a cookie's value."""
        return str(self.session.cookies.get(name))

    def set_cookie(self, name: str, value: str) -> None:
        """Add a cookie that some other page would have set."""
        self.session.cookies.set(name, value, domain=self.host, path="/")

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = options.pop("headers", {})
        while True:
            sent = {**headers, **({"Referer": self.referer} if self.referer else {})}
            response = self._request(method, path, sent, **options)
            if method == "GET":
                self.referer = f"http://{self.host}{path}"
            if not response.is_redirect:
                return response
            path = _path_of(urljoin(f"http://{self.host}{path}", response.headers["Location"]))
            method, options = "GET", {}

    def _request(self, method: str, path: str, headers: dict[str, str], **options: Any) -> requests.Response:
        url = f"http://{LOCAL}:{PORTS['PROXY']}{path}"
        response = self.session.request(method, url, headers=headers, allow_redirects=False, timeout=20, **options)
        self._note(response)
        return response

    def _note(self, response: requests.Response) -> None:
        for header in response.raw.headers.getlist("Set-Cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            ledger.record(COOKIE_KINDS[name], value.strip('"'))
        for _, value in HIDDEN_FIELD.findall(response.text):
            self.form_token = value
            ledger.record("csrf", value)
        if "json" in response.headers.get("Content-Type", "") and isinstance(response.json(), dict):
            for name, value in response.json().items():
                if name in BODY_KINDS:
                    ledger.record(BODY_KINDS[name], value)


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


@contextmanager
def server(command: list[str], output: Path, port: int, environment: dict[str, str]) -> Iterator[None]:
    """Run a server until the block ends; the block begins when the port answers."""
    with output.open("wb") as sink:
        process = subprocess.Popen(command, cwd=HERE, stdout=sink, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait_for(port)
            yield
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex((LOCAL, port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing answers on port {port}")


def browser(host: str, person: Person) -> Browser:
    """Give a person a browser."""
    return Browser(host, person.address, person.agent)


def passers_by() -> None:
    """Probes, bots and anonymous visitors: nothing secret in any of it."""
    probe = Browser(SHOP, "192.0.2.10", "kube-probe/1.31")
    bot = Browser(SHOP, "192.0.2.66", "Mozilla/5.0 (compatible; examplebot/2.1; +http://bot.example.com/)")
    guest = Browser(SHOP, "198.51.100.77", PEOPLE[0].agent)
    sso_probe = Browser(SSO, "192.0.2.10", "kube-probe/1.31")
    sso_guest = Browser(SSO, "198.51.100.77", PEOPLE[0].agent)
    for _ in range(2):
        probe.get("/healthz")
        sso_probe.get("/healthz")
    bot.get("/legacy/sitemap.xml")
    guest.get("/?utm_source=newsletter&utm_campaign=2f6d1e0c")
    guest.get("/static/app.3f2a9c1b7d04.css")
    guest.get("/static/app.js?v=9b1c6a7e4d20f35581a6c0ffee12ab34cd56ef78")
    for picture in ("kettle", "teapot", "cup", "tray"):
        guest.get(f"/static/img/{picture}.{secrets.token_hex(4)}.webp")
    for font in ("inter", "inter-bold", "mono"):
        guest.get(f"/static/fonts/{font}.woff2?v=4.1")
    guest.get("/static/js/vendor.9b1c6a7e.js")
    guest.get("/favicon.ico")
    sso_guest.get("/")
    sso_guest.get("/static/sso.41d8cd98.css")
    sso_guest.get("/missing.png")


def shop_visit(person: Person, *, mistype: bool = False) -> None:
    """Log in to the Django shop, buy something, call the API, log out."""
    page = browser(SHOP, person)
    page.set_cookie("theme", "dark")
    page.set_cookie("_ga", f"GA1.1.{secrets.randbelow(10**9)}.{int(time.time())}")
    page.get("/")
    page.get("/static/app.3f2a9c1b7d04.css")
    page.get("/accounts/login/?next=/account/")
    if mistype:
        wrong = person.password + "x1"
        ledger.record("password", wrong)
        page.post("/accounts/login/?next=/account/", {"username": person.name, "password": wrong})
    account = page.post("/accounts/login/?next=/account/", {"username": person.name, "password": person.password})
    page.get("/products/2/")
    ajax = {"X-CSRFToken": page.cookie("csrftoken"), "X-Requested-With": "XMLHttpRequest"}
    page.ajax("/cart/", ajax, {"product": "2"})
    invoice = re.search(r'href="(/download/[^"]+)"', page.get("/account/").text)
    assert account.ok and invoice, "login failed"
    page.get(invoice[1])
    page.post("/accounts/logout/", {})


def shop_api(person: Person) -> None:
    """Get a JWT pair, use it, rotate it, export with the token in the URL."""
    client = browser(SHOP, person)
    pair = client.api("POST", "/api/token/", json={"username": person.name, "password": person.password})
    client.api("GET", "/api/orders/", pair["access"])
    fresh = client.api("POST", "/api/token/refresh/", json={"refresh": pair["refresh"]})
    client.api("GET", "/api/orders/", fresh["access"])
    client.get(f"/export.csv?{urlencode({'access_token': fresh['access'], 'format': 'csv'})}")
    client.api("GET", "/api/orders/", "undefined")


def shop_checkout(person: Person) -> None:
    """Log in and run into the server error."""
    page = browser(SHOP, person)
    page.get("/accounts/login/")
    page.post("/accounts/login/", {"username": person.name, "password": person.password})
    page.post("/checkout/", {})
    page.get("/static/error.css")


def shop_reset(person: Person, mailbox: Path) -> None:
    """Ask for a reset mail, open its link, choose a new password."""
    page = browser(SHOP, person)
    page.get("/accounts/password_reset/")
    page.post("/accounts/password_reset/", {"email": person.email})
    links = RESET_LINK.findall(mailbox.read_text("utf-8"))
    path, token = links[-1]
    ledger.record("reset-token", token)
    opened = page.get(path)
    password = f"New-{person.name}%20~{secrets.token_hex(3)}"
    ledger.record("password", password)
    assert opened.ok and page.referer, "the reset link does not open"
    page.post(_path_of(page.referer), {"new_password1": password, "new_password2": password})


def legacy_visit(person: Person) -> None:
    """Browse the old catalog, whose sessions live in the URL, and a page behind basic auth."""
    page = browser(SHOP, person)
    ident = secrets.token_hex(16).upper() + ".node1"
    remember = b64encode(f"{person.name}:1790000000000:{secrets.token_hex(16)}".encode()).decode()
    ledger.record("java-session", ident)
    ledger.record("remember-me", remember)
    page.get("/legacy/catalog.do?page=1")
    page.get(f"/legacy/catalog.do;jsessionid={ident}?page=2")
    page.get("/legacy/img/teapot.png")
    page.session.cookies.clear()
    raw = {"Cookie": f'JSESSIONID={ident}; remember-me="{remember}"; theme=dark'}
    page.get("/legacy/catalog.do?page=3", headers=raw)
    basic = b64encode(f"status:{secrets.token_urlsafe(12)}".encode()).decode()
    ledger.record("basic", basic)
    page.get("/basic/status", headers={"Authorization": f"Basic {basic}"})


def sso_visit(person: Person, *, remember: bool, oauth: bool) -> None:
    """Log in to the Flask site, pass the second factor, perhaps run the OAuth flow, log out."""
    page = browser(SSO, person)
    page.set_cookie("lang", "en-GB")
    page.get("/")
    page.get("/login")
    form = {"username": person.name, "password": person.password}
    page.post("/login", form | ({"remember": "on"} if remember else {}))
    otp = f"{secrets.randbelow(900000) + 100000}"
    ledger.record("otp", otp)
    page.post("/verify", {"otp": otp})
    page.get("/static/sso.41d8cd98.css")
    if oauth:
        page.get("/oauth/start")
        page.get(_sign_in_return(page))
    page.get("/")
    if not remember:
        page.post("/pay", {"amount": "4900", "currency": "EUR"})
    page.get("/logout")


def _sign_in_return(page: Browser) -> str:
    """A login URL whose next parameter carries a whole callback, as an expired session makes one."""
    state, code = secrets.token_urlsafe(16), secrets.token_urlsafe(24)
    ledger.record("oauth-state", state)
    ledger.record("oauth-code", code)
    callback = "/oauth/callback?" + urlencode({"code": code, "state": state})
    return "/login?" + urlencode({"next": callback})


def sso_api(person: Person) -> None:
    """Get tokens in JSON and in cookies, use and refresh them."""
    client = browser(SSO, person)
    login = {"username": person.name, "password": person.password}
    pair = client.api("POST", "/api/token", json=login)
    client.api("GET", "/api/me", pair["access_token"])
    fresh = client.api("POST", "/api/refresh", pair["refresh_token"])
    client.api("GET", "/api/me", fresh["access_token"])
    client.api("GET", "/api/me")
    cookies = browser(SSO, person)
    cookies.api("POST", "/api/token?cookies=1", json=login)
    double = {"X-CSRF-TOKEN": cookies.cookie("csrf_access_token")}
    cookies.ajax("/api/me", double, {})


def sso_reset(person: Person, log: Path) -> None:
    """Ask for a reset link and open it."""
    page = browser(SSO, person)
    page.get("/forgot")
    page.post("/forgot", {"username": person.name, "password": ""})
    link = re.findall(r"http://sso\.example\.com(/reset/[\w.-]+)", log.read_text("utf-8"))[-1]
    page.get(link)


def play(output: Path) -> None:
    """Everybody's day."""
    passers_by()
    shop_visit(ALICE)
    sso_visit(ALICE, remember=True, oauth=True)
    shop_api(BOB)
    passers_by()
    shop_reset(CAROL, output / "django.log")
    sso_api(BOB)
    legacy_visit(BOB)
    shop_visit(BOB, mistype=True)
    sso_visit(CAROL, remember=False, oauth=False)
    sso_reset(CAROL, output / "flask.log")
    shop_checkout(ALICE)
    passers_by()


def main(output: Path) -> None:
    """Start the servers, play, stop them; then tidy the folder."""
    output.mkdir(parents=True, exist_ok=True)
    notes = output / "ledger.jsonl"
    notes.unlink(missing_ok=True)
    with TemporaryDirectory() as scratch, ExitStack() as running:
        database = Path(scratch, "shop.sqlite3")
        os.environ[ledger.VARIABLE] = str(notes.resolve())
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "djangoshop.settings",
            "SHOP_DATABASE": str(database),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "*",
        }
        seed = [sys.executable, "-m", "djangoshop.seed"]
        subprocess.run(seed, cwd=HERE, env=environment, check=True, stderr=subprocess.DEVNULL)
        config = (HERE / "nginx.conf.template").read_text("utf-8").replace("@PREFIX@", scratch)
        for name, port in PORTS.items():
            config = config.replace(f"@{name}@", str(port))
        Path(scratch, "nginx.conf").write_text(config, "utf-8")

        django = [sys.executable, "-m", "django", "runserver", "--noreload", str(PORTS["DJANGO"])]
        flask = [sys.executable, "-m", "flaskshop.app", str(PORTS["FLASK"])]
        nginx = ["nginx", "-e", f"{scratch}/nginx-error.log", "-p", scratch, "-c", f"{scratch}/nginx.conf"]
        for command, log, name in (
            (django, output / "django.log", "DJANGO"),
            (flask, output / "flask.log", "FLASK"),
            (nginx, Path(scratch, "nginx.out"), "PROXY"),
        ):
            running.enter_context(server(command, log, PORTS[name], environment))
        play(output)
        for file in ("nginx-access.log", "nginx-cookies.log"):
            (output / file).write_bytes(Path(scratch, file).read_bytes())
        _note_password_hashes(database)


def _note_password_hashes(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        for (value,) in connection.execute("SELECT password FROM auth_user"):
            ledger.record("password-hash", value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
