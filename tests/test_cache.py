"""The on-disk cache: private, checked, and never needed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Redactor, cache

TEXT = "sid=kL9xQ2mZ8vBk3J7wT1aN4c"
DONE = "sid=[REDACTED:session]"

RULES = """
category = "session"
[[rule]]
id = "session"
title = "A small rule, so that compiling it is quick"
names = ["sid"]
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A rule file that every engine compiles quickly."""
    path = tmp_path_factory.mktemp("rules") / "small.toml"
    path.write_text(RULES, encoding="utf-8")
    return [path]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _is_root() -> bool:
    return hasattr(os, "getuid") and os.getuid() == 0


def test_what_was_stored_is_loaded(own_cache: Path) -> None:
    """Stored bytes come back under their name and under no other."""
    cache.store("one", b"payload")
    assert cache.load("one") == b"payload"
    assert cache.load("two") is None
    cache.store("one", b"")
    assert cache.load("one") == b""


def test_the_directory_is_private(own_cache: Path, rules: list[Path]) -> None:
    """The directory is made with mode 0700, and nothing but whole files is left in it."""
    Redactor.from_files(rules)
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700
    assert _files(own_cache)
    assert not [path for path in own_cache.iterdir() if path.name.startswith(".new-")]
    assert all(not path.stat().st_mode & 0o077 for path in _files(own_cache))


def test_the_second_redactor_writes_nothing(own_cache: Path, engine: str, rules: list[Path]) -> None:
    """What is in the cache is used: making the same redactor again leaves every file as it is."""
    first = Redactor.from_files(rules, engine=engine)
    before = {path: path.stat().st_mtime_ns for path in _files(own_cache)}
    second = Redactor.from_files(rules, engine=engine)
    assert {path: path.stat().st_mtime_ns for path in _files(own_cache)} == before
    assert first.text(TEXT) == second.text(TEXT) == DONE


_DAMAGE = {
    "empty": lambda content: b"",
    "short": lambda content: content[:7],
    "truncated": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "digest-flipped": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "longer": lambda content: content + b"x",
    "foreign": lambda content: os.urandom(len(content)),
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_a_damaged_file_is_rebuilt(own_cache: Path, engine: str, damage: str, rules: list[Path]) -> None:
    """A damaged cache is never trusted: the answer is right and the file is written anew."""
    Redactor.from_files(rules, engine=engine)
    good = {path: path.read_bytes() for path in _files(own_cache)}
    for path, content in good.items():
        path.write_bytes(_DAMAGE[damage](content))
    assert Redactor.from_files(rules, engine=engine).text(TEXT) == DONE
    assert all(
        path.read_bytes()[:16] != _DAMAGE[damage](content)[:16] or path.read_bytes() == content
        for path, content in good.items()
    )
    assert Redactor.from_files(rules, engine=engine).text(TEXT) == DONE


def test_a_file_under_another_name_is_ignored(own_cache: Path) -> None:
    """A file's digest covers its name, so that one file cannot stand in for another."""
    cache.store("one", b"payload")
    (own_cache / "two").write_bytes((own_cache / "one").read_bytes())
    assert cache.load("two") is None


def test_a_long_name_is_covered_whole(own_cache: Path) -> None:
    """Two names that differ only at their end do not stand in for each other."""
    one, two = "n" * 80 + "1", "n" * 80 + "2"
    cache.store(one, b"payload")
    (own_cache / two).write_bytes((own_cache / one).read_bytes())
    assert cache.load(two) is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_others_can_write_is_ignored(own_cache: Path, mode: int) -> None:
    """A cache file that group or others may write is not read."""
    cache.store("one", b"payload")
    (own_cache / "one").chmod(mode)
    assert cache.load("one") is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_directory_others_can_write_is_not_used(own_cache: Path, mode: int) -> None:
    """In a directory that group or others may write, nothing is stored."""
    cache.store("one", b"payload")
    own_cache.chmod(mode)
    cache.store("two", b"payload")
    assert [path.name for path in own_cache.iterdir()] == ["one"]


@pytest.mark.skipif(not _is_root(), reason="needs to give files away")
def test_a_file_of_another_user_is_ignored(own_cache: Path) -> None:
    """A cache file that another user owns is not read, and a foreign directory is not written."""
    cache.store("one", b"payload")
    os.chown(own_cache / "one", 12345, 12345)
    assert cache.load("one") is None
    os.chown(own_cache, 12345, 12345)
    cache.store("two", b"payload")
    assert not (own_cache / "two").exists()


def test_a_symbolic_link_to_a_foreign_directory_is_not_followed_blindly(own_cache: Path, tmp_path: Path) -> None:
    """A link to a directory that others may write is used no more than the directory itself."""
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    own_cache.symlink_to(open_folder)
    cache.store("one", b"payload")
    assert list(open_folder.iterdir()) == []


def test_an_unusable_directory_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, rules: list[Path]
) -> None:
    """A directory that cannot be made or written costs time and nothing else."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"x")
    for folder in (blocked, blocked / "below", "/dev/null/x", "/proc/redactor", "n" * 300):
        monkeypatch.setenv("REDACTOR_CACHE_DIR", str(folder))
        cache.store("one", b"payload")
        assert cache.load("one") is None
    assert Redactor.from_files(rules, engine=engine).text(TEXT) == DONE
    assert blocked.read_bytes() == b"x"


@pytest.mark.skipif(_is_root(), reason="the superuser may write anywhere")
def test_a_read_only_directory_is_harmless(own_cache: Path, engine: str, rules: list[Path]) -> None:
    """A directory without write permission is left alone."""
    own_cache.mkdir(mode=0o500)
    assert Redactor.from_files(rules, engine=engine).text(TEXT) == DONE
    assert list(own_cache.iterdir()) == []


def test_an_empty_name_disables_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, rules: list[Path]
) -> None:
    """With REDACTOR_CACHE_DIR set to nothing, no directory is used and none is made."""
    monkeypatch.setenv("REDACTOR_CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert cache.directory() is None
    assert Redactor.from_files(rules, engine=engine).text(TEXT) == DONE
    assert list(tmp_path.iterdir()) == []


def test_where_the_directory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is REDACTOR_CACHE_DIR, else redactor below XDG_CACHE_HOME, else below ~/.cache."""
    monkeypatch.setenv("REDACTOR_CACHE_DIR", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.directory() == tmp_path / "named"
    monkeypatch.delenv("REDACTOR_CACHE_DIR")
    assert cache.directory() == tmp_path / "xdg" / "redactor"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.directory() == tmp_path / "home" / ".cache" / "redactor"


@given(payload=st.binary(max_size=200))
def test_any_payload_round_trips(payload: bytes) -> None:
    """Any bytes are loaded as they were stored."""
    cache.store("any", payload)
    assert cache.load("any") == payload
