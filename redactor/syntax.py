"""The syntaxes in which a name and its value are written.

Two views of one grammar: bounded regular expressions that Hyperscan and ``regex`` both
take (the trigger's separator), and the anchored expressions that read a name backwards
and a value forwards from the place where a trigger fired. Everything is bytes and ASCII.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import regex

__all__ = [
    "ANY_FIRST",
    "ANY_VALUE",
    "CODE_FIRST",
    "CODE_IS",
    "LEAD_LIMIT",
    "NAMED_SEPARATORS",
    "PAIR_SEPARATORS",
    "PATH_SEGMENT",
    "PLACEHOLDER",
    "PROSE_ENDING",
    "PROSE_SEPARATOR",
    "SLASH",
    "TOKEN_LIMIT",
    "TRIMMED",
    "VALUE",
    "VALUE_FIRST",
    "WORD_GAP",
    "Lead",
    "encoded_end",
    "find_code",
    "find_lead",
    "find_prose_lead",
    "is_raw_quote",
    "oversized_end",
    "path_end",
    "path_names",
    "quoted_end",
    "read_lead",
    "soft_break",
    "split_words",
    "trim",
    "unquoted_end",
    "value_run",
    "words_before",
]

TOKEN_LIMIT: Final = 65536
"""The longest token, in bytes, whose end is looked for by its own grammar."""

LEAD_LIMIT: Final = 512
"""How many bytes before a value may decide what the value is."""

PLACEHOLDER: Final = re.compile(rb"\[REDACTED(?::[A-Za-z0-9_.:/\- =]{1,490})?\]")
"""A replacement of ours, recognised so that redacting twice changes nothing."""

# --- the trigger's side: bounded, for Hyperscan and for regex -------------------------

_COLOUR = r"(?:\x1b\[[0-9;]{0,16}m){0,2}"
_SPACE = r"[ \t]{0,24}"
_QUOTE = (
    r"(?:\\{0,7}[\"'`]"
    r"|&quot;|&#(?:34|39|x22|x27);|&apos;"
    r"|%(?:25){0,2}2[27]"
    r"|\\{1,7}(?:u00|x)2[27])"
)
_EQUALS = r"(?:=>|:=|={1,3}|:|%(?:25){0,2}3[aAdD]|\\{1,7}u003[adAD]|&#(?:61|x3[dD]);)"
_OPENING = rf"(?:[(\[{{]|array\(|Some\(|Optional\[){{0,2}}(?:b|u|rb)?{_QUOTE}{{0,2}}"
_CLOSING = rf"(?:{_QUOTE}|\]|%(?:25){{0,2}}5[dD]){{0,2}}"
_VALUE_NAMES = r"(?:value|Value|VALUE|content|stringValue|string_value)"
# White space, also as the escapes \n, \r and \t of a string that holds pretty JSON.
_GAP = r"[ \t\r\n\\nrt]{0,40}"

# key=value, key: value, "key": "value", key => value, with colours in between.
_ASSIGNMENT = rf"{_CLOSING}{_COLOUR}{_SPACE}{_COLOUR}{_EQUALS}{_COLOUR}{_SPACE}{_COLOUR}{_OPENING}"
_TUPLE = r"\\{0,3}[\"'], ?\[?[bu]?\\{0,3}[\"']"  # ("name", "value") and [b'name', b'value']
_ELEMENT = r">"  # <token>value</token>
_COLUMN = r"(?: {1,32}\| {1,2}|\t)"  # session_id | value, and name TAB value
_GO_FIELD = r" Value:"  # {Name:x Value:y}
_SQL_LIST = r"[\"`\]]{0,2} (?i:in ?\(|like )[\"']"  # session_key IN ('y' and session_key LIKE 'y'
# Each with the lower-case bytes of which one is in every match.
_MARKED_PAIRS: Final[tuple[tuple[str, tuple[bytes, ...]], ...]] = (
    # {"name": "x", "value": "y"}
    (rf"{_QUOTE}{_GAP},{_GAP}{_QUOTE}{_VALUE_NAMES}{_QUOTE}{_GAP}:{_GAP}{_QUOTE}", (b"value", b"content")),
    # {"key": "x", "value": {"stringValue": "y"}}, also {"arrayValue": {"values": [{"stringValue": "y"}]}}
    (
        rf"{_QUOTE}{_GAP},{_GAP}{_QUOTE}value{_QUOTE}{_GAP}:{_GAP}\{{[aruyveslAV:{{\[\"\\ \t\r\nnt]{{0,80}}"
        rf"{_QUOTE}{_VALUE_NAMES}{_QUOTE}{_GAP}:{_GAP}{_QUOTE}",
        (b"value",),
    ),
    # <input name="x" type="hidden" value="y">
    (
        rf"{_QUOTE} {{1,4}}(?:(?:type|id|class)={_QUOTE}[A-Za-z0-9_\- ]{{1,40}}{_QUOTE} {{1,4}}){{0,2}}"
        rf"{_VALUE_NAMES}={_QUOTE}",
        (b"value", b"content"),
    ),
    # ["x"]=> NEWLINE string(32) "y"
    (r"\"\]=>(?:\n|\\{1,3}n) {0,40}string\([0-9]{1,6}\) \"", (b"string(",)),
    # s:9:"x";s:32:"y"
    (r"\";s:[0-9]{1,6}:\"", (b'";s:',)),
    # [name: x][value: y]
    (r"\]\[value: ?", (b"][value:",)),
    # Content-Disposition: form-data; name="x" CRLF CRLF y
    (r"\\{0,3}\"(?:\r?\n|\\{1,3}r\\{1,3}n|\\{1,3}n){2}", (b'"\r', b'"\n', b'"\\')),
)

NAMED_SEPARATORS: Final = (_ASSIGNMENT.replace(_EQUALS, rf"(?:{_EQUALS}|[,>|])"), _SQL_LIST, _GO_FIELD, r"\t")
"""What triggers between a secret's name and its value.

``,``, ``>`` and ``|`` stand for the tuple, the element and the table: one pattern of a
looser grammar is several times faster than three, and the lead is read strictly afterwards.
"""

PAIR_SEPARATORS: Final = _MARKED_PAIRS
"""What triggers between any name and its value, telling enough by itself, with its literals."""

VALUE_FIRST: Final = r"[A-Za-z0-9._~+/\-%$!|@]"
VALUE: Final = r"[A-Za-z0-9._~+/\-%$!|@=:*^\\]"  # with the backslash of an escape
ANY_FIRST: Final = r"[A-Za-z0-9._~+/\-%$!|@#*?^,;)]"
ANY_VALUE: Final = r"[!-~]"
"""Classes of a password's characters, for rules whose value may be anything."""
WORD_GAP: Final = r"[_\-. \[({]?"
PATH_SEGMENT: Final = r"[A-Za-z0-9_\-.~=:%]"
SLASH: Final = r"(?:/|%(?:25){0,2}2[fF]|\\{1,3}/)"
PROSE_SEPARATOR: Final = r"(?:(?: id| key| value| number)(?::| is| was)?| is:?| was| lautet)? \\{0,3}[\"'`]?"
"""What stands between a name and its value in a sentence: "session 'x'", "token id: x"."""
PROSE_ENDING: Final = r"(?:[_\-]?(?:[iI]d|ID|key|Key|value|Value|number))?"
"""How a name of several words ends in a sentence: "session_id x", "sessionId x"."""
CODE_IS: Final = ("is your", "ist Ihr", "ist dein", "est votre", "es tu", "es su", "is uw")
CODE_FIRST: Final = (
    rf" (?:{'|'.join(CODE_IS)}) "
    r"(?:[^ \r\n\t\"]{1,24} ){0,4}"
    r"(?i:code|otp|pin|passcode|password|passwort|c\xc3\xb3digo)"
)
"""What follows a one-time code that stands in front of its name: "123456 is your login code"."""

# --- the confirming side: anchored at the place where a trigger fired -----------------

_KEY = r"[A-Za-z0-9_.\-$]"
_LEAD = regex.compile(
    rf"(?r)({_KEY}{{1,96}})({'|'.join(pair for pair, _ in _MARKED_PAIRS)}|{_GO_FIELD}|{_ASSIGNMENT}|{_TUPLE}|{_ELEMENT}|{_SQL_LIST}|{_COLUMN})".encode()
)
_PROSE_LEAD = regex.compile(rf"(?r)({_KEY}{{1,96}})({PROSE_SEPARATOR})".encode())
_CODE_FIRST = regex.compile(
    rf"(?r)(?<![0-9A-Za-z_.,:\-/])((?:[A-Z]-)?[0-9]{{3,5}}[ \-]?[0-9]{{1,5}}){CODE_FIRST}".encode("latin-1")
)
_PATH_LEADS = (
    regex.compile(rf"(?r){SLASH}([A-Za-z0-9_.\-]{{1,64}}){SLASH}".encode()),
    regex.compile(rf"(?r){SLASH}([A-Za-z0-9_.\-]{{1,64}}){SLASH}[A-Za-z0-9_\-=]{{1,40}}{SLASH}".encode()),
)
_BEFORE = regex.compile(rb"(?r)(?:[A-Za-z][A-Za-z0-9_\-]{0,40}(?:['\"]? |[\[({])){1,2}")
_IN_TUPLE = re.compile(rf"{_TUPLE}\Z".encode())
_OPEN_QUOTE = re.compile(rf"{_QUOTE}\Z".encode())
_RAW_QUOTE = re.compile(rb"\\{0,7}[\"'`]\Z")
_ENCODED_EQUALS = re.compile(rb"%((?:25){0,2})3[aAdD]")
# What stays of an escape or a colour code when the name's characters are read backwards:
# %26token, \ntoken, \u0026token, ESC[36mtoken.
_DEBRIS = {
    ord("%"): re.compile(rb"(?:25){0,2}[0-9A-Fa-f]{2}"),
    ord("\\"): re.compile(rb"u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[nrtbf]"),
    ord("["): re.compile(rb"[0-9;]{0,16}m"),
}
_KEY_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-$"
# Names that may be the second member of a pair; the first is the name then.
_PAIR_WORDS = frozenset((b"value", b"Value", b"VALUE", b"content", b"stringValue", b"string_value"))
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")

_UNQUOTED = re.compile(
    rb"(?:[A-Za-z0-9._~+/\-%$!|@=:*^]"
    rb"|\\{1,7}(?:/|u00(?:2[bBdDeEfF]|3[dD]|5[fF]|7[eE])))*+"
)
_QUOTED = re.compile(
    rb"(?:[^\x00-\x20\"'`<>\\\x7f-\xff]"
    rb"|\\{1,7}(?:/|u00(?!2[27])[0-9a-fA-F]{2}|x(?!2[27])[0-9a-fA-F]{2}|[0-3][0-7]{2}))*+"
)
_PATH_CUT = re.compile(rb"%(?:25){0,2}(?:2[fF]|3[fF]|26|20|2[27])")
_PATH_VALUE = re.compile(rf"{PATH_SEGMENT}*+".encode())
_OVERSIZED = re.compile(rb"[^\x00-\x20\"'`<>\x7f-\xff]*+")
_CUT_ONCE = re.compile(rb"%(?:26|23|3[bBfF]|20|2[27]|2[cC]|0[aAdD]|[57][dD])")
_CUT_TWICE = re.compile(rb"%(?:25){0,2}(?:26|23|3[bBfF]|20|2[27]|2[cC]|0[aAdD]|[57][dD])")


class Lead(NamedTuple):
    """What precedes a value: its name and the syntax around it.

    ``key`` is the name as written, ``separator`` the bytes up to the value, ``quote``
    the opening quote as written (b"" for none) and ``level`` how many times the
    separator is percent-encoded.
    """

    key: str
    separator: bytes
    quote: bytes
    level: int


def find_lead(data: bytes, value_start: int) -> tuple[int, int] | None:
    """Find the name and separator that end at ``value_start``.

    Returns where the name starts and where it ends, or ``None`` where no syntax fits.
    Remains of an escape or a colour code in front of the name are left out of it.
    """
    end = _plain_name_end(data, value_start)
    if end:
        start = end - 96 if end > 96 else 0
        name = data[start:end]
        start += len(name.rstrip(_KEY_BYTES))
        if start < end and data[start:end] not in _PAIR_WORDS:
            return _without_debris(data, start, end)
    found = _LEAD.match(data, value_start - LEAD_LIMIT if value_start > LEAD_LIMIT else 0, value_start)
    if found is None:
        return None
    start, end = found.span(1)
    if data[end] == 62 and (not start or data[start - 1] not in b"<:"):
        return None  # not <name>
    if _IN_TUPLE.match(data, end, value_start) and (not start or data[start - 1] not in b"\"'"):
        return None  # not "name", but a longer string that ends so
    return _without_debris(data, start, end)


def _plain_name_end(data: bytes, value_start: int) -> int:
    """Return where the name ends in the three commonest syntaxes: ``=``, ``":"`` and ``: ``; else 0."""
    last = data[value_start - 1] if value_start else 0
    if last == 61:
        return value_start - 1
    if last == 34:
        if data[value_start - 3 : value_start] == b'":"':
            return value_start - 3
        if data[value_start - 4 : value_start] == b'": "':
            return value_start - 4
    elif last == 32 and data[value_start - 2 : value_start] == b": ":
        return value_start - 2
    return 0


def _without_debris(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    if start:
        if data[start - 2 : start] == b"::":
            return None  # Module::Name, a class
        debris = _DEBRIS.get(data[start - 1])
        if debris is not None:
            rest = debris.match(data, start, end)
            if rest is not None and (data[start - 1] != 91 or data[start - 2 : start - 1] == b"\x1b"):
                start = rest.end()
    return (start, end) if start < end else None


def is_raw_quote(quote: bytes) -> bool:
    """Tell whether ``quote`` is a quotation mark as such, escaped or not, and not its encoding."""
    return _RAW_QUOTE.match(quote) is not None


def read_lead(key: bytes, separator: bytes) -> Lead:
    """Read the opening quote and the level of percent-encoding off a separator."""
    quote = _OPEN_QUOTE.search(separator)
    encoded = _ENCODED_EQUALS.search(separator)
    opening = b"" if quote is None else quote.group()
    if len(separator) == len(opening):
        # A lone quote closes the name; nothing opens the value.
        opening = b""
    level = 0 if encoded is None else 1 + len(encoded.group(1)) // 2
    return Lead(key.decode("ascii"), separator, opening, level)


def words_before(data: bytes, name_start: int) -> tuple[str, ...]:
    """Return up to two words of prose in front of a name, nearest last."""
    found = _BEFORE.match(data, max(0, name_start - 96), name_start)
    return () if found is None else split_words(found.group().decode("ascii"))


def find_prose_lead(data: bytes, value_start: int) -> tuple[int, int] | None:
    """Find where the name of a sentence starts and ends whose value is at ``value_start``."""
    found = _PROSE_LEAD.match(data, max(0, value_start - LEAD_LIMIT), value_start)
    return None if found is None else found.span(1)


def find_code(data: bytes, end: int) -> tuple[int, int] | None:
    """Find the one-time code whose name, behind it, ends at ``end``."""
    found = _CODE_FIRST.match(data, max(0, end - LEAD_LIMIT), end)
    return None if found is None else found.span(1)


def path_names(data: bytes, value_start: int) -> tuple[str, ...]:
    """Return the segments that may name the one at ``value_start``: the one before, and the next."""
    low = max(0, value_start - 140)
    found = (lead.match(data, low, value_start) for lead in _PATH_LEADS)
    return tuple(match.group(1).decode("ascii") for match in found if match is not None)


def split_words(name: str) -> tuple[str, ...]:
    """Split a name into lower-case words at case changes, digits and separators.

    ``accessToken``, ``access_token``, ``Access-Token`` and ``access.token`` are all
    ``("access", "token")``. A number at the end (``session.0``) is left out.
    """
    words = [word.lower() for word in _CAMEL.findall(name)]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    return tuple(words)


def value_run(quote: bytes) -> re.Pattern[bytes]:
    """Return the pattern whose match is a value's run, where nothing is encoded."""
    return _QUOTED if quote else _UNQUOTED


def unquoted_end(data: bytes, start: int, limit: int, level: int) -> int:
    """Return the end of an unquoted value, cut where its enclosing encoding ends it."""
    end = _UNQUOTED.match(data, start, limit).end()  # type: ignore[union-attr]
    if level:
        cut = (_CUT_ONCE if level == 1 else _CUT_TWICE).search(data, start, end)
        if cut is not None:
            return cut.start()
    return end


def encoded_end(data: bytes, start: int, end: int) -> int:
    """Return where an encoding around a token ends it, for tokens that may hold ``%`` themselves."""
    cut = _CUT_TWICE.search(data, start, end)
    return end if cut is None else cut.start()


def quoted_end(data: bytes, start: int, limit: int, quote: bytes) -> int:
    """Return the end of a value opened by ``quote``: its close, or white space."""
    end = _QUOTED.match(data, start, limit).end()  # type: ignore[union-attr]
    if not is_raw_quote(quote):
        closed = data.find(quote, start, end)
        if closed >= 0:
            return closed
    return end


def path_end(data: bytes, start: int, limit: int) -> int:
    """Return the end of the path segment that starts at ``start``."""
    end = _PATH_VALUE.match(data, start, limit).end()  # type: ignore[union-attr]
    cut = _PATH_CUT.search(data, start, end)
    return end if cut is None else cut.start()


def oversized_end(data: bytes, start: int) -> int:
    """Return the end of the unbroken run at ``start``, for tokens over ``TOKEN_LIMIT``.

    Backslashes before the run's end belong to the escaped quote that ends it.
    """
    end = _OVERSIZED.match(data, start).end()  # type: ignore[union-attr]
    while end > start and data[end - 1] == 92:
        end -= 1
    return end


TRIMMED: Final = frozenset(b".,:;!?*^|")
"""Punctuation that ends a sentence, not a token."""


def soft_break(data: bytes, end: int) -> tuple[int, int] | None:
    """Return where a run that ended at ``end`` was cut and goes on, if quoted-printable cut it.

    RFC 2045 section 6.7 (5): a line of at most 76 characters ends in ``=``.
    """
    if data[end - 1] != 61 or data[end : end + 1] not in (b"\n", b"\r"):
        return None
    column = end - 1 - data.rfind(b"\n", max(0, end - 80), end)
    resume = end + (2 if data[end : end + 2] == b"\r\n" else 1)
    return (end - 1, resume) if 70 <= column <= 76 and data[resume - 1] == 10 else None


def trim(data: bytes, start: int, end: int) -> int:
    """Return ``end`` without the punctuation of a sentence around the token."""
    while end > start and data[end - 1] in TRIMMED:
        end -= 1
    return end
