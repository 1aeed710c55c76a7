from __future__ import annotations

import re

from redactor.cli import main
from redactor.replace import HmacKey


def test_new_key(capfdbinary, tmp_path):
    """A new key is 32 random bytes with an id, for its owner only, and no file is overwritten."""
    path = tmp_path / "new.key"
    assert main(["key", "new", str(path)]) == 0
    printed = capfdbinary.readouterr().out
    key = HmacKey.from_file(path)
    assert printed == f"{key.id}\n".encode()
    assert re.fullmatch(rb"[0-9a-f]{64}", key.secret)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert main(["key", "show-id", str(path)]) == 0
    assert capfdbinary.readouterr().out == printed
    assert main(["key", "new", str(path)]) == 3
    assert capfdbinary.readouterr().err == f"redactor: {path}: File exists, expected a name for a new file\n".encode()
    assert path.read_bytes() == before
