"""The configuration file: ``redactor.toml``, or ``[tool.redactor]`` in ``pyproject.toml``.

The nearest one counts, looked for in the current directory and then upwards; beside each
other, ``redactor.toml`` goes first. Paths in it start at its own directory. Reading is
strict: what is not understood is an error, because a misspelt key would let secrets through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redactor.errors import PolicyError, shown

__all__ = ["Config", "find_config", "read_config"]


@dataclass(frozen=True)
class Config:
    """What a configuration file says; everything is optional."""

    redaction: str | None = None
    redact: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Path, ...] = ()
    disable: tuple[str, ...] = ()
    allow_file: Path | None = None


def find_config(directory: Path) -> Config:
    """Read the configuration that counts in ``directory``; an empty one if there is none.

    Raises ``PolicyError``, with the file's name, for a file that cannot be used.
    """
    for folder in (directory, *directory.parents):
        for name in ("redactor.toml", "pyproject.toml"):
            config = _read(folder / name)
            if config is not None:
                return config
    return Config()


def read_config(path: Path) -> Config:
    """Read the configuration file at ``path``, which must be there and speak of redactor."""
    config = _read(path)
    if config is None:
        raise PolicyError(f"{shown(path)}: no configuration, expected redactor.toml or a [tool.redactor] table")
    return config


def _read(path: Path) -> Config | None:
    """Return what the file says; ``None`` if it is not there or is about other tools only."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _error(path, f"{error.strerror}, expected a readable file; --no-config leaves it out") from None
    is_shared = path.name == "pyproject.toml"
    if is_shared and b"redactor" not in content:
        return None
    table = _parse(path, content)
    if is_shared:
        tools = table.get("tool")
        table = tools.get("redactor") if isinstance(tools, dict) else None
        if table is None:
            return None
    return _checked(path, table)


def _parse(path: Path, content: bytes) -> Any:
    import tomllib  # slow to import, and most directories have no configuration

    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise _error(path, "not UTF-8, expected TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise _error(path, f"not TOML: {error}") from None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_text_table(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


_KEYS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "redaction": (_is_text, "a string"),
    "redact": (_is_text_table, "a table of strings"),
    "rules": (_are_texts, "an array of strings"),
    "disable": (_are_texts, "an array of strings"),
    "allow-file": (_is_text, "a string"),
}


def _checked(path: Path, table: Any) -> Config:
    if not isinstance(table, dict):
        raise _error(path, "'tool.redactor' is not a table, expected [tool.redactor]")
    for key, value in table.items():
        if key not in _KEYS:
            raise _error(path, f"unknown key '{key[:64]}', expected {', '.join(_KEYS)}")
        is_right, expected = _KEYS[key]
        if not is_right(value):
            raise _error(path, f"wrong type of '{key}', expected {expected}")
    allow_file = table.get("allow-file")
    return Config(
        redaction=table.get("redaction"),
        redact=table.get("redact", {}),
        rules=tuple(path.parent / rule for rule in table.get("rules", ())),
        disable=tuple(table.get("disable", ())),
        allow_file=None if allow_file is None else path.parent / allow_file,
    )


def _error(path: Path, problem: str) -> PolicyError:
    return PolicyError(f"{shown(path)}: {problem}")
