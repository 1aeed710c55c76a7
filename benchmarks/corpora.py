"""Log corpora with known secrets: seeded, labelled, of any size and any rate of secrets.

A few megabytes of distinct lines are made and then repeated in another order each time,
so that 200 MB take seconds. The same arguments give the same bytes on every machine.

    python -m benchmarks.corpora --kind mixed --rate 0.01 --size-mb 200 -o mixed.log --labels mixed.jsonl
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple

__all__ = ["KINDS", "RATES", "Corpus", "Label", "chunks", "corpus", "jwt", "record", "write"]

RATES: Final = (0.0, 0.001, 0.01, 0.2)
"""The shares of lines with a secret that the tables show."""

_POOL: Final = 4_000_000
"""How many bytes of distinct lines are made before they repeat."""

_OPEN, _CLOSE = "\x01", "\x02"
_HEX: Final = "0123456789abcdef"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_MIXED: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_URLSAFE: Final = _MIXED + "-_"

_Make = Callable[[random.Random], str]


class Label(NamedTuple):
    """Where one secret is: the line, counted from 1, and a half-open byte range in it."""

    line: int
    start: int
    end: int
    kind: str


class _Line(NamedTuple):
    data: bytes
    secrets: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Corpus:
    """Bytes of a log and the labels of every secret in it."""

    data: bytes
    labels: list[Label]


# --- values ---------------------------------------------------------------------------


def _run(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def jwt(rng: random.Random) -> str:
    """Return a JWT (RFC 7519) signed with HS256 under a key that is forgotten at once."""
    header = _b64(_compact({"alg": "HS256", "typ": "JWT", "kid": f"key-{rng.randrange(4)}"}))
    issued = 1_780_000_000 + rng.randrange(10_000_000)
    claims = {"sub": str(rng.randrange(100_000)), "iat": issued, "exp": issued + 3600, "jti": _run(rng, _HEX, 32)}
    signed = f"{header}.{_b64(_compact(claims))}"
    return f"{signed}.{_b64(hmac.digest(rng.randbytes(32), signed.encode(), 'sha256'))}"


def _uuid(rng: random.Random) -> str:
    digits = _run(rng, _HEX, 32)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _secret(kind: str, value: str) -> str:
    """Mark ``value`` as a secret of ``kind``; the marks are taken out when the line is read."""
    return f"{_OPEN}{kind}{_CLOSE}{value}{_OPEN}{_CLOSE}"


def _session(rng: random.Random) -> str:
    return _secret("session", _run(rng, _LOWER, 32))


def _jwt(rng: random.Random) -> str:
    return _secret("jwt", jwt(rng))


def _opaque(rng: random.Random) -> str:
    return _secret("bearer", _run(rng, _URLSAFE, 43))


def _code(rng: random.Random) -> str:
    return _secret("oauth-code", _run(rng, _URLSAFE, 32))


def _state(rng: random.Random) -> str:
    return _secret("oauth-state", _run(rng, _MIXED, 22))


def _csrf(rng: random.Random) -> str:
    return _secret("csrf", _run(rng, _MIXED, 64))


def _express(rng: random.Random) -> str:
    return _secret("session", f"s%3A{_run(rng, _MIXED, 32)}.{_run(rng, _MIXED, 20)}%2B{_run(rng, _MIXED, 20)}")


def _flask(rng: random.Random) -> str:
    payload = _b64(_compact({"_fresh": True, "_user_id": str(rng.randrange(9999)), "n": _run(rng, _HEX, 24)}))
    return _secret("session", f"{payload}.{_run(rng, _MIXED, 6)}.{_run(rng, _URLSAFE, 27)}")


# --- surroundings ---------------------------------------------------------------------

_PATHS: Final = ("/", "/healthz", "/products/{n}", "/cart", "/api/v2/orders/{n}", "/static/js/app.{h}.js", "/search")
_AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36",
    "curl/8.14.1",
    "python-requests/2.34.2",
    "kube-probe/1.31",
)
_WORDS: Final = (
    "order cart payment shipment user invoice worker queue cache replica index page upload request response "
    "retry timeout accepted finished started skipped created updated deleted slow fast remote local pending"
).split()
_LOGGERS: Final = (
    "shop.views",
    "shop.payments",
    "django.request",
    "celery.worker",
    "uvicorn.access",
    "sqlalchemy.engine",
)
_LEVELS: Final = ("DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR")


def _clock(rng: random.Random) -> str:
    return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"


def _address(rng: random.Random) -> str:
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113', '10.4.7'))}.{rng.randrange(1, 255)}"


def _path(rng: random.Random) -> str:
    path = rng.choice(_PATHS).replace("{n}", str(rng.randrange(100_000)))
    return path.replace("{h}", _run(rng, _HEX, 8)) if "{h}" in path else path


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randrange(4, 12)))


def _access(rng: random.Random, target: str, referrer: str = "-", tail: str = "") -> str:
    method = rng.choice(("GET", "GET", "GET", "POST", "HEAD"))
    return (
        f'{_address(rng)} - - [24/Nov/2026:{_clock(rng)} +0000] "{method} {target} HTTP/1.1" '
        f'{rng.choice((200, 200, 200, 204, 302, 304, 404))} {rng.randrange(90_000)} "{referrer}" "{rng.choice(_AGENTS)}"{tail}'
    )


def _event(rng: random.Random, message: str, **members: object) -> str:
    event = {
        "ts": f"2026-11-24T{_clock(rng)}.{rng.randrange(1000):03}Z",
        "level": rng.choice(_LEVELS).lower(),
        "logger": rng.choice(_LOGGERS),
        "msg": message,
        "trace_id": _run(rng, _HEX, 32),
        **members,
    }
    return json.dumps(event, ensure_ascii=False, separators=rng.choice(((",", ":"), (", ", ": "))))


def _app(rng: random.Random, message: str) -> str:
    time, level, logger = _clock(rng), rng.choice(_LEVELS), rng.choice(_LOGGERS)
    form = rng.randrange(4)
    if form == 0:
        return f"2026-11-24 {time},{rng.randrange(1000):03} {level:<8} [{logger}] {message}"
    if form == 1:
        return f"{level}:{logger}:{message}"
    if form == 2:
        return f"[24/Nov/2026 {time}] {level} {logger} pid={rng.randrange(99_999)} {message}"
    return f'time=2026-11-24T{time}Z level={level.lower()} logger={logger} msg="{message}"'


# --- lines without secrets ------------------------------------------------------------


def _clean_access(rng: random.Random) -> str:
    query = rng.choice(
        ("", "", "?page=3&sort=price", f"?q={rng.choice(_WORDS)}&lang=en", f"?utm_source=mail&id={_uuid(rng)}")
    )
    referrer = rng.choice(("-", f"https://shop.example.com{_path(rng)}"))
    return _access(rng, _path(rng) + query, referrer)


def _clean_json(rng: random.Random) -> str:
    return _event(
        rng,
        _sentence(rng),
        user_id=rng.randrange(100_000),
        path=_path(rng),
        status=rng.choice((200, 201, 404, 500)),
        duration_ms=round(rng.random() * 300, 2),
        tags=rng.sample(_WORDS, 2),
    )


def _clean_app(rng: random.Random) -> str:
    return _app(
        rng,
        rng.choice(
            (
                f"{_sentence(rng)} id={rng.randrange(10**6)} took={rng.random():.3f}s",
                f"{rng.choice(('GET', 'POST'))} {_path(rng)} {rng.choice((200, 404, 503))} in {rng.randrange(900)} ms for user {rng.randrange(10**5)}",
                f"SELECT id, name FROM products WHERE category = '{rng.choice(_WORDS)}' LIMIT {rng.randrange(100)}",
                f"{_sentence(rng)}: {{'user': {rng.randrange(10**5)}, 'items': {rng.randrange(9)}, 'ok': True}}",
            )
        ),
    )


_NEAR_MISSES: Final[tuple[_Make, ...]] = (
    lambda r: f"traceparent: 00-{_run(r, _HEX, 32)}-{_run(r, _HEX, 16)}-01",
    lambda r: f"request_id={_uuid(r)} correlation_id={_uuid(r)}",
    lambda _: "token_type=Bearer expires_in=3600 scope=openid+profile",
    lambda r: f"session_timeout={r.randrange(9999)} session_count={r.randrange(99)} max_sessions=100",
    lambda r: f"csrf_enabled=true token_count={r.randrange(9999)} cookie_secure=True",
    lambda r: f'ETag: "{_run(r, _HEX, 32)}" If-None-Match: W/"{_run(r, _HEX, 16)}"',
    lambda r: f"image sha256:{_run(r, _HEX, 64)} pulled in {r.random():.2f}s",
    lambda r: f"commit {_run(r, _HEX, 40)} by bot, tree {_run(r, _HEX, 40)}",
    lambda r: f"client_id={_run(r, _HEX, 24)} code_challenge={_run(r, _URLSAFE, 43)} code_challenge_method=S256",
    lambda r: f"GET /static/session-{_run(r, _HEX, 8)}.js status_code={r.choice((200, 404))} country_code=SE",
    lambda r: f"file upload-{_uuid(r)}.png md5={_run(r, _HEX, 32)} stored",
    lambda _: "session expired, token refreshed, cookie banner shown, code review finished",
    lambda r: f"Cookie: _ga=GA1.2.{r.randrange(10**9)}.{r.randrange(10**9)}; theme=dark; lang=en",
    lambda r: f"Set-Cookie: theme=dark; Path=/; Max-Age={r.randrange(10**6)}; SameSite=Lax",
    lambda r: f"pagination next_page_token_present=False page_size={r.randrange(100)} tokens_used={r.randrange(9000)}",
    lambda r: f'{{"session_duration_s":{r.randrange(9000)},"token_type":"access","auth_method":"password"}}',
    lambda r: f"order 2026-{r.randrange(10**6):06} ulid=01J{_run(r, '0123456789ABCDEFGHJKMNPQRSTVWXYZ', 23)}",
    lambda r: f"data:image/png;base64,{_run(r, _MIXED, 60)}",
    lambda _: "Authorization: [REDACTED:bearer-token] sessionid=[REDACTED:session-id]",
    lambda _: "password=******** token=<none> session=null sid=undefined",
)


def _clean_adversarial(rng: random.Random) -> str:
    misses = rng.sample(_NEAR_MISSES, rng.randrange(1, 3))
    return _app(rng, " ".join(miss(rng) for miss in misses))


# --- lines with secrets ---------------------------------------------------------------


def _cookies(rng: random.Random) -> str:
    pairs = [
        f"_ga=GA1.2.{rng.randrange(10**9)}.1742937696",
        "theme=dark",
        rng.choice((f"sessionid={_session(rng)}", f"connect.sid={_express(rng)}", f"session={_flask(rng)}")),
        f"csrftoken={_csrf(rng)}",
    ]
    rng.shuffle(pairs)
    return "; ".join(pairs[: rng.randrange(3, 5)])


def _secret_access(rng: random.Random) -> str:
    form = rng.randrange(4)
    if form == 0:
        return _access(rng, f"/oauth/callback?code={_code(rng)}&state={_state(rng)}")
    if form == 1:
        return _access(rng, f"/api/me?access_token={_jwt(rng)}&lang=en")
    if form == 2:
        token = _secret("link", f"{_run(rng, _LOWER, 6)}-{_run(rng, _HEX, 32)}")
        return _access(rng, _path(rng), f"https://shop.example.com/reset?token={token}&uid={rng.randrange(9999)}")
    return _access(rng, _path(rng), tail=f' "{_cookies(rng)}"')


def _secret_json(rng: random.Random) -> str:
    form = rng.randrange(4)
    if form == 0:
        return _event(rng, "request", headers={"Authorization": f"Bearer {_jwt(rng)}", "Accept": "*/*"})
    if form == 1:
        return _event(rng, "login ok", user_id=rng.randrange(10**5), session_id=_session(rng))
    if form == 2:
        return _event(rng, "token response", access_token=_jwt(rng), refresh_token=_opaque(rng), token_type="Bearer")
    return _event(rng, "request", headers={"Cookie": _cookies(rng), "Host": "shop.example.com"})


def _secret_app(rng: random.Random) -> str:
    form = rng.randrange(5)
    if form == 0:
        return _app(rng, f"outgoing GET {_path(rng)} Authorization: Bearer {_opaque(rng)}")
    if form == 1:
        return _app(
            rng, f"request.COOKIES={{'theme': 'dark', 'sessionid': '{_session(rng)}', 'csrftoken': '{_csrf(rng)}'}}"
        )
    if form == 2:
        return _app(rng, f"login user={rng.randrange(10**5)} session_key={_session(rng)} ip={_address(rng)}")
    if form == 3:
        return _app(rng, f"rejected token {_jwt(rng)} of user {rng.randrange(10**5)}: expired")
    return _app(rng, f"Set-Cookie: sessionid={_session(rng)}; HttpOnly; Path=/; SameSite=Lax")


def _secret_adversarial(rng: random.Random) -> str:
    return f"{rng.choice(_NEAR_MISSES)(rng)} {_secret_app(rng)}"


_CLEAN: Final[dict[str, _Make]] = {
    "access": _clean_access,
    "json": _clean_json,
    "app": _clean_app,
    "adversarial": _clean_adversarial,
}
_SECRET: Final[dict[str, _Make]] = {
    "access": _secret_access,
    "json": _secret_json,
    "app": _secret_app,
    "adversarial": _secret_adversarial,
}
_SHARES: Final = ("access",) * 4 + ("json",) * 3 + ("app",) * 2 + ("adversarial",)

KINDS: Final = (*_CLEAN, "mixed")
"""What the lines look like; ``mixed`` is 40 % access, 30 % json, 20 % app, 10 % adversarial."""


# --- corpora --------------------------------------------------------------------------


def _read(marked: str) -> _Line:
    """Take the marks out of a line and note where they were."""
    pieces: list[bytes] = []
    secrets: list[tuple[int, int, str]] = []
    position, rest = 0, marked
    while _OPEN in rest:
        text, _, rest = rest.partition(_OPEN)
        kind, _, rest = rest.partition(_CLOSE)
        secret, _, rest = rest.partition(_OPEN + _CLOSE)
        pieces += [text.encode(), secret.encode()]
        start = position + len(pieces[-2])
        position = start + len(pieces[-1])
        secrets.append((start, position, kind))
    return _Line(b"".join([*pieces, rest.encode(), b"\n"]), tuple(secrets))


def _lines(rng: random.Random, kind: str, makers: dict[str, _Make], size: int) -> list[_Line]:
    """Make at least one line, and then as many as ``size`` bytes hold."""
    lines: list[_Line] = []
    while size > 0:
        make = makers[rng.choice(_SHARES) if kind == "mixed" else kind]
        # JSON writes the marks as escapes.
        line = _read(make(rng).replace("\\u0001", _OPEN).replace("\\u0002", _CLOSE))
        lines.append(line)
        size -= len(line.data)
    return lines


def chunks(kind: str, rate: float, size: int, seed: int = 0) -> Iterator[Corpus]:
    """Yield a corpus of about ``size`` bytes in pieces of about 4 MB, with labels of the whole.

    ``rate`` is the share of lines with a secret. Lines end in a line feed and are whole.
    """
    rng = random.Random(f"{kind} {seed}")
    pool = min(size, _POOL)
    clean = _lines(rng, kind, _CLEAN, pool)
    secret = _lines(rng, kind, _SECRET, min(pool, max(20_000, int(pool * rate * 2)))) if rate else []
    done, line_number, owed = 0, 0, 0.0
    while done < size:
        lines, owed = _deal(rng, clean, secret, rate, owed)
        piece, labels = _join(lines, line_number, size - done)
        done += len(piece)
        line_number += piece.count(b"\n")
        yield Corpus(piece, labels)


def _deal(
    rng: random.Random, clean: list[_Line], secret: list[_Line], rate: float, owed: float
) -> tuple[Sequence[_Line], float]:
    """Shuffle the clean lines and put secret ones in place of some; ``owed`` carries fractions over."""
    rng.shuffle(clean)
    lines = list(clean)
    owed += rate * len(lines)
    for number, place in enumerate(rng.sample(range(len(lines)), int(owed))):
        if number % len(secret) == 0:
            rng.shuffle(secret)
        lines[place] = secret[number % len(secret)]
    return lines, owed - int(owed)


def _join(lines: Sequence[_Line], line_number: int, room: int) -> tuple[bytes, list[Label]]:
    pieces: list[bytes] = []
    labels: list[Label] = []
    for number, line in enumerate(lines, line_number + 1):
        pieces.append(line.data)
        if line.secrets:
            labels.extend(Label(number, *secret) for secret in line.secrets)
        room -= len(line.data)
        if room <= 0:
            break
    return b"".join(pieces), labels


def corpus(kind: str, rate: float, size: int, seed: int = 0) -> Corpus:
    """Return a corpus of about ``size`` bytes in memory."""
    pieces = list(chunks(kind, rate, size, seed))
    return Corpus(b"".join(piece.data for piece in pieces), [label for piece in pieces for label in piece.labels])


def write(file: IO[bytes], labels: IO[str] | None, kind: str, rate: float, size: int, seed: int = 0) -> None:
    """Write a corpus to ``file`` and its labels, one JSON object a line, to ``labels``."""
    for piece in chunks(kind, rate, size, seed):
        file.write(piece.data)
        if labels is not None:
            labels.writelines(json.dumps(label._asdict()) + "\n" for label in piece.labels)


def record(name: str, seed: int = 0) -> str:
    """Return one log record: ``clean-120``, ``clean-1k``, ``clean-10k``, ``jwt`` or ``cookie``."""
    rng = random.Random(f"record {name} {seed}")
    if name == "jwt":
        return _plain(f"2026-11-24 12:00:00,120 WARNING [shop.auth] rejected token {_jwt(rng)} of user 812: expired")
    if name == "cookie":
        return _plain(
            f"2026-11-24 12:00:00,120 INFO [shop.http] GET /cart Cookie: theme=dark; sessionid={_session(rng)}; lang=en"
        )
    size = {"clean-120": 120, "clean-1k": 1024, "clean-10k": 10240}[name]
    text = "2026-11-24 12:00:00,120 INFO [shop.views] "
    while len(text) < size:
        text += f"{rng.choice(_WORDS)} {rng.choice(_WORDS)}={rng.randrange(10**4)} "
    return text[:size]


def _plain(marked: str) -> str:
    return _read(marked).data.decode().rstrip("\n")


def digest(found: Corpus) -> str:
    """Return a digest of bytes and labels, to tell whether two machines measured the same."""
    return hashlib.blake2b(found.data + repr(found.labels).encode(), digest_size=8).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one corpus."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpora", description="Write a labelled log corpus.")
    parser.add_argument("--kind", choices=KINDS, default="mixed")
    parser.add_argument("--rate", type=float, default=0.01, help="share of lines with a secret")
    parser.add_argument("--size-mb", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="write the labels as JSON Lines")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        file = stack.enter_context(open(options.output, "wb")) if options.output else sys.stdout.buffer
        labels = stack.enter_context(open(options.labels, "w", encoding="ascii")) if options.labels else None
        write(file, labels, options.kind, options.rate, int(options.size_mb * 1_000_000), options.seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
