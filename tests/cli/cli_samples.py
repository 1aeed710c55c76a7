"""A line with a secret, the same line without it, and where the secret is."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent.parent / "data"

SECRET = "ml9mj78tt4pnjjl7w8ml86kl0uxovj1x"
LINE = f"user=alice sessionid={SECRET} ok\n".encode()
CLEAN = b"user=alice sessionid=[REDACTED:session] ok\n"
COLUMN = LINE.index(SECRET.encode()) + 1
