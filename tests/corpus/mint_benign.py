"""Write benign.jsonl: what real logs hold that only resembles a session secret.

Everything is drawn from one seeded generator, so a second run gives the same file.
Each family below is one reason for a false alarm: an id of the same form, a name of
the same words, a value already masked, code or documentation about tokens, prose.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from contexts import Scene, corpus_line

HERE = Path(__file__).parent
RNG = random.Random(7_331)
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NANO = "useandom-26T198340PX75pxJACKVERYMINDBUSHWOLF_GQZbfghjklqvwyzrict"
ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

Item = tuple[str, str]
FAMILIES: list[tuple[str, Callable[[], Iterator[Item]]]] = []


def family(write: Callable[[], Iterator[Item]]) -> Callable[[], Iterator[Item]]:
    """Register a family; the function's name is the kind, it yields (context, text)."""
    FAMILIES.append((write.__name__.replace("_", "-"), write))
    return write


def scenes(name: str, count: int) -> Iterator[Scene]:
    return (Scene(f"{name}/{number}") for number in range(count))


def some(alphabet: str, length: int) -> str:
    return "".join(RNG.choice(alphabet) for _ in range(length))


def raw(length: int) -> bytes:
    return RNG.randbytes(length)


def b64(length: int) -> str:
    return base64.b64encode(raw(length)).decode()


def b64url(length: int) -> str:
    return base64.urlsafe_b64encode(raw(length)).rstrip(b"=").decode()


def ulid() -> str:
    return "01" + some("HJK", 1) + some(CROCKFORD, 23)


def uuid7(s: Scene) -> str:
    return f"0195{s.hex(4)}-{s.hex(4)}-7{s.hex(3)}-b{s.hex(3)}-{s.hex(12)}"


@family
def trace_ids() -> Iterator[Item]:
    for s in scenes("trace", 14):
        trace, span = s.hex(32), s.hex(16)
        yield "traceparent-header", f"{s.iso()} DEBUG > traceparent: 00-{trace}-{span}-01"
        yield "tracestate-header", f"tracestate: rojo={span},congo=t61rcWkgMzE,dd=s:2;o:rum;t.dm:-4"
        yield "b3-single", f"b3: {trace}-{span}-1-{s.hex(16)}"
        yield "b3-multi", f"X-B3-TraceId: {trace}\nX-B3-ParentSpanId: {s.hex(16)}\nX-B3-SpanId: {span}\nX-B3-Sampled: 1"
        yield "x-amzn-trace-id", f'"trace_id" "Root=1-67c41a2{s.hex(1)}-{s.hex(24)};Parent={span};Sampled=1"'
        yield "cloud-trace", f"X-Cloud-Trace-Context: {trace}/{s.number(10**9, 10**10)};o=1"
        yield "uber-trace-id", f"uber-trace-id={trace}%3A{span}%3A0%3A1"
        yield (
            "sentry-trace",
            f"sentry-trace: {trace}-{span}-1\nbaggage: sentry-trace_id={trace},sentry-environment=production,sentry-release=web%40{s.hex(12)}",
        )
        yield (
            "mdc",
            f"{s.stamp()} INFO [order-service,{trace},{span}] {s.number()} --- [nio-8080-exec-3] c.e.o.OrderController : order placed",
        )
        yield (
            "datadog",
            json.dumps(
                {
                    "dd.trace_id": str(s.number(10**18, 10**19)),
                    "dd.span_id": str(s.number(10**18, 10**19)),
                    "dd.service": "web",
                    "message": "ok",
                }
            ),
        )
        yield (
            "otlp-span",
            json.dumps(
                {
                    "traceId": trace,
                    "spanId": span,
                    "parentSpanId": s.hex(16),
                    "name": "GET /items",
                    "kind": 2,
                    "startTimeUnixNano": str(s.number(10**18, 2 * 10**18)),
                }
            ),
        )


@family
def request_ids() -> Iterator[Item]:
    for s in scenes("request", 14):
        yield (
            "uuid4",
            f"{s.iso()} INFO request_id={s.uuid()} method=GET path={s.path()} status=200 duration={s.number()}us",
        )
        yield (
            "uuid7",
            json.dumps({"requestId": uuid7(s), "level": "warn", "msg": "slow query", "elapsed_ms": s.number()}),
        )
        yield "ulid", f"event {ulid()} accepted by partition {s.number(0, 32)} for user {s.user()}"
        yield "nanoid", f"[{some(NANO, 21)}] GET {s.path()} 200 {s.number(1, 900)}ms"
        yield (
            "heroku",
            f'at=info method=GET path="{s.path()}" host={s.host()} request_id={s.uuid()} fwd="{s.ip()}" dyno=web.1 connect=0ms service={s.number(1, 900)}ms status=200 bytes={s.number()}',
        )
        yield (
            "aws-lambda",
            f"END RequestId: {s.uuid()}\nREPORT RequestId: {s.uuid()}\tDuration: 102.{s.number(1, 99)} ms\tBilled Duration: 103 ms\tMemory Size: 128 MB",
        )
        yield "s3-request", f"x-amz-request-id: {some('0123456789ABCDEF', 16)}\nx-amz-id-2: {b64(57)}"
        yield "cloudflare-ray", f"cf-ray: {s.hex(16)}-FRA\ncf-cache-status: HIT\nage: {s.number()}"
        yield "correlation", f"{{correlationId={s.uuid()}, causationId={s.uuid()}, userId={s.number()}, tenant=acme}}"
        yield (
            "ruby-hash",
            f'{{"request_id"=>"{s.uuid()}", "idempotency_key"=>"{s.uuid()}", "controller"=>"OrdersController", "action"=>"show"}}',
        )
        yield "go-map", f"map[Accept:[*/*] X-Forwarded-For:[{s.ip()}] X-Request-Id:[{s.hex(32)}]]"
        yield "ksuid", f"job {some(ALNUM, 27)} enqueued in queue mailers (priority {s.number(1, 9)})"
        yield "mongo-object-id", f'{{"_id":{{"$oid":"67c4{s.hex(20)}"}},"status":"shipped","customer":"{s.user()}"}}'
        yield (
            "snowflake",
            f"message {s.number(10**18, 2 * 10**18)} in channel {s.number(10**17, 10**18)} deleted by {s.user()}",
        )


@family
def digests() -> Iterator[Item]:
    for s in scenes("digest", 12):
        text = raw(8)
        yield "etag", f'HTTP/1.1 200 OK\r\nETag: "{s.hex(32)}"\r\nCache-Control: public, max-age=31536000\r\n'
        yield "weak-etag", f'< etag: W/"{s.hex(4)}-{b64url(20)}"'
        yield "if-none-match", f'> If-None-Match: "{s.hex(40)}", W/"{b64(20)}"'
        yield (
            "sha256sum",
            f"{hashlib.sha256(text).hexdigest()}  dist/app-{s.number(1, 9)}.{s.number(0, 30)}.0-py3-none-any.whl",
        )
        yield (
            "docker-pull",
            f"Digest: sha256:{s.hex(64)}\nStatus: Downloaded newer image for nginx:1.27\ndocker.io/library/nginx:1.27",
        )
        yield "image-reference", f'Pulling image "registry.example.com/web@sha256:{s.hex(64)}"'
        yield (
            "git-log",
            f"commit {s.hex(40)}\nAuthor: {s.user()} <{s.email()}>\nDate:   Mon Mar 2 08:00:00 2026 +0000\n\n    Refresh tokens expire after 30 days",
        )
        yield "git-range", f"   {s.hex(7)}..{s.hex(7)}  main -> origin/main"
        yield "git-checkout", f"HEAD is now at {s.hex(9)} Rename session_key column"
        yield (
            "sri",
            f'<script src="https://cdn.example.net/app.{s.hex(8)}.js" integrity="sha384-{b64(48)}" crossorigin="anonymous"></script>',
        )
        yield (
            "npm-lock",
            json.dumps(
                {
                    "node_modules/express-session": {
                        "version": "1.18.1",
                        "integrity": f"sha512-{b64(64)}",
                        "dependencies": {"cookie": "0.7.2"},
                    }
                }
            ),
        )
        yield "pip-hash", f"jwt==1.3.1 \\\n    --hash=sha256:{s.hex(64)} \\\n    --hash=sha256:{s.hex(64)}"
        yield (
            "go-sum",
            f"github.com/gorilla/securecookie v1.1.2 h1:{b64(32)}\ngithub.com/gorilla/sessions v1.4.0/go.mod h1:{b64(32)}",
        )
        yield "content-md5", f"Content-MD5: {b64(16)}\nDigest: sha-256={b64(32)}\nRepr-Digest: sha-512=:{b64(64)}:"
        yield (
            "ssh-fingerprint",
            f"sshd[{s.number()}]: Accepted publickey for {s.user()} from {s.ip()} port {s.number()} ssh2: ED25519 SHA256:{b64url(32)}",
        )
        yield "md5-colons", "MD5:" + ":".join(s.hex(2) for _ in range(16)) + " deploy@build (RSA)"
        yield "certificate-fingerprint", "sha256 Fingerprint=" + ":".join(s.hex(2).upper() for _ in range(32))
        yield "build-id", f"BuildID[sha1]={s.hex(40)}, for GNU/Linux 3.2.0, not stripped"
        yield "terraform", f"aws_instance.web: Creation complete after 32s [id=i-0{s.hex(16)}]"
        yield "content-hash-file", f"GET /assets/session-{s.hex(20)}.js 200 in {s.number(1, 90)}ms"


@family
def public_keys() -> Iterator[Item]:
    for s in scenes("keys", 8):
        yield "ssh-public-key", f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{b64(190)} {s.user()}@laptop"
        yield (
            "ssh-ed25519",
            f"debug1: Offering public key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{b64url(33)} {s.user()}",
        )
        yield (
            "certificate",
            "-----BEGIN CERTIFICATE-----\nMII" + "\n".join(textwrap.wrap(b64(420), 64)) + "\n-----END CERTIFICATE-----",
        )
        yield (
            "public-key",
            "-----BEGIN PUBLIC KEY-----\n"
            + "\n".join(textwrap.wrap("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" + b64(250), 64))
            + "\n-----END PUBLIC KEY-----",
        )
        yield (
            "jwks",
            json.dumps(
                {
                    "keys": [
                        {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": s.hex(20), "n": b64url(256), "e": "AQAB"}
                    ]
                }
            ),
        )
        yield (
            "jwk-ec",
            json.dumps({"kty": "EC", "crv": "P-256", "x": b64url(32), "y": b64url(32), "kid": s.uuid(), "use": "sig"}),
        )
        yield "x5t", f"using signing certificate x5t={b64url(20)} kid={s.hex(20)} alg=RS256"
        yield (
            "known-hosts",
            f"|1|{b64(20)}|{b64(20)} ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBB{b64url(64)}",
        )
        yield "data-uri", f'<img alt="logo" src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA{b64(150)}">'
        yield "data-uri-css", f"background:url(data:image/svg+xml;base64,PHN2ZyB4bWxucz0i{b64(120)})"
        yield "font-uri", f"src:url(data:font/woff2;base64,d09GMgABAAAAA{b64(180)}) format('woff2')"
        yield (
            "source-map",
            f'{{"version":3,"sources":["session.ts"],"mappings":"AAAA,SAAS,{some("ACEGIKMQSU", 4)},EAAE,CAAC;AACzB,OAAO,{some("ACEGIKMQSU", 4)}"}}\n//# sourceMappingURL=app.{s.hex(8)}.js.map',
        )
        yield "jwt-header-documented", json.dumps({"alg": "RS256", "typ": "JWT", "kid": s.hex(20)})


@family
def cursors() -> Iterator[Item]:
    for s in scenes("cursor", 12):
        cursor = base64.b64encode(json.dumps({"id": s.number(), "ts": s.iso()}).encode()).decode()
        yield "next-page-token", json.dumps({"items": [], "nextPageToken": cursor, "totalSize": s.number()})
        yield (
            "page-token-query",
            f'{s.ip()} - - [{s.clf()}] "GET /v1/logs?pageSize=50&pageToken={b64url(24)} HTTP/1.1" 200 {s.number()} "-" "{s.agent()}"',
        )
        yield "aws-next-token", json.dumps({"NextToken": b64(90), "Reservations": []})
        yield (
            "aws-next-token-call",
            f"DEBUG botocore.paginate operation=ListObjectsV2 NextContinuationToken={b64(30)} IsTruncated=True",
        )
        yield "azure-continuation", f"x-ms-continuation: {b64(36)}\nx-ms-request-id: {s.uuid()}"
        yield (
            "relay-cursor",
            json.dumps({"pageInfo": {"hasNextPage": True, "endCursor": "Y3Vyc29yOnYyOpHO" + b64url(9)}}),
        )
        yield "link-header", f'Link: <https://{s.host()}{s.path()}?cursor={cursor[:40]}&limit=50>; rel="next"'
        yield (
            "kafka-offsets",
            f"[Consumer clientId=c-1, groupId=sessions] Resetting offset for partition session-events-{s.number(0, 12)} to position FetchPosition{{offset={s.number()}, offsetEpoch=Optional.empty}}",
        )
        yield (
            "elastic-scroll",
            f'scroll page {s.number(1, 50)} sort_values=[{s.number(10**12, 2 * 10**12)}, "{s.hex(24)}"]',
        )
        yield (
            "graphql-node-id",
            json.dumps({"node": {"id": base64.b64encode(f"Order:{s.number()}".encode()).decode(), "state": "OPEN"}}),
        )
        yield "sync-cursor", f"delta sync start page={s.number(1, 9)} since={s.iso()} cursor={cursor}"
        yield "resume-point", f"change stream resumed, resumeAfter: {{_data: '82{s.hex(60).upper()}'}}"


@family
def infrastructure() -> Iterator[Item]:
    for s in scenes("infra", 12):
        yield (
            "k8s-pod",
            f"pod/session-service-{s.hex(10)}-{some('bcdfghjklmnpqrstvwxz2456789', 5)}   1/1   Running   0   {s.number(1, 60)}d",
        )
        yield (
            "k8s-uid",
            f'I0302 08:00:00.{s.number(100000, 999999)}       1 event.go:389] "Event occurred" object="default/web" uid="{s.uuid()}" reason="Created" message="Created pod: web-{s.hex(10)}-x2l9q"',
        )
        yield (
            "k8s-secret-name",
            f"secret/default-token-{some('bcdfghjklmnpqrstvwxz2456789', 5)} mounted at /var/run/secrets/kubernetes.io/serviceaccount",
        )
        yield "container-id", f"containerd://{s.hex(64)} image=ghcr.io/example/web:{s.number(1, 9)}.{s.number(0, 20)}"
        yield "ecs-task", f"arn:aws:ecs:eu-west-1:123456789012:task/prod/{s.hex(32)} stopped (exit code: 1)"
        yield "s3-key", f"s3://example-logs/AWSLogs/2026/03/02/{s.hex(8)}/session-{s.uuid()}.json.gz"
        yield "s3-put", f"PUT /bucket/uploads/{s.uuid()}/avatar-{s.hex(16)}.png 200 {s.number()}"
        yield (
            "php-session-file",
            f"PHP Warning:  session_start(): open(/var/lib/php/sessions, O_RDWR) failed: No space left on device (28) in /srv/www/login.php on line {s.number(1, 300)}",
        )
        yield "systemd-session", f"systemd-logind[{s.number(300, 999)}]: New session {s.number()} of user {s.user()}."
        yield "systemd-session-closed", f"systemd[1]: session-{s.number(1, 999)}.scope: Deactivated successfully."
        yield (
            "pam-session",
            f"sshd[{s.number()}]: pam_unix(sshd:session): session opened for user {s.user()}(uid={s.number(1000, 1100)}) by (uid=0)",
        )
        yield "sudo-session", "sudo: pam_unix(sudo:session): session closed for user root"
        yield (
            "cron-session",
            f"CRON[{s.number()}]: pam_unix(cron:session): session opened for user www-data(uid=33) by (uid=0)",
        )
        yield (
            "kernel",
            f"kernel: audit: type=1105 audit(1772440{s.number(100, 999)}.123:{s.number()}): pid={s.number()} uid=0 auid=1000 ses={s.number(1, 99)} msg='op=PAM:session_open'",
        )
        yield (
            "postgres",
            f"{s.time:%Y-%m-%d %H:%M:%S UTC} [{s.number()}] LOG:  disconnection: session time: 0:00:{s.number(10, 59)}.123 user=app database=main host={s.ip()} port={s.number()}",
        )
        yield (
            "postgres-application",
            f"LOG:  connection authorized: user=app database=sessions application_name=web-{s.hex(8)} SSL enabled (protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, bits=256)",
        )
        yield (
            "nginx-upstream",
            f'[error] {s.number()}#{s.number()}: *{s.number()} upstream timed out (110: Connection timed out) while reading response header from upstream, client: {s.ip()}, server: {s.host()}, request: "POST /auth/token HTTP/1.1", upstream: "http://10.0.0.8:8000/auth/token"',
        )
        yield (
            "haproxy",
            f'haproxy[{s.number()}]: {s.ip()}:{s.number()} [02/Mar/2026:08:00:00.123] web~ app/web-1 0/0/1/{s.number(1, 900)}/13 200 {s.number()} - - ---- 12/11/3/1/0 0/0 "GET /session/status HTTP/1.1"',
        )
        yield (
            "redis",
            f'1772440{s.number(100, 999)}.123456 [0 {s.ip()}:{s.number()}] "INCRBY" "ratelimit:{s.ip()}:login" "1"',
        )
        yield (
            "redis-cache",
            f'1772440{s.number(100, 999)}.654321 [1 {s.ip()}:{s.number()}] "GET" "cache:product:{s.uuid()}"',
        )
        yield "lsb-uuid", f"UUID={s.uuid()} /home ext4 defaults 0 2"
        yield "mac", "eth0: link/ether " + ":".join(s.hex(2) for _ in range(6)) + f" inet {s.ip()}/24"
        yield "vault-accessor", f"lease renewed: auth/kubernetes entity_id={s.uuid()} ttl=3600s policies=[default web]"
        yield "consul", f'consul: session invalidated reason="node health check failed" node=web-{s.number(1, 9)}'
        yield "tls-resumption", "OpenSSL: TLS session resumption enabled, tickets=2, lifetime hint: 7200 (seconds)"


@family
def cookies_harmless() -> Iterator[Item]:
    for s in scenes("cookies", 14):
        consent = quote(json.dumps({"necessary": True, "analytics": False, "version": s.number(1, 9)}))
        yield "cookie-header", f"Cookie: _ga={s.ga()}; _gid={s.ga()}; theme=dark; locale=en_US"
        yield "cookie-consent", f"Cookie: cookieconsent={consent}; lang=fr; tz=Europe/Paris"
        yield (
            "cookieyes",
            f"Cookie: cookieyes-consent=consentid:{some(ALNUM, 32)},consent:yes,action:yes,necessary:yes,functional:no; theme=light",
        )
        yield "set-cookie-locale", "Set-Cookie: locale=de_DE; Path=/; Max-Age=31536000; SameSite=Lax"
        yield "set-cookie-theme", f"< set-cookie: theme=dark; expires={s.http_date()}; path=/"
        yield (
            "cookie-cleared",
            'Set-Cookie: sessionid=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax',
        )
        yield (
            "cookie-deleted",
            "Set-Cookie: PHPSESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/",
        )
        yield (
            "python-dict",
            f"cookies={{'theme': 'dark', '_ga': '{s.ga()}', 'sidebar': 'collapsed'}} user_id={s.number()}",
        )
        yield (
            "asgi",
            f"headers=[(b'host', b'{s.host()}'), (b'cookie', b'theme=dark; lang=en'), (b'x-request-id', b'{s.uuid()}')]",
        )
        yield (
            "facebook-pixel",
            f"Cookie: _fbp=fb.1.{s.number(10**12, 2 * 10**12)}.{s.number(10**8, 10**9)}; _gcl_au=1.1.{s.number(10**8, 10**9)}.{s.number(10**9, 2 * 10**9)}",
        )
        yield "hotjar", "Cookie: _hjIncludedInSample=1; ab_variant=control; currency=EUR"
        yield (
            "json",
            json.dumps(
                {"cookies": {"theme": "dark", "locale": "en_US", "_ga": s.ga()}, "path": s.path(), "status": 200}
            ),
        )
        yield (
            "onetrust",
            f"OptanonConsent=isGpcEnabled=0&datestamp=Mon+Mar+02+2026&version=202601.1.0&consentId={s.uuid()}&groups=C0001%3A1%2CC0002%3A0",
        )


@family
def masked() -> Iterator[Item]:
    masks = [
        "***",
        "********",
        "[FILTERED]",
        "[Filtered]",
        "<redacted>",
        "[REDACTED]",
        "<hidden>",
        "xxxxxxxx",
        "XXXX",
        "*****",
        "(hidden)",
        "[masked]",
        "<secret>",
        "REDACTED",
        "••••••••",
        "[scrubbed]",
        "[REMOVED]",
        "<masked>",
    ]
    for number, mask in enumerate(masks):
        s = Scene(f"mask{number}")
        yield "query", f'{s.ip()} - - [{s.clf()}] "GET {s.path()}?token={mask}&page=2 HTTP/1.1" 200 {s.number()}'
        yield "logfmt", f"level=info user={s.user()} access_token={mask} request_id={s.uuid()}"
        yield "json", json.dumps({"user": s.user(), "refresh_token": mask, "trace_id": s.hex(32)}, ensure_ascii=False)
        yield "authorization", f"> Authorization: Bearer {mask}"
        yield (
            "authorization-json",
            json.dumps({"headers": {"authorization": f"Bearer {mask}", "x-request-id": s.uuid()}}, ensure_ascii=False),
        )
        yield "cookie", f"Cookie: theme=dark; sessionid={mask}; _ga={s.ga()}"
        yield (
            "rails-params",
            f'Parameters: {{"authenticity_token"=>"{mask}", "user"=>{{"email"=>"{s.email()}", "password"=>"{mask}"}}}}',
        )
        yield "dsn", f"connecting to postgresql://app:{mask}@db.internal.example.com/main"
        yield "python-dict", f"headers={{'Authorization': '{mask}', 'X-Trace-Id': '{s.hex(32)}'}}"
        yield "yaml", f"auth:\n  token: {mask if mask[0] not in '*[<' else json.dumps(mask)}\n  user: {s.user()}"


@family
def names_that_are_not() -> Iterator[Item]:
    for s in scenes("names", 9):
        yield "token-type", json.dumps({"token_type": "bearer", "expires_in": 3600, "scope": "openid profile email"})
        yield "token-type-query", f"https://{s.host()}/callback#token_type=bearer&expires_in=3600&scope=read"
        yield (
            "session-timeout",
            f"session_timeout=3600 session_cookie_age={s.number()} csrf_enabled=true token_count={s.number()}",
        )
        yield (
            "config-properties",
            "server.servlet.session.timeout=30m\nserver.servlet.session.cookie.http-only=true\nspring.session.store-type=redis",
        )
        yield (
            "django-settings",
            "SESSION_COOKIE_SECURE = True\nSESSION_ENGINE = 'django.contrib.sessions.backends.cached_db'\nCSRF_COOKIE_NAME = 'csrftoken'\nCSRF_TRUSTED_ORIGINS = ['https://*.example.com']",
        )
        yield (
            "pkce-challenge",
            f"GET /authorize?response_type=code&client_id=web-{s.number()}&code_challenge={b64url(32)}&code_challenge_method=S256&scope=openid HTTP/1.1",
        )
        yield "state-word", f"pod state=running previous_state=pending code=0 exit_code={s.number(0, 2)}"
        yield "http-code", f"method=GET path={s.path()} code=404 status=404 duration={s.number(1, 900)}ms"
        yield (
            "error-code",
            f'{s.stamp()} ERROR code=E{s.number(1000, 9999)} msg="payment declined" country_code=DE zip_code={s.number(10000, 99999)} currency_code=EUR',
        )
        yield (
            "error-code-json",
            json.dumps(
                {"error": {"code": "invalid_request", "message": "missing parameter: code"}, "status_code": 400}
            ),
        )
        yield (
            "grpc-code",
            f"grpc.code=Unauthenticated grpc.method=RefreshToken grpc.service=auth.v1.Auth grpc.time_ms=2.{s.number(1, 99)}",
        )
        yield (
            "llm-usage",
            json.dumps(
                {
                    "usage": {
                        "prompt_tokens": s.number(),
                        "completion_tokens": s.number(1, 900),
                        "total_tokens": s.number(),
                    },
                    "model": "small-1",
                }
            ),
        )
        yield (
            "llm-logfmt",
            f"max_tokens=4096 prompt_tokens={s.number()} cached_tokens={s.number()} tokens_per_second=81.{s.number(1, 9)} tokenizer=cl100k_base",
        )
        yield (
            "tokenizer",
            f"{s.stamp()} INFO special tokens: pad_token=<pad> eos_token=</s> bos_token=<s> unk_token=<unk> sep_token=[SEP] mask_token=[MASK]",
        )
        yield (
            "session-numbers",
            f"active_sessions={s.number()} session_count={s.number()} sessions_per_user=1.{s.number(1, 9)} session_duration_ms={s.number()}",
        )
        yield (
            "prometheus",
            f'http_requests_total{{handler="/oauth/token",code="200",method="post"}} {s.number()}\ndjango_session_saves_total {s.number()}',
        )
        yield (
            "prometheus-token",
            f'# HELP token_refresh_total Token refreshes\n# TYPE token_refresh_total counter\ntoken_refresh_total{{result="ok"}} {s.number()}',
        )
        yield "statsd", f"auth.token.refresh:1|c|@0.1|#env:prod,result:ok\nsession.active:{s.number()}|g"
        yield (
            "token-flags",
            f"{{token_valid=true, token_expired=false, token_expires_at={s.iso()}, token_issuer=https://login.example.com}}",
        )
        yield (
            "csrf-flags",
            json.dumps(
                {"csrf": True, "csrfProtection": "enabled", "csrfHeaderName": "X-CSRFToken", "sessionStorage": "redis"}
            ),
        )
        yield (
            "token-endpoint",
            json.dumps(
                {
                    "issuer": f"https://{s.host()}",
                    "token_endpoint": f"https://{s.host()}/oauth2/token",
                    "jwks_uri": f"https://{s.host()}/keys",
                    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                    "end_session_endpoint": f"https://{s.host()}/logout",
                }
            ),
        )
        yield (
            "session-language",
            f"session_language=en session_type=web session_started_at={s.iso()} session_state=active",
        )
        yield (
            "auth-method",
            f"auth_method=oidc auth_provider=google auth_result=success auth_time={s.number(10**9, 2 * 10**9)}",
        )
        yield (
            "none-values",
            f"token=None session=null csrf_token= refresh_token=undefined user={s.user()} access_token=nil",
        )
        yield (
            "json-null",
            json.dumps(
                {"token": None, "session_id": "", "refreshToken": None, "user": s.user(), "requestId": s.uuid()}
            ),
        )
        yield "boolean-values", f"token=true session=false remember_me=1 has_session=yes request_id={s.uuid()}"
        yield (
            "keyboard-pin",
            f"gpio pin=17 mode=out value=1 otp_enabled=false pin_count=40 ticket_count={s.number(1, 90)}",
        )


@family
def prose() -> Iterator[Item]:
    sentences = [
        "session expired for user {user}",
        "Session expired, please sign in again",
        "token refresh failed: invalid_grant",
        "Bearer authentication required",
        "Basic auth is disabled",
        "cookie jar is empty",
        "Starting session cleanup job id={n}",
        "Session cookie missing, creating a new one",
        "invalid token",
        "token is required",
        "Token has expired at {iso}",
        "CSRF token missing or incorrect.",
        "CSRF verification failed. Request aborted.",
        "CSRF cookie not set.",
        "Forbidden (CSRF token missing.): {path}",
        "JWT signature does not match",
        "JWT malformed",
        "jwt must be provided",
        "No session found for user {user}",
        "Purged {n} expired sessions in 212ms",
        "session store: redis connection lost, retrying",
        "The refresh token was revoked by the administrator",
        "Access token expires in 300 seconds",
        "Authorization header missing",
        "Authorization: required scopes are read and write",
        "Authentication credentials were not provided.",
        "password reset requested for {email}",
        "Password reset e-mail sent to {email}",
        "magic link sent to {email}",
        "one-time code sent by SMS, expires in 10 minutes",
        "Your code will arrive shortly",
        "wrong code entered 3 times",
        "user {user} logged out, session destroyed",
        "Session {n} of user root",
        "session opened for user {user}",
        "New session {n} of user {user}.",
        "Removed session {n}.",
        "token bucket refilled to {n}",
        "lexer: unexpected token '}}' at line {n}",
        "SyntaxError: Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
        "ParseError: unexpected token: identifier",
        "Uncaught SyntaxError: Invalid or unexpected token",
        "training session: strength class, 45 minutes",
        "Bearer token authentication is the default for the API",
        "Use the Bearer scheme: Authorization: Bearer TOKEN",
        "the cookie policy was updated on {iso}",
        "secret santa assigned for team {user}",
        "session key rotation scheduled for Sunday",
        "cookie: banner dismissed",
        "ticket: see issue tracker",
        "token: not found",
        "session: started",
        "session id: none",
        "password: must have at least 12 characters",
        "code: ok",
        "state: pending approval",
        "refresh token rotation is enabled",
        "Session replay started",
        "Spark session available as 'spark'.",
        "tmux session created",
        "Zoom session with {user} at 14:00",
        "SSO is not configured for this tenant",
        "state parameter mismatch",
        "nonce too low",
        "ticket granted to {user}",
        "sid not recognised",
        "jwt audience invalid. expected: web",
        "Invalid session identifier format",
        "Rejected session: authentication method unavailable",
        "Session token lifetime is controlled by policy",
    ]
    for number, sentence in enumerate(sentences):
        for turn, context in enumerate(("plain", "stamped", "json")):
            s = Scene(f"prose{number}/{turn}")
            said = sentence.format(user=s.user(), n=s.number(), iso=s.iso(), path=s.path(), email=s.email())
            yield (
                context,
                [
                    said,
                    f"{s.stamp()} WARNING auth.session [{s.uuid()}] {said}",
                    json.dumps({"level": "warn", "msg": said, "trace_id": s.hex(32)}),
                ][turn],
            )


@family
def prose_foreign() -> Iterator[Item]:
    sentences = [
        "Sitzung abgelaufen, bitte neu anmelden",
        "Das Token ist ungültig oder abgelaufen",
        "Anmeldung für Jürgen Müller fehlgeschlagen",
        "Passwort: mindestens zwölf Zeichen",
        "Sitzungsdauer überschritten (30 Minuten)",
        "Cookie-Einstellungen gespeichert",
        "La session a expiré, veuillez vous reconnecter",
        "Jeton d’accès révoqué par l’administrateur",
        "Code : accepté",
        "Le mot de passe doit contenir 12 caractères",
        "Connexion réussie de l’utilisateur Élodie",
        "Préférences de cookies enregistrées",
        "セッションの有効期限が切れました",
        "トークンが無効です",
        "パスワードを再設定してください",
        "ログインに成功しました 🎉",
        "認証コードを送信しました",
        "🔑 token refreshed ✅",
        "🍪 cookie banner shown",
        "🚀 session service deployed",
        "⏰ session expired 😢",
        "🔒 password changed",
        "Сессия истекла",
        "Неверный токен доступа",
        "会话已过期,请重新登录",
        "令牌无效",
        "Sesión caducada",
        "Código: correcto",
        "세션이 만료되었습니다",
        "Sessão expirada",
        "انتهت صلاحية الجلسة",
        "Sesja wygasła – zaloguj się ponownie",
    ]
    for number, sentence in enumerate(sentences):
        s = Scene(f"foreign{number}")
        yield "stamped", f"{s.stamp()} INFO {sentence} (Vorgang {s.uuid()})"
        yield "json-escaped", json.dumps({"msg": sentence, "request_id": s.uuid()})


@family
def challenges() -> Iterator[Item]:
    for s in scenes("challenge", 6):
        yield (
            "bearer-challenge",
            'WWW-Authenticate: Bearer realm="api", error="invalid_token", error_description="The access token expired"',
        )
        yield "basic-challenge", f'< WWW-Authenticate: Basic realm="Restricted area {s.number(1, 9)}", charset="UTF-8"'
        yield "digest-algorithm", "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n"
        yield "dpop-challenge", 'www-authenticate: DPoP error="invalid_dpop_proof", algs="ES256 RS256"'
        yield (
            "registry-challenge",
            'Www-Authenticate: Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:web:pull"',
        )
        yield "allow-headers", "Access-Control-Allow-Headers: Authorization, Content-Type, X-CSRFToken, X-Session-Id"
        yield "vary", "Vary: Cookie, Authorization, Accept-Encoding"
        yield (
            "expose-headers",
            f"Access-Control-Expose-Headers: ETag, X-Auth-Token, Set-Cookie\nX-Request-Id: {s.uuid()}",
        )
        yield "clear-site-data", 'Clear-Site-Data: "cookies", "storage"'
        yield "oauth-error", f"https://{s.host()}/callback?error=access_denied&error_description=The+user+denied+access"
        yield (
            "json-error",
            json.dumps({"error": "invalid_token", "error_description": "Token expired", "request_id": s.uuid()}),
        )
        yield (
            "http-client-debug",
            f"send: b'GET {s.path()} HTTP/1.1\\r\\nHost: {s.host()}\\r\\nUser-Agent: python-requests/2.32.3\\r\\nAccept: */*\\r\\n\\r\\n'\nreply: 'HTTP/1.1 401 Unauthorized\\r\\n'\nheader: WWW-Authenticate: Bearer",
        )


@family
def code() -> Iterator[Item]:
    snippets = [
        "token = self.get_token(request)",
        "session = Session()",
        "session = requests.Session()",
        "const token = await getAccessToken();",
        "let sessionId = req.cookies['connect.sid'];",
        "csrf_token = request.META.get('CSRF_COOKIE')",
        "access_token = response.json()['access_token']",
        'String token = request.getHeader("Authorization");',
        'var session = HttpContext.Session.GetString("user");',
        "$token = $this->tokenStorage->getToken();",
        "session[:user_id] = user.id",
        'token := r.Header.Get("X-Auth-Token")',
        "if not token: raise Unauthorized('token missing')",
        "def check(token: str, session_id: int) -> bool:",
        "fn refresh(token: &str) -> Result<Token, Error> {",
        "headers = {'Authorization': f'Bearer {token}'}",
        "headers: { Authorization: `Bearer ${token}` }",
        'curl -H "Authorization: Bearer $TOKEN" https://api.example.com/v1/items',
        "curl -H 'Authorization: Bearer <your-token>' https://api.example.com",
        "export TOKEN=${TOKEN:?missing}",
        "TOKEN=$(vault read -field=token auth/web)",
        "password: ${DB_PASSWORD}",
        "token: ${{ secrets.GITHUB_TOKEN }}",
        '<input type="hidden" name="csrfmiddlewaretoken" value="{{ csrf_token }}">',
        '<meta name="csrf-token" content="<%= form_authenticity_token %>">',
        "{% csrf_token %}",
        "@csrf",
        "<%= csrf_meta_tags %>",
        "session_id = uuid.uuid4().hex",
        "self.session_token = secrets.token_urlsafe(32)",
        "refresh_token = Column(String(255), nullable=False, index=True)",
        "token = models.CharField(max_length=64, unique=True)",
        "private String sessionToken;",
        "public record Session(String id, Instant expiresAt) {}",
        'type Session struct { ID string `json:"id"`; Token string `json:"token"` }',
        "interface AuthState { accessToken: string | null; refreshToken?: string }",
        "assert response.cookies['sessionid'] is None",
        "cookie = SimpleCookie(request.headers.get('Cookie', ''))",
        "jwt.decode(token, key, algorithms=['HS256'])",
        "token=token, session=session, code=code, state=state",
        "oauth.fetch_token(url, authorization_response=request.url)",
        "UPDATE users SET token = NULL, session_key = '' WHERE id = 7",
        "SELECT session_key, expire_date FROM django_session WHERE expire_date < now()",
        "CREATE TABLE django_session (session_key varchar(40) NOT NULL PRIMARY KEY, session_data text NOT NULL, expire_date datetime NOT NULL);",
        "ALTER TABLE tokens ADD COLUMN refresh_token varchar(255) DEFAULT NULL;",
        "CREATE INDEX ix_sessions_token ON sessions (token);",
        "SELECT * FROM sessions WHERE session_id = $1 AND token = $2",
        "DELETE FROM sessions WHERE token = ?",
        "WHERE session_token = :session_token",
        "components:\n  schemas:\n    Login:\n      properties:\n        token: string\n        refreshToken:\n          type: string\n          format: jwt",
        '{"securitySchemes":{"bearerAuth":{"type":"http","scheme":"bearer","bearerFormat":"JWT"},"cookieAuth":{"type":"apiKey","in":"cookie","name":"sessionid"}}}',
        '{"properties":{"access_token":{"type":"string","description":"Opaque token"},"session":{"$ref":"#/components/schemas/Session"}}}',
        "message LoginResponse { string access_token = 1; string refresh_token = 2; int64 expires_in = 3; }",
        "query Session($token: String!) { session(token: $token) { id expiresAt } }",
        "mutation { refreshToken(input: $input) { accessToken expiresIn } }",
        "proxy_set_header Authorization $http_authorization;",
        'proxy_cookie_path / "/; HTTPOnly; Secure";',
        "log_format main '$remote_addr $request $cookie_sessionid';",
        'SetEnvIf Authorization "(.*)" HTTP_AUTHORIZATION=$1',
        '  File "/usr/lib/python3.11/site-packages/requests/sessions.py", line 589, in request',
        "    at Session.refreshToken (/srv/app/node_modules/auth/session.js:42:17)",
        "\tat org.apache.catalina.session.StandardSession.getAttribute(StandardSession.java:1142)",
        "KeyError: 'access_token'",
        "AttributeError: 'Session' object has no attribute 'token'",
        "TypeError: Cannot read properties of undefined (reading 'sessionToken')",
        "NameError: name 'csrf_token' is not defined",
        "undefined method `token' for nil:NilClass",
        "django.contrib.sessions.exceptions.SessionInterrupted: The request's session was deleted before the request completed.",
        "java.lang.IllegalStateException: getAttribute: Session already invalidated",
        "oauthlib.oauth2.rfc6749.errors.InvalidGrantError: (invalid_grant) Bad Request",
        "from django.contrib.sessions.backends.db import SessionStore",
        "import { getServerSession } from 'next-auth'",
        "use Symfony\\Component\\Security\\Csrf\\CsrfTokenManagerInterface;",
        "org.springframework.security.web.csrf.CookieCsrfTokenRepository",
        "com.example.auth.token.RefreshTokenCleanupJob",
        "session_store :cookie_store, key: '_app_session'",
        "Installing collected packages: itsdangerous, PyJWT, Flask-Session",
        "+ express-session@1.18.1\n+ csrf-csrf@3.1.0",
        "npm warn deprecated csurf@1.11.0: This package is archived and no longer maintained",
        "Collecting djangorestframework-simplejwt==5.5.0",
        "Successfully installed PyJWT-2.10.1 session-info-1.0.0",
        "test_session_token_rotation PASSED [ 42%]",
        "FAILED tests/test_token.py::test_refresh_token - assert 401 == 200",
        "--- FAIL: TestSessionCookie (0.02s)",
        "spec/models/session_spec.rb:12 # Session token is unique",
        "ok 12 - rejects an expired token",
        "const SESSION_COOKIE = 'connect.sid';",
        "TOKEN_HEADER = 'X-Auth-Token'",
        "session.cookie.name = 'sid'",
        'public static final String TOKEN_KEY = "refresh_token";',
        "COOKIE_NAMES = ('sessionid', 'csrftoken')",
        "token_url = 'https://login.example.com/oauth/token'",
    ]
    for number, snippet in enumerate(snippets):
        s = Scene(f"code{number}")
        yield "bare", snippet
        if number % 2:
            yield (
                "diff",
                f"@@ -{s.number(1, 300)},7 +{s.number(1, 300)},7 @@ index {s.hex(7)}..{s.hex(7)}\n+"
                + snippet.replace("\n", "\n+"),
            )
        else:
            yield "ci-log", f"{s.iso()} [job {s.number()}] {snippet}"


@family
def ordinary_access() -> Iterator[Item]:
    paths = [
        "/session",
        "/sessions/new",
        "/login",
        "/oauth/token",
        "/auth/refresh-token",
        "/csrf",
        "/api/tokens?limit=20",
        "/.well-known/jwks.json",
        "/password/reset",
        "/accounts/password_reset/done/",
        "/verify?lang=en",
        "/cookies/policy",
    ]
    for number, where in enumerate(paths):
        for s in scenes(f"access{number}", 3):
            yield (
                "nginx",
                f'{s.ip()} - {s.user()} [{s.clf()}] "POST {where} HTTP/1.1" 200 {s.number()} "https://{s.host()}/" "{s.agent()}"',
            )
            yield (
                "json",
                json.dumps(
                    {
                        "ts": s.iso(),
                        "method": "GET",
                        "path": where,
                        "status": 302,
                        "request_id": s.uuid(),
                        "ip": s.ip(),
                        "ua": s.agent(),
                    }
                ),
            )
            yield (
                "uuid-in-path",
                f'{s.ip()} "GET /api/v1/orders/{s.uuid()}/items/{s.hex(24)} HTTP/1.1" 200 {s.number(1, 90)}ms',
            )
    for s in scenes("ordinary", 12):
        yield "search-query", f"GET /search?q=session+token+meaning&page={s.number(1, 9)}&sort=code&state=CA HTTP/1.1"
        yield (
            "utm",
            f"https://{s.host()}{s.path()}?utm_source=mail&utm_campaign=spring&fbclid=IwAR{b64url(40)}&gclid=Cj0KCQ{b64url(40)}",
        )
        yield "sql-uuid", f"SELECT * FROM orders WHERE id = '{s.uuid()}' AND customer_id = {s.number()}"
        yield "sql-args", f"[parameters: ('{s.uuid()}', {s.number()}, '{s.hex(32)}', '{s.email()}')]"
        yield "postgres-detail", f"DETAIL:  Key (id)=({s.uuid()}) already exists."
        yield (
            "rails",
            f"I, [{s.iso()} #{s.number()}]  INFO -- : [{s.uuid()}] Completed 200 OK in {s.number(1, 900)}ms (Views: 3.2ms | ActiveRecord: 1.1ms | Allocations: {s.number()})",
        )
        yield "rails-params", f'  Parameters: {{"utf8"=>"✓", "page"=>"2", "id"=>"{s.uuid()}", "commit"=>"Save"}}'
        yield "django", f'[{s.time:%d/%b/%Y %H:%M:%S}] "GET {s.path()} HTTP/1.1" 200 {s.number()}'
        yield (
            "spring",
            f"{s.stamp()} INFO {s.number()} --- [main] o.s.s.web.DefaultSecurityFilterChain : Will secure any request with filters: DisableEncodeUrlFilter, SessionManagementFilter, CsrfFilter, BearerTokenAuthenticationFilter",
        )
        yield "java-object", f"org.apache.catalina.session.StandardSessionFacade@{s.hex(8)} user={s.user()}"
        yield (
            "python-object",
            f"<sqlalchemy.orm.session.Session object at 0x7f{s.hex(10)}> <User: {s.user()}> <SessionStore {s.number()}>",
        )
        yield (
            "version",
            f"{s.host()} python-jose 3.3.{s.number(0, 9)} OpenSSL 3.0.{s.number(1, 20)} session-service v{s.number(1, 9)}.{s.number(0, 99)}.0+{s.hex(7)}",
        )
        yield (
            "api-json",
            json.dumps(
                {
                    "id": s.uuid(),
                    "user": {"id": s.number(), "email": s.email()},
                    "sku": f"SKU-{s.hex(8).upper()}",
                    "createdAt": s.iso(),
                    "state": "shipped",
                    "code": "DE-BY",
                }
            ),
        )
        yield (
            "xml",
            f'<order id="{s.uuid()}" state="open"><code>{s.number()}</code><token-count>{s.number(1, 9)}</token-count></order>',
        )
        yield (
            "html",
            f'<form action="/login" method="post"><label for="code">Code</label><input name="code" type="text" autocomplete="one-time-code"><input name="q" value="{s.hex(8)}"></form>',
        )
        yield "message-id", f"Message-ID: <{s.hex(32)}@mail.example.net>\nReferences: <{some(ALNUM, 40)}@{s.host()}>"
        yield (
            "celery",
            f"Task accounts.tasks.clear_expired_sessions[{s.uuid()}] succeeded in 0.{s.number(100, 999)}s: None",
        )
        yield (
            "sidekiq",
            f"pid={s.number()} tid={some('abcdefghijklmnopqrstuvwxyz0123456789', 4)} class=SessionCleanupJob jid={s.hex(24)} INFO: done",
        )
        yield (
            "airflow",
            f"Marking task as SUCCESS. dag_id=token_report, task_id=count_tokens, run_id=scheduled__{s.iso()}, execution_date=20260302T080000",
        )
        yield "terraform-plan", f'  ~ token_ttl = 3600 -> 7200\n    id        = "{s.hex(32)}"'
        yield (
            "order-number",
            f"order code AB-{s.number()} shipped, tracking 1Z{some('0123456789ABCDEFGHJ', 16)}, invoice {s.number(10**7, 10**8)}",
        )
        yield (
            "windows-event",
            f"EventID 4624: An account was successfully logged on. Logon ID: 0x{s.hex(6).upper()} Session ID: {s.number(1, 9)} Security ID: S-1-5-21-{s.number(10**8, 10**9)}-{s.number(10**8, 10**9)}-{s.number(10**8, 10**9)}-1104",
        )
        yield (
            "jdbc-url",
            f"jdbc:postgresql://db.internal.example.com:5432/sessions?sslmode=verify-full&ApplicationName=web-{s.hex(8)}",
        )
        yield (
            "dsn-without-password",
            f"redis://cache-{s.number(1, 9)}.internal.example.com:6379/0 connected, amqp://guest@mq:5672//, git clone ssh://git@git.example.com:22/app.git",
        )


def main() -> None:
    """Write the corpus of harmless lines."""
    numbers: Counter[Item] = Counter()
    seen: set[str] = set()
    with (HERE / "benign.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        for kind, write in FAMILIES:
            for context, text in write():
                if text in seen:
                    continue
                seen.add(text)
                numbers[kind, context] += 1
                line = corpus_line(
                    f"benign-{kind}", context, numbers[kind, context], "mint_benign.py", text, (), "benign"
                )
                out.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
