"""Rules of other tools, rewritten as rules of ours.

Read are gitleaks v8 and betterleaks TOML (``[[rules]]`` with ``regex``) and the YAML of
Nosey Parker and Kingfisher (``rules:`` with ``pattern``). A scanner for source code says
whether a line holds a secret; a redactor has to know where the secret ends. So a regular
expression becomes a literal beginning (or the bounded text in front of the secret) and a
class of characters that is followed to the token's real end. What cannot be expressed so
is reported with its reason, never weakened silently: an imported rule finds what the
original finds, or more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

from redactor.errors import RuleError

__all__ = ["Imported", "Refused", "import_rules", "write_rules"]

# The parser of ``re`` knows the language; what it returns is turned round again below.
_parser: Final[Any] = re._parser  # type: ignore[attr-defined]

_MOST_PREFIXES: Final = 32
_MOST_CHOICES: Final = 4
_LONGEST_CONTEXT: Final = 64
_SHORTEST_LITERAL: Final = 3
_PRINTABLE: Final = frozenset(range(33, 127))
_DELIMITERS: Final = frozenset(b"\"'`<>\\ \t\r\n;,(){}")


class Imported(NamedTuple):
    """One rule that could be rewritten: its id, title, category and shapes as plain values."""

    id: str
    title: str
    source: str
    shapes: tuple[dict[str, Any], ...]


class Refused(NamedTuple):
    """One rule that could not, and why."""

    id: str
    reason: str


class _CannotError(Exception):
    """Why a regular expression cannot be rewritten."""


def import_rules(path: Path) -> tuple[list[Imported], list[Refused]]:
    """Read the rules of ``path`` (``.toml``, ``.yml`` or ``.yaml``) and rewrite what can be.

    Raises ``RuleError`` if the file is none of the known formats, or if YAML is to be
    read and PyYAML is not installed.
    """
    imported: list[Imported] = []
    refused: list[Refused] = []
    for rule_id, title, pattern, group in _read(path):
        name = _identifier(rule_id)
        try:
            shapes = tuple(_shapes(pattern, group))
        except _CannotError as reason:
            refused.append(Refused(rule_id, str(reason)))
        else:
            imported.append(Imported(name, title, path.name, shapes))
    return imported, refused


def write_rules(rules: Iterable[Imported]) -> str:
    """Return imported rules as a rule file of ours, to be read before it is used."""
    parts = ['category = "vendor"\n']
    for rule in rules:
        parts.append(
            f"[[rule]]\nid = {_toml(rule.id)}\ntitle = {_toml(rule.title[:120])}\n"
            f'description = "Imported from {_bare(rule.source)}."\nsources = [{_toml(rule.source)}]\n'
        )
        for shape in rule.shapes:
            fields = "\n".join(f"{name} = {_toml(value)}" for name, value in shape.items())
            parts.append(f"[[rule.shape]]\n{fields}\n")
    return "\n".join(parts)


# --- reading the formats --------------------------------------------------------------


def _read(path: Path) -> Iterator[tuple[str, str, str, int | None]]:
    """Yield id, title, pattern and secret group of each rule."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise RuleError(path, None, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RuleError(path, None, "not UTF-8 text") from None
    document = _toml_document(path, text) if path.suffix == ".toml" else _yaml_document(path, text)
    rules = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(rules, list):
        raise RuleError(path, None, "no 'rules': expected gitleaks TOML, or Nosey Parker or Kingfisher YAML")
    for number, rule in enumerate(rules, 1):
        if not isinstance(rule, dict):
            raise RuleError(path, None, f"rule {number} is not a table")
        rule_id = str(rule.get("id") or f"rule-{number}")
        pattern = rule.get("regex") or rule.get("pattern")
        title = str(rule.get("name") or rule.get("description") or rule_id)
        yield rule_id, title, str(pattern or ""), rule.get("secretGroup")


def _toml_document(path: Path, text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(path, None, f"not TOML: {error}") from None


def _yaml_document(path: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise RuleError(path, None, "YAML rules need PyYAML: pip install 'redactor-kit[yaml]'") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise RuleError(path, mark.line + 1 if mark else None, "not YAML") from None


def _identifier(rule_id: str) -> str:
    words = re.findall(r"[a-z0-9]+", rule_id.lower())
    name = "-".join(words)[:60].strip("-") or "rule"
    return name if name[0].isalpha() else f"rule-{name}"


# --- rewriting a regular expression ---------------------------------------------------


def _shapes(pattern: str, group: int | None) -> Iterator[dict[str, Any]]:
    if not pattern:
        raise _CannotError("it has no pattern, only a path or keywords")
    parsed, folded = _parse(pattern)
    found = False
    for sequence in _alternatives(list(parsed)):
        before, secret = _split(sequence, group)
        for fixed, rest in _secrets(secret, folded):
            found = True
            yield _shape(before, fixed, rest, folded)
    if not found:
        raise _CannotError("it has no secret part")


def _parse(pattern: str) -> tuple[Any, bool]:
    """Return the parsed expression, and whether it ignores case as a whole."""
    # RE2 and Rust write \z and [[:alnum:]], and allow (?i) anywhere: as a scoped group here.
    pattern = pattern.replace(r"\z", r"\Z")
    for name, members in (
        ("alnum", "A-Za-z0-9"),
        ("alpha", "A-Za-z"),
        ("digit", "0-9"),
        ("word", r"\w"),
        ("xdigit", "0-9A-Fa-f"),
    ):
        pattern = pattern.replace(f"[:{name}:]", members)
    pattern = re.sub(r"\(\?#[^)]*\)", "", pattern)
    leading = re.match(r"\s*((?:\(\?[a-z]+\)\s*)*)", pattern)
    flags = "".join(re.findall(r"\(\?([a-z]+)\)", leading.group(1))) if leading else ""
    pattern = pattern[leading.end() if leading else 0 :]
    if "x" in flags:
        pattern = re.sub(r"(?<!\\)\s+", "", pattern)
    inner = pattern.find("(?i)")
    while inner >= 0:
        end = _enclosing_end(pattern, inner)
        pattern = f"{pattern[:inner]}(?i:{pattern[inner + 4 : end]}){pattern[end:]}"
        inner = pattern.find("(?i)")
    try:
        return _parser.parse(pattern), "i" in flags
    except (re.error, OverflowError, RecursionError) as error:
        raise _CannotError(f"its regular expression is not one of Python's: {error}") from None


def _enclosing_end(pattern: str, start: int) -> int:
    """Return where the group around ``start`` closes, or the end of ``pattern``."""
    depth = 0
    position = start + 4
    in_class = False
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            position += 1
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character == "(":
            depth += 1
        elif character == ")":
            if depth == 0:
                return position
            depth -= 1
        position += 1
    return len(pattern)


def _alternatives(sequence: list[Any]) -> Iterator[list[Any]]:
    """Yield the alternatives of an expression that is one choice, or the expression itself."""
    if len(sequence) == 1 and str(sequence[0][0]) == "BRANCH":
        for branch in sequence[0][1][1]:
            yield list(branch)
    else:
        yield sequence


def _split(sequence: list[Any], group: int | None) -> tuple[list[Any], list[Any]]:
    """Return what precedes the secret, and the secret: the group meant, or the whole."""
    for position, (operator, argument) in enumerate(sequence):
        if str(operator) != "SUBPATTERN":
            continue
        number, _, _, inner = argument
        if number is not None and (not group or number == group):
            return sequence[:position], _flagged(argument, list(inner))
        if number is None or (group and number < group):
            nested = _flagged(argument, list(inner))
            if _has_group(nested):
                before, secret = _split(nested, group)
                return sequence[:position] + before, secret
    if group:
        raise _CannotError(f"its secret group {group} is inside a choice or a repetition")
    return [], sequence


def _has_group(sequence: list[Any]) -> bool:
    return any(str(operator) == "SUBPATTERN" and argument[0] is not None for operator, argument in sequence)


def _flagged(argument: Any, inner: list[Any]) -> list[Any]:
    """Keep a group's own flags with its content."""
    _, add, remove, _ = argument
    return [(_parser.SUBPATTERN, (None, add, remove, inner))] if add or remove else inner


class _Piece(NamedTuple):
    """A set of bytes, repeated between two numbers of times."""

    members: frozenset[int]
    low: int
    high: int


def _secrets(secret: list[Any], folded: bool) -> Iterator[tuple[list[_Piece], list[_Piece]]]:
    """Yield each choice of the secret as its literal beginning and the pieces after it."""
    for pieces in _expand(secret, folded):
        fixed: list[_Piece] = []
        for piece in pieces:
            if _choices(piece) > _MOST_CHOICES or piece.low != piece.high:
                break
            fixed.append(piece)
        yield fixed, pieces[len(fixed) :]


def _choices(piece: _Piece) -> int:
    """Return how many letters a piece can be, upper and lower case being one."""
    return len({chr(member).lower() for member in piece.members})


def _expand(sequence: Iterable[Any], folded: bool) -> list[list[_Piece]]:
    """Return the choices of an expression as sequences of pieces."""
    choices: list[list[_Piece]] = [[]]
    for operator, argument in sequence:
        name = str(operator)
        if name in ("AT", "ASSERT", "ASSERT_NOT"):
            continue
        if name == "BRANCH":
            options = [option for branch in argument[1] for option in _expand(branch, folded)]
        elif name == "SUBPATTERN":
            inner = folded or bool(argument[1] & re.IGNORECASE)
            inner = inner and not argument[2] & re.IGNORECASE
            options = _expand(argument[3], inner)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            options = [_repeated(argument, folded)]
        else:
            options = [[_Piece(_members(operator, argument, folded), 1, 1)]]
        choices = [before + option for before, option in product(choices, options)]
        if len(choices) > _MOST_PREFIXES:
            raise _CannotError(f"its secret has more than {_MOST_PREFIXES} forms")
    return choices


def _repeated(argument: Any, folded: bool) -> list[_Piece]:
    low, high, inner = argument
    high = 1 << 20 if high is _parser.MAXREPEAT else int(high)
    options = _expand(inner, folded)
    if len(options) == 1 and len(options[0]) == 1:
        piece = options[0][0]
        return [_Piece(piece.members, piece.low * low, min(1 << 20, piece.high * high))]
    members = frozenset().union(*(piece.members for option in options for piece in option))
    shortest = min((sum(piece.low for piece in option) for option in options), default=0)
    longest = max((sum(piece.high for piece in option) for option in options), default=0)
    return [_Piece(members, shortest * low, min(1 << 20, longest * high))]


def _members(operator: Any, argument: Any, folded: bool) -> frozenset[int]:
    name = str(operator)
    if name == "LITERAL":
        members = {argument}
    elif name == "IN":
        members = set()
        negated = False
        for kind, value in argument:
            if str(kind) == "NEGATE":
                negated = True
            elif str(kind) == "RANGE":
                members.update(range(value[0], min(value[1], 255) + 1))
            elif str(kind) == "CATEGORY":
                members.update(_category(str(value)))
            else:
                members.add(value)
        if negated:
            members = set(_PRINTABLE | {32, 9}) - members
    elif name == "ANY":
        members = set(_PRINTABLE | {32})
    elif name == "NOT_LITERAL":
        members = set(_PRINTABLE | {32}) - {argument}
    else:
        raise _CannotError(f"its secret uses {name.lower().replace('_', ' ')}")
    if folded:
        members |= {ord(chr(member).swapcase()) for member in members if member < 128}
    return frozenset(member for member in members if member < 128)


def _category(name: str) -> set[int]:
    word = {byte for byte in range(128) if chr(byte).isalnum()} | {95}
    sets = {"DIGIT": set(range(48, 58)), "WORD": word, "SPACE": {32, 9, 10, 13}}
    for kind, members in sets.items():
        if name == f"CATEGORY_NOT_{kind}":
            return set(range(32, 127)) - members
        if name == f"CATEGORY_{kind}":
            return members
    raise _CannotError(f"its secret uses {name.lower()}")


def _shape(before: list[Any], fixed: list[_Piece], rest: list[_Piece], folded: bool) -> dict[str, Any]:
    literal = sum(piece.low for piece in fixed if _choices(piece) == 1)
    if not rest:
        raise _CannotError("its secret is a fixed text")
    context = _context(before, folded)
    if literal < _SHORTEST_LITERAL and not context:
        raise _CannotError("nothing tells its secret: no literal beginning and nothing in front of it")
    members = frozenset().union(*(piece.members for piece in rest))
    wide = members & _DELIMITERS
    if wide:
        raise _CannotError("its secret may hold quotes or white space, so its end is not known")
    low = sum(piece.low for piece in rest)
    if low < 4:
        raise _CannotError("its secret may be shorter than four characters after its beginning")
    prefix = "".join(_class(piece.members) * piece.low for piece in fixed)
    shape: dict[str, Any] = {"after": context} if literal < _SHORTEST_LITERAL else {}
    return shape | {
        "prefixes": [prefix],
        "body": _body(members),
        "min_length": min(low, 4096),
        "validator": "not-harmless" if shape else "not-masked",
    }


def _context(before: Sequence[Any], folded: bool) -> str:
    """Return the text in front of the secret as a bounded pattern with a literal in it."""
    written = [_write(operator, argument, folded) for operator, argument in before]
    # What may be absent at the very beginning tells nothing.
    while written and _may_be_empty(written[0]):
        written.pop(0)
    text = "".join(written)
    return text if re.search(r"[A-Za-z]{3}|(?:\[[A-Za-z]{2}\]){3}", text) else ""


def _may_be_empty(pattern: str) -> bool:
    return not pattern or re.fullmatch(pattern, "") is not None


def _write(operator: Any, argument: Any, folded: bool) -> str:
    name = str(operator)
    if name in ("AT", "ASSERT", "ASSERT_NOT"):
        return ""
    if name == "BRANCH":
        return f"(?:{'|'.join(_write_all(branch, folded) for branch in argument[1])})"
    if name == "SUBPATTERN":
        inner = (folded or bool(argument[1] & re.IGNORECASE)) and not argument[2] & re.IGNORECASE
        return f"(?:{_write_all(argument[3], inner)})"
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, inner_pattern = argument
        high = _LONGEST_CONTEXT if high is _parser.MAXREPEAT else min(int(high), _LONGEST_CONTEXT)
        return f"(?:{_write_all(inner_pattern, folded)}){{{low},{max(low, high)}}}"
    return _class(_members(operator, argument, folded))


def _write_all(sequence: Iterable[Any], folded: bool) -> str:
    return "".join(_write(operator, argument, folded) for operator, argument in sequence)


def _class(members: frozenset[int]) -> str:
    """Return the shortest pattern for one byte of ``members``."""
    if len(members) == 1:
        (member,) = members
        return chr(member) if chr(member).isalnum() or member in b"_-" else f"\\x{member:02x}"
    return _body(members)


def _body(members: frozenset[int]) -> str:
    ordered = sorted(members)
    spans: list[list[int]] = []
    for member in ordered:
        if spans and member == spans[-1][1] + 1:
            spans[-1][1] = member
        else:
            spans.append([member, member])
    written = [_in_class(low) if low == high else f"{_in_class(low)}-{_in_class(high)}" for low, high in spans]
    return f"[{''.join(written)}]"


def _in_class(member: int) -> str:
    return chr(member) if chr(member).isalnum() or member == 95 else f"\\x{member:02x}"


# --- writing --------------------------------------------------------------------------


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}'" if "'" not in value and value.isprintable() else f'"{_bare(value)}"'
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return str(value)


def _bare(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(character if character.isprintable() else " " for character in escaped)
