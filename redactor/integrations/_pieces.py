"""What the logging hosts share: secrets in the pieces of a message, in exceptions and in frames.

A secret is recognised where it is written out, next to its name. These functions carry what
was recognised there back to the pieces the text was made of: arguments, attributes,
exceptions and the local variables that a traceback shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from types import FrameType, FunctionType, ModuleType, TracebackType
from typing import Any, Final, TypeAlias

from redactor.redactor import Redactor
from redactor.replace import ERROR_PLACEHOLDER

__all__ = [
    "Pairs",
    "Rendered",
    "clean_exception",
    "clean_mapping",
    "hide",
    "secrets_in_frames",
    "swap",
    "swap_value",
    "take_apart",
]

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Secrets and what stands for each, the longest first."""

_MARK: Final = re.compile(r"\[REDACTED[^\[\]\r\n]{0,500}\]|\*{8}")
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")
_RUN: Final = re.compile(r"[^\s'\"│┃]{6,}")
_UNREADABLE: Final = "<exception str() failed>"
"""What Python's tracebacks show for an exception whose text cannot be had."""
_RUN_LENGTH: Final = 6
_LONG_RUN: Final = 12
_DEEPEST: Final = 8
_MOST_EXCEPTIONS: Final = 1000
_MOST_FRAMES: Final = 200
_MOST_LOCALS: Final = 4000
_LONGEST_LOCAL: Final = 65536
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_HOLDERS: Final = (str, bytes, bytearray, Mapping, list, tuple, set, frozenset)
_PAIR_VALUES: Final = frozenset({"value", "Value", "content", "stringValue", "string_value"})
_SHORTEST_BESIDE: Final = 8
"""A shorter value beside a secret's name is not looked for in the rest of the record."""


class Rendered:
    """Stands for an object whose ``str`` or ``repr`` shows a secret: the same texts without it."""

    __slots__ = ("_repr", "_str")

    def __init__(self, as_str: str, as_repr: str) -> None:
        self._str = as_str
        self._repr = as_repr

    def __str__(self) -> str:
        return self._str

    def __repr__(self) -> str:
        return self._repr

    def __reduce__(self) -> tuple[type[Rendered], tuple[str, str]]:
        return Rendered, (self._str, self._repr)


def take_apart(redactor: Redactor, text: str) -> tuple[str, Pairs]:
    """Return ``text`` without its secrets, and what stood for each of them."""
    clean = redactor.text(text)
    if clean is text:
        return text, ()
    pairs: dict[str, str] = {}
    position = before = 0
    for _, start, end in redactor.matches(text):
        position += start - before
        mark = _MARK.match(clean, position)
        shown = mark[0] if mark else ""
        pairs[text[start:end]] = shown
        position += len(shown)
        before = end
    return clean, _longest_first(pairs)


def clean_mapping(redactor: Redactor, mapping: Mapping[str, Any]) -> tuple[Mapping[str, Any], Pairs]:
    """Return ``mapping`` without its secrets (the same object if it has none) and what stood for them.

    A value that stands beside its name here is often written a second time elsewhere,
    with no name near it; the pairs are for that.
    """
    if _has_nothing(redactor, mapping):
        return mapping, ()
    clean = redactor.value(mapping)
    if clean is mapping:
        return mapping, ()
    if not isinstance(clean, Mapping):
        return dict.fromkeys(mapping, ERROR_PLACEHOLDER), ()
    pairs: dict[str, str] = {}
    _compare(mapping, clean, pairs, 0)
    return clean, _longest_first(pairs)


def _has_nothing(redactor: Redactor, mapping: Mapping[str, Any]) -> bool:
    """Tell with one scan that flat data under harmless keys is clean; ``False`` may mean anything."""
    if not _harmless_keys(redactor, tuple(mapping)):
        return False
    texts = []
    for value in mapping.values():
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind not in _PLAIN and isinstance(value, _HOLDERS):
            return False
    text = "\n\n".join(texts)
    return redactor.text(text) is text


@lru_cache(maxsize=1024)
def _harmless_keys(redactor: Redactor, keys: tuple[Any, ...]) -> bool:
    """Return whether no key says that its value is secret, is part of a pair or shows a secret itself."""
    rule_of = redactor.scanner.rule_of_key
    return all(type(key) is str and rule_of(key) is None and redactor.text(key) is key for key in keys) and not (
        _PAIR_VALUES.intersection(keys)
    )


def _compare(before: Any, after: Any, pairs: dict[str, str], depth: int) -> None:
    """Collect the values that a copy has whole placeholders for."""
    if before is after or depth > _DEEPEST:
        return
    if isinstance(before, str) and isinstance(after, str):
        value, shown = before.strip("'\""), after.strip("'\"")
        if len(value) >= _SHORTEST_BESIDE and _MARK.fullmatch(shown) and shown != value:
            pairs[value] = shown
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for key, value in before.items():
            _compare(value, after.get(key, value), pairs, depth + 1)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        for value, new in zip(before, after, strict=False):
            _compare(value, new, pairs, depth + 1)


def swap(text: str, pairs: Pairs) -> str:
    """Return ``text`` with every secret of ``pairs`` replaced; the same object if it has none."""
    swapped = text
    for secret, shown in pairs:
        if secret in swapped:
            swapped = swapped.replace(secret, shown)
    return swapped


def swap_value(value: Any, pairs: Pairs, depth: int = 0) -> Any:
    """Return ``value`` with the secrets of ``pairs`` replaced, in what it holds and how it prints.

    The same object if it has none. Containers are copied, other objects become ``Rendered``.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return swap(value, pairs)
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogateescape")
        clean = swap(text, pairs)
        return value if clean is text else clean.encode("utf-8", "surrogateescape")
    if depth < _DEEPEST:
        if type(value) is dict:
            changed = {key: swap_value(item, pairs, depth + 1) for key, item in value.items()}
            return value if all(changed[key] is item for key, item in value.items()) else changed
        if type(value) in (list, tuple):
            items = [swap_value(item, pairs, depth + 1) for item in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else type(value)(items)
    as_str, as_repr = _printed(value, str), _printed(value, repr)
    clean_str, clean_repr = swap(as_str, pairs), swap(as_repr, pairs)
    return value if clean_str is as_str and clean_repr is as_repr else Rendered(clean_str, clean_repr)


def _printed(value: object, function: Callable[[object], str]) -> str:
    try:
        return function(value)
    except Exception:
        return ERROR_PLACEHOLDER


def _longest_first(pairs: Mapping[str, str]) -> Pairs:
    return tuple(sorted(pairs.items(), key=lambda pair: -len(pair[0])))


# --- exceptions ---------------------------------------------------------------------------


def clean_exception(redactor: Redactor, exception: BaseException) -> BaseException:
    """Return ``exception`` without the secrets in its text, notes, causes, contexts and members.

    The same object if it has none; else copies of the whole chain, of the same types where
    a type allows it and of types with the same names where not. Tracebacks are shared.
    Never raises.
    """
    try:
        members, cut = _chain(exception)
        text = "\n".join(_own_text(member) for member in members)
        clean, pairs = take_apart(redactor, text)
        if clean is text and not cut:
            return exception
        return _copy_chain(redactor, members, pairs)[id(exception)]
    except Exception:
        redactor.summary.add_error()
        stand_in = _stand_in(exception, ERROR_PLACEHOLDER, ())
        stand_in.__traceback__ = exception.__traceback__
        return stand_in


def _chain(exception: BaseException) -> tuple[list[BaseException], bool]:
    """Return the exceptions reachable from ``exception`` and whether there are too many to name."""
    members: list[BaseException] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [exception]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        if len(members) >= _MOST_EXCEPTIONS:
            return members, True
        seen.add(id(each))
        members.append(each)
        waiting += (each.__context__, each.__cause__)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
    return members, False


def _own_text(exception: BaseException) -> str:
    """Return what a traceback shows for one exception, without its chain, which ``traceback`` would walk."""
    lines = [f"{type(exception).__qualname__}: {_readable(exception)}", *map(str, _notes(exception))]
    if isinstance(exception, SyntaxError):
        lines.append(str(exception.text))
    return "\n".join(lines)


def _notes(exception: BaseException) -> list[Any]:
    notes = getattr(exception, "__notes__", ())
    return list(notes) if isinstance(notes, list | tuple) else [repr(notes)]


def _copy_chain(redactor: Redactor, members: list[BaseException], pairs: Pairs) -> dict[int, BaseException]:
    copies: dict[int, BaseException] = {}

    def copied(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
        absent = [each for each in group.exceptions if id(each) not in copies]
        for each in absent:
            copies[id(each)] = _stand_in(each, ERROR_PLACEHOLDER, ())
        return [copies[id(each)] for each in group.exceptions]

    # Members of a group are made before the group.
    for each in reversed(members):
        inner = copied(each) if isinstance(each, BaseExceptionGroup) else ()
        copies.setdefault(id(each), _copy(redactor, each, pairs, inner))
    for each in members:
        new = copies[id(each)]
        new.__cause__ = copies.get(id(each.__cause__))
        new.__context__ = copies.get(id(each.__context__))
        new.__suppress_context__ = each.__suppress_context__
        new.__traceback__ = each.__traceback__
    return copies


def _copy(redactor: Redactor, exception: BaseException, pairs: Pairs, inner: Iterable[BaseException]) -> BaseException:
    def clean(value: Any) -> Any:
        return redactor.value(swap_value(value, pairs))

    notes = [clean(note) for note in _notes(exception)]
    try:
        new = _same_type(exception, clean, inner)
        text = _own_text(new)
        changed = redactor.text(text) is not text or swap(text, pairs) is not text or _readable(new) == _UNREADABLE
    except Exception:
        changed = True
    if changed:
        new = _stand_in(exception, clean(_readable(exception)), inner)
    if notes:
        new.__notes__ = notes
    return new


def _readable(exception: BaseException) -> str:
    try:
        return str(exception)
    except Exception:
        return _UNREADABLE


def _same_type(exception: BaseException, clean: Callable[[Any], Any], inner: Iterable[BaseException]) -> BaseException:
    """Make an exception of the same type without running the application's constructors."""
    kind = type(exception)
    built_in = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    args = clean(exception.args)
    if isinstance(exception, BaseExceptionGroup):
        args = (clean(exception.message), list(inner))
    given = args
    if isinstance(exception, OSError) and exception.filename is not None:
        given = (*args[:2], clean(exception.filename), None, clean(exception.filename2))
    new: BaseException = built_in.__new__(kind, *given)
    built_in.__init__(new, *given)  # type: ignore[misc]
    new.args = args
    for name in ("name", "path", "obj"):
        if isinstance(exception, ImportError | NameError | AttributeError) and hasattr(exception, name):
            setattr(new, name, clean(getattr(exception, name)) if name != "obj" else exception.obj)  # type: ignore[union-attr]
    new.__dict__.update({key: clean(value) for key, value in vars(exception).items() if key != "__notes__"})
    return new


def _stand_in(exception: BaseException, text: str, inner: Iterable[BaseException]) -> BaseException:
    """Make an exception of a type that is called the same and prints ``text``."""
    kind = type(exception)
    members = list(inner)
    base: type[BaseException] = Exception if isinstance(exception, Exception) else BaseException
    if members:
        base = ExceptionGroup if isinstance(exception, ExceptionGroup) else BaseExceptionGroup
    namespace = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__str__": lambda _self: text}
    made = type(kind.__name__, (base,), namespace)
    new: BaseException = made(text, members) if members else made(text)
    return new


# --- local variables ----------------------------------------------------------------------


def secrets_in_frames(redactor: Redactor, exception: BaseException, *, outer: bool = False) -> Pairs:
    """Return the secrets in the local variables of the frames that a traceback can show.

    Strings and bytes are judged by the names of their variables, keys and attributes,
    three levels deep; ``outer`` adds the frames that called the first one. At most 200
    frames and 4,000 values are looked at. Never raises.
    """
    look = _Locals(redactor)
    try:
        for frame in _frames(exception, outer):
            for name, value in list(frame.f_locals.items()):
                look.at(name, value, 0)
    except Exception:
        redactor.summary.add_error()
    return _longest_first(look.pairs)


def _frames(exception: BaseException, outer: bool) -> Iterator[FrameType]:
    left = _MOST_FRAMES
    for member in _chain(exception)[0]:
        trace: TracebackType | None = member.__traceback__
        frame = trace.tb_frame.f_back if outer and trace is not None else None
        while frame is not None and left:
            yield frame
            frame, left = frame.f_back, left - 1
        while trace is not None and left:
            yield trace.tb_frame
            trace, left = trace.tb_next, left - 1


class _Locals:
    """Collects secrets from variables, each object once."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._seen: set[int] = set()
        self._left = _MOST_LOCALS
        self.pairs: dict[str, str] = {}

    def at(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, bytes):
            value = value[:_LONGEST_LOCAL].decode("latin-1")
        if isinstance(value, str):
            self._text(name, str.__str__(value)[:_LONGEST_LOCAL])
        elif depth < 3 and id(value) not in self._seen:
            self._seen.add(id(value))
            for key, item in list(_members(name, value))[:64]:
                self.at(key, item, depth + 1)

    def _text(self, name: str, text: str) -> None:
        if self._left <= 0 or len(text) < _RUN_LENGTH:
            return
        self._left -= 1
        beside = self._redactor.beside(name, text)
        if beside is text:
            return
        _, pairs = take_apart(self._redactor, f"{name}: {text}")
        shorter = [pair for pair in pairs if len(pair[0]) < len(text)]
        if _MARK.fullmatch(beside) or not shorter:
            self.pairs[text] = beside
        self.pairs.update(shorter)


def _members(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Yield what ``value`` holds with its names; runs no code of the application."""
    if type(value) is dict:
        return ((key if isinstance(key, str) else name, item) for key, item in value.items())
    if type(value) in (list, tuple, set, frozenset):
        return ((name, item) for item in value)
    if isinstance(value, type | ModuleType | FunctionType):
        return ()
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return ()
    return held.items() if type(held) is dict else ()


def hide(text: str, pairs: Pairs) -> str:
    """Return ``text`` without the secrets of ``pairs``, wrapped, cut short or coloured as they may be.

    A traceback shows a long value over several lines or only its first part. Replaced is
    what a run of characters shares with a secret: all of it, its last part from 6
    characters on, or 12 characters in a row from its start or the run's start.
    """
    if not pairs:
        return text
    codes = [match.span() for match in _ANSI.finditer(text)]
    plain, origin = _without_codes(text, codes)
    pieces: list[str] = []
    position = 0
    for run in _RUN.finditer(plain):
        for start, end, shown in _parts(run[0], pairs):
            low, high = origin(run.start() + start), origin(run.start() + end - 1) + 1
            if low >= position:
                # Colours that change inside the secret still count for what follows it.
                kept = "".join(_ANSI.findall(text, low, high))
                pieces += (text[position:low], shown, kept)
                position = high
    return text if not pieces else "".join([*pieces, text[position:]])


def _without_codes(text: str, codes: list[tuple[int, int]]) -> tuple[str, Callable[[int], int]]:
    """Return ``text`` without colour codes, and a function from its offsets to those of ``text``."""
    if not codes:
        return text, lambda offset: offset
    pieces = []
    origins: list[int] = []
    position = 0
    for start, end in [*codes, (len(text), len(text))]:
        pieces.append(text[position:start])
        origins.extend(range(position, start))
        position = end
    return "".join(pieces), origins.__getitem__


def _parts(run: str, pairs: Pairs) -> Iterator[tuple[int, int, str]]:
    """Yield the parts of ``run`` that belong to a secret, in order and without overlaps."""
    position = 0
    while position <= len(run) - _RUN_LENGTH:
        best = (0, "")
        start = len(run)
        for secret, shown in pairs:
            at, length = _common(run, secret, position)
            if length and (at, -length) <= (start, -best[0]):
                start, best = at, (length, shown)
        if not best[0]:
            return
        yield start, start + best[0], best[1]
        position = start + best[0]


def _common(run: str, secret: str, position: int) -> tuple[int, int]:
    """Return where ``run`` shows the secret from its start, or goes on with it, and for how long."""
    if position == 0:
        inside = secret.find(run[:_RUN_LENGTH])
        if inside > 0:
            length = _shared(run, 0, secret, inside)
            if length:
                return 0, length
    at = run.find(secret[:_RUN_LENGTH], position)
    return (at, _shared(run, at, secret, 0)) if at >= 0 else (len(run), 0)


def _shared(run: str, start: int, secret: str, inside: int) -> int:
    """Return how many characters are the same from there on; 0 if too few to tell."""
    end = start
    while end < len(run) and inside < len(secret) and run[end] == secret[inside]:
        end, inside = end + 1, inside + 1
    return end - start if inside == len(secret) or end - start >= _LONG_RUN else 0


_SHORTEST_NUMBER: Final = 16


def is_common(secret: bytes) -> bool:
    """Tell whether a secret could as well be a word, or a number of under 16 digits that counts something.

    Such a value is replaced where it was found, and not looked for elsewhere.
    """
    return secret.isalpha() or (secret.isdigit() and len(secret) < _SHORTEST_NUMBER)
