"""Mint session secrets in the published formats of products that can't be run here.

Writes kinds as JSON Lines for contexts.py: ASP.NET, Phoenix, Keycloak, CAS, Shibboleth,
SAML, Kerberos and NTLM.  Bytes a server would encrypt or sign are drawn from a seeded
generator; the framing around them is what the product writes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import struct
import sys
import uuid
import zlib
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from contexts import Kind, Scene

RNG = random.Random(424_242)
KEY = b"corpus-key-not-used-anywhere-else"
LOWER = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"


def several(mint: Callable[[int], str], count: int = 10) -> tuple[str, ...]:
    return tuple(mint(number) for number in range(count))


def some(alphabet: str, length: int) -> str:
    return "".join(RNG.choice(alphabet) for _ in range(length))


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def guid() -> uuid.UUID:
    return uuid.UUID(bytes=RNG.randbytes(16), version=4)


def data_protected(length: int) -> str:
    """ASP.NET Core Data Protection: magic header, key id, payload."""
    return b64url(b"\x09\xf0\xc9\xf0" + guid().bytes + RNG.randbytes(length))


def jws(header: dict[str, Any], claims: dict[str, Any]) -> str:
    signed = ".".join(b64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{signed}.{b64url(hmac.digest(KEY, signed.encode(), 'sha512'))}"


def aspnet() -> list[Kind]:
    by = "format of ASP.NET"
    return [
        Kind(
            "aspnet-session",
            by,
            "ASP.NET_SessionId",
            several(lambda _: some(LOWER + "012345", 24)),
            ("cookie",),
            member="session_id",
            noun="session",
        ),
        Kind(
            "aspnet-forms-auth",
            by,
            ".ASPXAUTH",
            several(lambda _: RNG.randbytes(112).hex().upper()),
            ("cookie",),
            member="aspx_auth",
            noun="auth ticket",
        ),
        Kind("aspnet-cookieless", by, "sid", ("unused",), (), native=tuple(cookieless(number) for number in range(4))),
        Kind(
            "aspnetcore-cookies",
            "format of ASP.NET Core",
            ".AspNetCore.Cookies",
            several(lambda _: data_protected(220)),
            ("cookie",),
            member="auth_cookie",
            noun="auth cookie",
            told_by_shape=True,
        ),
        Kind(
            "aspnetcore-session",
            "format of ASP.NET Core",
            ".AspNetCore.Session",
            several(lambda _: quote(base64.b64encode(b"\x09\xf0\xc9\xf0" + RNG.randbytes(90)).decode(), safe="")),
            ("cookie",),
            member="session_cookie",
            noun="session",
            told_by_shape=True,
            named=7,
        ),
        Kind(
            "aspnetcore-antiforgery-cookie",
            "format of ASP.NET Core",
            ".AspNetCore.Antiforgery." + some("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-", 11),
            several(lambda _: data_protected(84)),
            ("cookie",),
            member="antiforgery_cookie",
            noun="antiforgery cookie",
            told_by_shape=True,
            named=7,
        ),
        Kind(
            "aspnetcore-antiforgery-form",
            "format of ASP.NET Core",
            "__RequestVerificationToken",
            several(lambda _: data_protected(84)),
            ("field", "header"),
            header="RequestVerificationToken",
            noun="antiforgery token",
            told_by_shape=True,
        ),
        Kind(
            "aspnet-antiforgery",
            "format of ASP.NET",
            "__RequestVerificationToken",
            several(lambda _: b64url(RNG.randbytes(66)) + "1"),
            ("field", "cookie"),
            noun="antiforgery token",
            named=6,
            unnamed=2,
        ),
        Kind(
            "aspnetcore-identity",
            "format of ASP.NET Core",
            ".AspNetCore.Identity.Application",
            several(lambda _: data_protected(300)),
            ("cookie",),
            member="identity_cookie",
            noun="identity cookie",
            told_by_shape=True,
            named=7,
            unnamed=2,
        ),
    ]


def cookieless(number: int) -> dict[str, Any]:
    secret, scene = some(LOWER + "012345", 24), Scene(f"cookieless{number}")
    text = f'{scene.ip()} "GET /shop/(S({secret}))/default.aspx?lang=en HTTP/1.1" 200 {scene.number()}'
    return {"context": "aspnet-cookieless-path", "text": text, "secrets": [secret]}


def phoenix() -> list[Kind]:
    def signed(number: int) -> str:
        # Erlang's external term format of %{"user_token" => <<...>>}.
        term = b"\x83t\x00\x00\x00\x01m\x00\x00\x00\x0auser_tokenm\x00\x00\x00\x20" + RNG.randbytes(32)
        content = "SFMyNTY." + base64.urlsafe_b64encode(term).decode()
        return f"{content}.{b64url(hmac.digest(KEY, content.encode(), 'sha256'))}"

    def token(number: int) -> str:
        term = b"\x83h\x03a" + bytes([number]) + b"n\x06\x00" + RNG.randbytes(6) + b"b\x00\x01\x51\x80"
        content = "SFMyNTY." + b64url(term)
        return f"{content}.{b64url(hmac.digest(KEY, content.encode(), 'sha256'))}"

    return [
        Kind(
            "phoenix-session",
            "format of Plug",
            "_app_key",
            several(signed),
            ("cookie",),
            member="session_cookie",
            noun="session",
            told_by_shape=True,
        ),
        Kind(
            "phoenix-token",
            "format of Phoenix.Token",
            "token",
            several(token),
            ("field", "auth"),
            member="socket_token",
            noun="socket token",
            told_by_shape=True,
        ),
        Kind(
            "phoenix-csrf",
            "format of Plug",
            "_csrf_token",
            several(lambda _: b64url(RNG.randbytes(42))),
            ("field", "header"),
            header="x-csrf-token",
            noun="CSRF token",
            named=7,
            unnamed=2,
        ),
    ]


def keycloak() -> list[Kind]:
    def identity(number: int) -> str:
        claims = {
            "exp": 1772474400,
            "iat": 1772438400 + number,
            "jti": str(guid()),
            "iss": "https://sso.example.com/realms/main",
            "sub": str(guid()),
            "typ": "Serialized-ID",
            "session_state": str(guid()),
        }
        return jws({"alg": "HS512", "typ": "JWT", "kid": str(guid())}, claims)

    return [
        Kind(
            "keycloak-auth-session",
            "format of Keycloak",
            "AUTH_SESSION_ID",
            several(lambda _: f"{guid()}.keycloak-{RNG.randrange(9)}-{RNG.randrange(10**4, 10**5)}"),
            ("cookie",),
            noun="authentication session",
            named=8,
            unnamed=2,
        ),
        Kind(
            "keycloak-identity",
            "format of Keycloak",
            "KEYCLOAK_IDENTITY",
            several(identity),
            ("cookie",),
            noun="identity cookie",
            told_by_shape=True,
        ),
        Kind(
            "keycloak-session",
            "format of Keycloak",
            "KEYCLOAK_SESSION",
            several(lambda _: f"main/{guid()}/{guid()}"),
            ("cookie",),
            noun="session",
            named=6,
            unnamed=1,
        ),
        Kind(
            "keycloak-code",
            "format of Keycloak",
            "code",
            several(lambda _: f"{guid()}.{guid()}.{guid()}"),
            ("field",),
            member="authorization_code",
            noun="authorization code",
            only=(
                "nginx-access-query",
                "referer-query",
                "form-body",
                "redirect-encoded",
                "httpx-log-query",
                "json-flat",
                "prose-bare",
                "sql-positional",
            ),
        ),
    ]


def cas() -> list[Kind]:
    mixed = LOWER + LOWER.upper() + DIGITS

    def ticket(prefix: str, length: int) -> Callable[[int], str]:
        return lambda number: f"{prefix}-{number + 1}-{some(mixed + '-', length)}-cas{number % 3}"

    links = []
    for number in range(6):
        secret, scene = ticket("ST", 27)(number), Scene(f"cas{number}")
        text = [
            f'{scene.ip()} - - [{scene.clf()}] "GET /app/login/cas?ticket={secret} HTTP/1.1" 302 0 "https://cas.example.org/" "{scene.agent()}"',
            f"WHO: {scene.user()}\nWHAT: {secret} for https://{scene.host()}/app\nACTION: SERVICE_TICKET_CREATED\nAPPLICATION: CAS\nWHEN: {scene.iso()}\nCLIENT IP ADDRESS: {scene.ip()}",
            f"INFO [CasServiceTicketValidator] GET https://cas.example.org/p3/serviceValidate?ticket={secret}&service=https%3A%2F%2F{scene.host()}%2Fapp",
        ][number % 3]
        links.append(
            {
                "context": ["cas-callback", "cas-audit", "cas-validate"][number % 3],
                "text": text,
                "secrets": [secret],
                "cue": ["name", "shape", "name"][number % 3],
            }
        )
    return [
        Kind(
            "cas-tgc",
            "format of Apereo CAS",
            "TGC",
            several(lambda n: jws({"alg": "HS512", "typ": "JWT"}, {"tgt": ticket("TGT", 50)(n)})),
            ("cookie",),
            noun="ticket-granting cookie",
            told_by_shape=True,
        ),
        Kind(
            "cas-ticket-granting",
            "format of Apereo CAS",
            "ticketGrantingTicket",
            several(ticket("TGT", 50)),
            ("field",),
            noun="ticket-granting ticket",
            told_by_shape=True,
        ),
        Kind(
            "cas-service-ticket",
            "format of Apereo CAS",
            "ticket",
            several(ticket("ST", 27)),
            ("field",),
            member="service_ticket",
            noun="service ticket",
            told_by_shape=True,
            native=tuple(links),
        ),
    ]


def saml() -> list[Kind]:
    def response(number: int) -> bytes:
        digest, signature = base64.b64encode(RNG.randbytes(32)).decode(), base64.b64encode(RNG.randbytes(256)).decode()
        text = (
            f'<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_{RNG.randbytes(16).hex()}" Version="2.0" '
            f'IssueInstant="2026-03-02T08:00:0{number}Z" Destination="https://app.example.org/acs"><saml:Assertion ID="_{RNG.randbytes(16).hex()}">'
            f"<ds:DigestValue>{digest}</ds:DigestValue><ds:SignatureValue>{signature}</ds:SignatureValue>"
            f"<saml:NameID>user{number}@example.com</saml:NameID></saml:Assertion></samlp:Response>"
        )
        return text.encode()

    def deflated(number: int) -> str:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return base64.b64encode(packer.compress(response(number)) + packer.flush()).decode()

    shibboleth = "_shibsession_" + b"default".hex() + hashlib.sha1(b"https://sp.example.org").hexdigest()[:16]
    return [
        Kind(
            "saml-response-post",
            "format of SAML 2.0",
            "SAMLResponse",
            several(lambda n: base64.b64encode(response(n)).decode(), 6),
            ("field",),
            member="saml_response",
            noun="SAML response",
            told_by_shape=True,
            unnamed=2,
        ),
        Kind(
            "saml-response-redirect",
            "format of SAML 2.0",
            "SAMLResponse",
            several(deflated, 6),
            ("field",),
            member="saml_response",
            noun="SAML response",
            only=(
                "nginx-access-query",
                "referer-query",
                "redirect-encoded",
                "redirect-double-encoded",
                "httpx-log-query",
                "form-body",
                "json-in-json",
                "prose-named",
            ),
        ),
        Kind(
            "saml-artifact",
            "format of SAML 2.0",
            "SAMLart",
            several(lambda _: base64.b64encode(b"\x00\x04\x00\x00" + RNG.randbytes(40)).decode()),
            ("field",),
            member="saml_artifact",
            noun="SAML artifact",
            named=6,
            unnamed=2,
        ),
        Kind(
            "shibboleth-session",
            "format of Shibboleth",
            shibboleth,
            several(lambda _: "_" + RNG.randbytes(16).hex()),
            ("cookie",),
            member="shib_session",
            noun="session",
        ),
    ]


def windows() -> list[Kind]:
    def length_of(data: bytes) -> bytes:
        return b"\x82" + len(data).to_bytes(2)

    def negotiate(number: int) -> str:
        """SPNEGO NegTokenInit around a Kerberos AP-REQ of random ciphertext."""
        ticket = (
            b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00"
            + b"\x6e"
            + length_of(b"\0" * 600)
            + RNG.randbytes(600)
        )
        inner = b"\xa2" + length_of(ticket) + ticket
        body = b"\x06\x06\x2b\x06\x01\x05\x05\x02\xa0" + length_of(inner) + inner
        return base64.b64encode(b"\x60" + length_of(body) + body).decode()

    def ntlm(number: int) -> str:
        """An NTLMSSP AUTHENTICATE message."""
        domain, user, host, answer = (
            "CORP".encode("utf-16-le"),
            f"user{number}".encode("utf-16-le"),
            "PC-7".encode("utf-16-le"),
            RNG.randbytes(120),
        )
        offset, fields, payload = 88, b"", b""
        for part in (RNG.randbytes(24), answer, domain, user, host, RNG.randbytes(16)):
            fields += struct.pack("<HHI", len(part), len(part), offset + len(payload))
            payload += part
        message = (
            b"NTLMSSP\0"
            + struct.pack("<I", 3)
            + fields
            + struct.pack("<I", 0xE2888215)
            + b"\x0a\x00\x63\x45\x00\x00\x00\x0f"
            + RNG.randbytes(16)
        )
        return base64.b64encode(message + payload).decode()

    return [
        Kind(
            "kerberos-negotiate",
            "format of SPNEGO",
            "authorization",
            several(negotiate, 6),
            ("auth",),
            scheme="Negotiate",
            noun="Negotiate token",
            told_by_shape=True,
            named=9,
            unnamed=2,
        ),
        Kind(
            "ntlm-authenticate",
            "format of NTLMSSP",
            "authorization",
            several(ntlm, 6),
            ("auth",),
            scheme="NTLM",
            noun="NTLM message",
            told_by_shape=True,
            named=9,
            unnamed=2,
        ),
    ]


def main() -> None:
    """Kinds to stdout."""
    for kind in [*aspnet(), *phoenix(), *keycloak(), *cas(), *saml(), *windows()]:
        sys.stdout.write(json.dumps(asdict(kind)) + "\n")


if __name__ == "__main__":
    main()
