"""Where the secrets are: engine hits confirmed one by one into matches.

Every decision reads at most ``CONTEXT`` bytes before a value and ``TOKEN_LIMIT`` bytes
from its start on, so scanning pieces that overlap by as much gives the same matches.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Final, NamedTuple

from redactor.compiler import HARMLESS, CompiledRuleset, CompiledShape, Kind
from redactor.engines import STRIDE, Engine
from redactor.model import Found
from redactor.syntax import (
    LEAD_LIMIT,
    PLACEHOLDER,
    TOKEN_LIMIT,
    TRIMMED,
    Lead,
    encoded_end,
    find_code,
    find_lead,
    find_prose_lead,
    is_raw_quote,
    oversized_end,
    path_end,
    path_names,
    quoted_end,
    read_lead,
    soft_break,
    trim,
    unquoted_end,
    value_run,
    words_before,
)
from redactor.validators import ALTERNATING, CHECKED, credential_pair, distinct, harmless, machine_made, starts_as_jose

__all__ = ["CONTEXT", "Decision", "Scanner", "longest"]

CONTAINER_LIMIT: Final = 16384
"""How many bytes of one Cookie header are read."""

CONTEXT: Final = CONTAINER_LIMIT + LEAD_LIMIT
"""How many bytes before a place can decide what stands there."""

_CACHED_LEADS: Final = 8192


class Decision(NamedTuple):
    """One candidate and what became of it, for ``explain``.

    ``rule`` is the rule's index or -1 if none was reached; ``reason`` is "" for a match.
    """

    start: int
    end: int
    rule: int
    name: str
    reason: str


class _Plan(NamedTuple):
    """What the name in front of a value says: the rule (or none), and how the value is written."""

    rule: int | None
    lead: Lead
    prose_matters: bool
    run: re.Pattern[bytes] | None
    """How the value is written, where the quick decision of ``_named`` is allowed."""
    shortest: int


_SCHEME: Final = re.compile(rb"([A-Za-z][A-Za-z0-9\-]{1,31})(?:[ \t]{1,8}|%20|\+|: ?)(?=[^\s])")
_PLAIN_SCHEMES: Final = frozenset(
    b"bearer basic token dpop jwt negotiate ntlm apikey api-key key session kerberos ssws mac-token "
    b"zoho-oauthtoken googlelogin bot passport oauth2 access-token authtoken auth".split()
)
_PARAMETER_SCHEMES: Final = frozenset(
    b"digest aws4-hmac-sha256 aws4-ecdsa-p256-sha256 oauth hawk signature scram-sha-1 scram-sha-256 mac "
    b"vapid sharedkey sharedaccesssignature mutual hoba".split()
)
_PARAMETER: Final = re.compile(
    rb"(?i)(response|signature|oauth_token|oauth_signature|mac|data|t|sig|credentials?)=\\{0,3}\"?([A-Za-z0-9._~+/%\-=]{8,1024})"
)
_PASSWORD: Final = re.compile(rb"[^\x00-\x20\"'&<>\\]++")
_CODE: Final = re.compile(
    rb"(?:[A-Z]-)?[0-9]{3,5}[ \-]?[0-9]{1,5}(?![0-9A-Za-z])|(?=[A-Z]*[0-9])[A-Z0-9]{6,8}(?![0-9A-Za-z_\-])"
)
_COOKIE_NAME: Final = re.compile(rb"[ \t]*+([!#$%&*+\-.^_`|~0-9A-Za-z:\[\]]{1,128})=((?:\\{0,3}\"|\\x22|%22)?)")
_COOKIE_VALUE: Final = re.compile(
    rb"(?:[^\x00-\x20\"',;\\<>`\]\x7f-\xff]|\\{1,3}(?:/|[0-3][0-7]{2}|u00(?!2[27])[0-9a-fA-F]{2}))*+"
)
_COOKIE_NEXT: Final = re.compile(
    rb"(?:\\{0,3}\"|\\x22|%22)?(?:;|, ?)[ \t]*+(?=[^\s;,=]{1,128}=)|; ?(?:[A-Za-z]{4,12}(?:; ?|(?=[^=A-Za-z])|\Z)){1,3}"
)
_HTTP_ONLY: Final = re.compile(rb"[^\r\n\"']{0,512}?; ?httponly(?![a-z])", re.IGNORECASE)
_WORD_START: Final = re.compile(
    rb"(?<![A-Za-z0-9_\-])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4})|(?<=\x1b\[[0-9]m)|(?<=\x1b\[[0-9]{2}m)"
)
_OTHER_KEY: Final = re.compile(rb"[A-Za-z0-9_.\-]{1,96}\\{0,3}[\"'](?: ?:|\.)")
_WRAPPING: Final = re.compile(rb"\s*(?:(?:b|u|rb)?\\{0,7}[\"'])*")
"""White space and quotes in front of a value, a ``repr`` of bytes included."""
_MEMBER: Final = re.compile(rb"[A-Za-z_]{2,24}[:=]")
_KEY_WORDS: Final = re.compile(rb"(?:[a-z_\-.]{2,32}:){1,4}(?=[^:]{8})")
_SHORTEST_UNKNOWN_COOKIE: Final = 20
_SHORTEST_IN_PROSE: Final = 10
_JUDGED: Final = 4096
"""How many bytes of a token its validator sees."""


class _Pass:
    """One run over one piece of data: what was found, and how far cookies were read."""

    __slots__ = ("cookies_read", "data", "found", "placeholders")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.placeholders = [match.span() for match in PLACEHOLDER.finditer(data)] if b"[REDACTED" in data else []
        self.found: list[Found] = []
        self.cookies_read = 0

    def settle(self, first: int) -> bool:
        """Put what was found from ``first`` on in its place; tell whether any of it stays.

        Placeholders are no secrets. Of two matches with one start the longer stays, or
        else the later; a match that overlaps another in any other way is dropped.
        """
        fresh = self.found[first:]
        found = self.found
        del found[first:]
        stays = False
        for match in fresh:
            place = bisect_left(found, match[:1])
            if self.is_replaced(match[0]) or (place and found[place - 1][1] > match[0]):
                continue
            if place < len(found) and found[place][0] < match[1]:
                if found[place][0] != match[0] or found[place][1] > match[1]:
                    continue
                found[place] = match
            else:
                found.insert(place, match)
            stays = True
        return stays

    def match_at(self, position: int) -> Found | None:
        """Return what was found that ``position`` is inside of."""
        before = bisect_right(self.found, (position, len(self.data) + 1, 0)) - 1
        return self.found[before] if before >= 0 and position < self.found[before][1] else None

    def is_replaced(self, position: int) -> bool:
        """Tell whether ``position`` is inside a placeholder, which neither is nor names a secret."""
        before = bisect_right(self.placeholders, (position, len(self.data))) - 1
        return before >= 0 and position < self.placeholders[before][1]


class Scanner:
    """Finds secrets in bytes; holds no text and is safe to share between threads."""

    def __init__(self, compiled: CompiledRuleset, engine: Engine) -> None:
        self.compiled = compiled
        self.engine = engine
        self._hits = engine.hits
        self._plans: dict[bytes, _Plan] = {}
        self._shapes = tuple(
            tuple(compiled.shapes[number] for number in trigger.shapes) for trigger in compiled.triggers
        )
        self._weak = tuple(trigger.kind is Kind.WEAK for trigger in compiled.triggers)
        judges = {
            Kind.NAMED: self._named,
            Kind.PATH: self._path,
            Kind.PROSE: self._prose,
            Kind.CODE_FIRST: self._code_first,
        }
        self._judges = tuple(judges.get(trigger.kind, self._named) for trigger in compiled.triggers)
        self._code_rule = next(
            (number for number, rule in enumerate(compiled.rules) if rule.named and rule.named.value == "digits"), None
        )
        self._values: dict[str, Callable[[bytes, int, int, Lead], Found | str]] = {
            "opaque": self._opaque,
            "random": self._random,
            "distinct": self._distinct,
            "digits": self._digits,
            "any": self._any,
            "credentials": self._credentials,
        }

    def scan(self, data: bytes, trace: list[Decision] | None = None) -> list[Found]:
        """Return the secrets in ``data``, in order and without overlaps.

        ``trace`` collects what became of every candidate; ``None`` costs nothing.
        """
        hits = self._hits(data)
        return self._confirm(data, hits, trace) if hits else []

    def scan_value(self, key: str, data: bytes) -> list[Found]:
        """Return the secrets in ``data``, the whole value that stands beside ``key``."""
        rule = self.rule_of_key(key)
        matches = self.scan(data)
        if rule is None or not data:
            return matches
        here = _Pass(data + b"\0")
        start = _WRAPPING.match(data).end()  # type: ignore[union-attr]
        quote = data[start - 1 : start] if start and data[start - 1] in b"\"'" else b"\0"
        if self._value(here, start, rule, Lead(key, b"=", quote, 0)) or not here.settle(0):
            return matches
        return longest(matches + here.found)

    def rule_of_key(self, key: str) -> int | None:
        """Return the index of the rule that says a value beside ``key`` is secret, if any does."""
        rule = self.compiled.names.rule_of(key)
        return None if rule == HARMLESS else rule

    def holds_cookies(self, key: str) -> bool:
        """Tell whether the members of a mapping beside ``key`` are cookies."""
        rule = self.rule_of_key(key)
        named = None if rule is None else self.compiled.rules[rule].named
        return named is not None and named.value == "cookies"

    def _confirm(self, data: bytes, hits: list[int], trace: list[Decision] | None) -> list[Found]:
        here = _Pass(data)
        found = here.found
        marks = here.placeholders
        passed = covered = 0
        for hit in hits:
            start, number = divmod(hit, STRIDE)
            shapes = self._shapes[number]
            if start < covered:
                # Inside a match only a shape at its very start is of use: it may say more.
                inside = here.match_at(start)
                if inside is not None and (not shapes or start != inside[0] or self._weak[number]):
                    continue
            while passed < len(marks) and marks[passed][1] <= start:
                passed += 1
            mark = marks[passed][0] if passed < len(marks) else len(data)
            if mark <= start < len(data):
                continue
            before = len(found)
            outcome = self._first_shape(here, start, shapes) if shapes else self._judges[number](here, start)
            if not outcome and trace is not None:
                trace.extend(Decision(*match, "", "") for match in found[before:])
            if outcome:
                if trace is not None:
                    trace.append(outcome)
            elif found[before][0] < covered or found[-1][1] > mark:
                here.settle(before)
            else:
                end = found[-1][1]
                if data[end - 1] == 61 and data[end : end + 1] in (b"\n", b"\r"):
                    self._go_on(here)
            if found and found[-1][1] > covered:
                covered = found[-1][1]
        return found

    @staticmethod
    def _go_on(here: _Pass) -> None:
        """Add the further lines of a token that quoted-printable has wrapped, each as a match."""
        start, end, rule = here.found[-1]
        first = start
        broken = soft_break(here.data, end)
        while broken is not None and end - first < TOKEN_LIMIT:
            here.found[-1] = (start, broken[0], rule)
            start = broken[1]
            end = trim(here.data, start, unquoted_end(here.data, start, start + 80, 0))
            if end == start:
                return
            here.found.append((start, end, rule))
            broken = soft_break(here.data, end)

    # --- shapes -----------------------------------------------------------------------

    def _first_shape(self, here: _Pass, start: int, shapes: tuple[CompiledShape, ...]) -> Decision | None:
        """Judge a token by the shapes that start as it does; the first that holds decides."""
        outcome = None
        for shape in shapes:
            outcome = self._shape(here, start, shape)
            if outcome is None:
                break
        return outcome

    def _shape(self, here: _Pass, start: int, shape: CompiledShape) -> Decision | None:
        """Judge the token of ``shape`` at ``start``; append it to the pass if it is one."""
        data = here.data
        body = start + shape.prefix_width
        reason = ""
        if shape.bounded_left and not _WORD_START.match(data, start):
            reason = "in the middle of a word"
        elif shape.validator_name == "jose" and not starts_as_jose(data[start : start + 16]):
            reason = "not valid"
        else:
            limit = start + min(TOKEN_LIMIT, shape.max_length + shape.prefix_width + 1)
            end = _run_end(shape, data, body, min(limit, start + _JUDGED))
            if end - body < shape.min_length:
                reason = "too short"
            elif not shape.validator(data[start:end]):
                reason = "not valid"
            else:
                # Only what passed is walked to its end, so that refusals stay cheap.
                end = _run_end(shape, data, body, limit) if end == start + _JUDGED else end
                if end - body > shape.max_length:
                    reason = "too long"
                elif shape.before and not data.startswith(shape.before, end):
                    reason = f"not followed by {shape.before.decode('ascii')}"
                elif end - start >= TOKEN_LIMIT:
                    end = oversized_end(data, start)
        if reason:
            return Decision(start, start, shape.rule, "", reason)
        here.found.append((start, end, shape.rule))
        return None

    # --- names ------------------------------------------------------------------------

    def _plan(self, data: bytes, start: int, end: int, value_start: int) -> _Plan:
        written = data[start:value_start]
        plan = self._plans.get(written)
        if plan is None:
            lead = read_lead(data[start:end], data[end:value_start])
            names = self.compiled.names
            plan = self._make_plan(lead, names.rule_of(lead.key), names.prose_matters(lead.key))
            if len(self._plans) >= _CACHED_LEADS:
                self._plans.clear()
            self._plans[written] = plan
        return plan

    def _make_plan(self, lead: Lead, rule: int | None, prose_matters: bool) -> _Plan:
        if rule is None and b"value" in lead.separator.lower():
            # "alice", "value": what looked like a pair may be two members of an object.
            rule = self.compiled.names.rule_of("value")
        named = None if rule is None or rule == HARMLESS else self.compiled.rules[rule].named
        quick = named is not None and named.value == "opaque" and not prose_matters
        if quick and (is_raw_quote(lead.quote) if lead.quote else not lead.level):
            return _Plan(rule, lead, prose_matters, value_run(lead.quote), self._min_length(rule or 0))
        return _Plan(rule, lead, prose_matters, None, 0)

    def _named(self, here: _Pass, start: int) -> Decision | None:
        """Judge a value by the name in front of it; append what is secret to the pass."""
        data = here.data
        span = find_lead(data, start)
        if span is None or (here.placeholders and here.is_replaced(span[0])):
            return Decision(start, start, -1, "", "no syntax between name and value")
        plan = self._plan(data, span[0], span[1], start)
        if plan.run is not None and plan.rule is not None:
            # Most secrets are a run of alternating letters and digits: nothing else to ask.
            end = plan.run.match(data, start, start + CHECKED).end()  # type: ignore[union-attr]
            if (
                plan.shortest <= end - start < CHECKED - 16
                and data[end - 1] not in TRIMMED
                and data[end : end + 1] != b"("
                and ALTERNATING.match(data, start, end)
            ):
                here.found.append((start, end, plan.rule))
                return None
        rule = plan.rule
        if plan.prose_matters and data[span[0] - 1 : span[0]] in (b" ", b'"', b"'", b"[", b"(", b"{"):
            rule = self.compiled.names.rule_of(plan.lead.key, words_before(data, span[0]))
        if rule is None or rule == HARMLESS:
            reason = "not a secret's name" if rule is None else "a name known to be harmless"
            return Decision(start, start, -1, plan.lead.key, reason)
        if b"," in plan.lead.separator and _OTHER_KEY.match(data, start):
            return Decision(start, start, rule, plan.lead.key, "a list of names")
        outcome = self._value(here, start, rule, plan.lead)
        return Decision(start, start, rule, plan.lead.key, outcome) if outcome else None

    def _value(self, here: _Pass, start: int, rule: int, lead: Lead) -> str:
        """Append the secrets of the value at ``start`` to the pass; return why there is none."""
        named = self.compiled.rules[rule].named
        if named is None:
            return "not a named rule"
        if named.value == "cookies":
            if start < here.cookies_read:
                return "judged as part of a longer header"
            before = len(here.found)
            here.cookies_read = self._cookies(here, start, rule)
            if here.cookies_read > start:
                return "" if len(here.found) > before else "no secret cookie"
            # login_cookie=<value>: no header, but one cookie's value
            outcome = self._random(here.data, start, rule, lead)
            if not isinstance(outcome, str) and b"=" in here.data[start : outcome[1] - 2]:
                return "no cookie"
        else:
            outcome = self._values[named.value](here.data, start, rule, lead)
        if isinstance(outcome, str):
            return outcome
        here.found.append(outcome)
        return ""

    def _end(self, data: bytes, start: int, lead: Lead, limit: int = CHECKED) -> int:
        """Return the end of the value at ``start``, but at most ``limit`` bytes on."""
        if lead.quote:
            return trim(data, start, quoted_end(data, start, start + limit, lead.quote))
        return trim(data, start, unquoted_end(data, start, start + limit, lead.level))

    def _bounds(self, data: bytes, start: int, lead: Lead) -> tuple[int, int]:
        """Return the checked range of a value, without an authentication scheme in front of it."""
        end = self._end(data, start, lead)
        if end - start < 32 and data[end : end + 1] in (b" ", b"+", b"%"):
            scheme = _SCHEME.match(data, start)
            if scheme is not None and scheme.group(1).lower() in _PLAIN_SCHEMES:
                start = scheme.end()
                end = self._end(data, start, lead)
        elif lead.separator.endswith(b":"):
            # A cache key, session:<id>: further words of the key are not the value.
            words = _KEY_WORDS.match(data, start, end)
            if words is not None:
                start = words.end()
        return start, end

    def _whole(self, data: bytes, start: int, end: int, lead: Lead) -> int:
        """Return the end of an accepted value whose first ``CHECKED`` bytes ended at ``end``."""
        if end - start < CHECKED - 16:
            return end
        end = self._end(data, start, lead, TOKEN_LIMIT)
        return oversized_end(data, start) if end - start >= TOKEN_LIMIT - 16 else end

    def _opaque(self, data: bytes, start: int, rule: int, lead: Lead) -> Found | str:
        start, end = self._bounds(data, start, lead)
        if end - start < self._min_length(rule):
            return "too short"
        reason = harmless(data[start:end])
        if reason is not None:
            return f"looks like {reason}"
        if not lead.quote and data[end : end + 1] == b"(":
            return "looks like code"
        return start, self._whole(data, start, end, lead), rule

    def _random(self, data: bytes, start: int, rule: int, lead: Lead) -> Found | str:
        start, end = self._bounds(data, start, lead)
        if end - start < self._min_length(rule):
            return "too short"
        if lead.separator == b">" and lead.key.isalpha():
            return "could be markup"  # <code> and <data> are elements of HTML
        if _MEMBER.match(data, start, end - 2):
            return "a member with a name of its own"
        if not machine_made(data[start:end]):
            return "does not look random"
        if not lead.quote and data[end : end + 1] == b"(":
            return "looks like code"
        return start, self._whole(data, start, end, lead), rule

    def _distinct(self, data: bytes, start: int, rule: int, lead: Lead) -> Found | str:
        outcome = self._random(data, start, rule, lead)
        if isinstance(outcome, str) or distinct(data[start : outcome[1]]):
            return outcome
        return "could be an identifier"

    def _digits(self, data: bytes, start: int, rule: int, _lead: Lead) -> Found | str:
        code = _CODE.match(data, start)
        if code is None:
            return "not a one-time code"
        if code.end() - start < self._min_length(rule):
            return "too short"
        return start, code.end(), rule

    def _any(self, data: bytes, start: int, rule: int, lead: Lead) -> Found | str:
        end = self._closing_quote(data, start, lead.quote) if lead.quote else start
        if end == start:
            run = _PASSWORD.match(data, start, start + 1024)
            end = trim(data, start, run.end()) if run else start
            if lead.level:
                end = min(end, unquoted_end(data, start, start + 1024, lead.level))
        if end - start < self._min_length(rule):
            return "too short"
        reason = harmless(data[start:end])
        code = not lead.quote and (lead.separator.startswith(b" ") or data[end : end + 1] in (b"(", b")", b","))
        if code and reason is not None:
            return "looks like code"
        prose = b"," in lead.separator or (not lead.quote and b":" in lead.separator)
        if reason in ("mask", "template", "repeats", "path") or (reason == "words" and prose):
            return f"looks like {reason}"
        return start, end, rule

    @staticmethod
    def _closing_quote(data: bytes, start: int, quote: bytes) -> int:
        """Return where ``quote`` closes on the same line within 1,024 bytes, else ``start``."""
        close = data.find(quote, start, start + 1024)
        return start if close < 0 or data.find(b"\n", start, close) >= 0 else close

    def _credentials(self, data: bytes, start: int, rule: int, lead: Lead) -> Found | str:
        """RFC 9110 section 11.4: a scheme, then a token68 or parameters."""
        scheme = _SCHEME.match(data, start)
        if scheme is not None:
            name = scheme.group(1).lower()
            if name in _PARAMETER_SCHEMES:
                line = data.find(b"\n", start, start + 4096)
                parameter = _PARAMETER.search(data, scheme.end(), line if line >= 0 else start + 4096)
                return (*parameter.span(2), rule) if parameter else "no credential among the parameters"
            first = scheme.end()
            end = self._end(data, first, lead)
            if name in _PLAIN_SCHEMES or machine_made(data[first:end]):
                return self._credential(data, first, end, rule, lead, 4, name == b"basic")
        end = self._end(data, start, lead)
        return self._credential(data, start, end, rule, lead, self._min_length(rule), False)

    def _credential(
        self, data: bytes, start: int, end: int, rule: int, lead: Lead, shortest: int, basic: bool
    ) -> Found | str:
        value = data[start:end]
        if len(value) < shortest:
            return "too short"
        reason = None if basic and credential_pair(value) else harmless(value)
        return f"looks like {reason}" if reason else (start, self._whole(data, start, end, lead), rule)

    def _cookies(self, here: _Pass, position: int, rule: int) -> int:
        """RFC 6265 sections 4.1.1 and 4.2.1: judge each cookie of a header by its name.

        Returns how far the header was read.
        """
        data = here.data
        limit = position + CONTAINER_LIMIT
        while position < limit:
            name = _COOKIE_NAME.match(data, position, limit)
            if name is None:
                break
            start = name.end()
            end = _COOKIE_VALUE.match(data, start, start + TOKEN_LIMIT).end()  # type: ignore[union-attr]
            if end - start >= TOKEN_LIMIT:
                end = oversized_end(data, start)
            cookie = self._cookie(data, name.group(1), start, end, rule)
            if cookie is not None:
                here.found.append((start, end, cookie))
            step = _COOKIE_NEXT.match(data, end)
            position = end if step is None else step.end()
            if step is None:
                break
        return position

    def _cookie(self, data: bytes, name: bytes, start: int, end: int, rule: int) -> int | None:
        """Return the rule of one cookie, or ``None`` if it is no secret."""
        known = self.compiled.cookie_names.rule_of(name.decode("ascii"))
        value = data[start:end]
        if known is not None:
            if known == HARMLESS or value.startswith(b"[REDACTED"):
                return None
            named = self.compiled.rules[known].named
            short = named is not None and len(value) < named.min_length
            return None if short or harmless(value) is not None else known
        if len(value) >= _SHORTEST_UNKNOWN_COOKIE:
            return rule if machine_made(value) and not value.startswith(b"[REDACTED") else None
        if len(value) >= 8 and machine_made(value) and _HTTP_ONLY.match(data, end):
            return rule
        return None

    # --- paths ------------------------------------------------------------------------

    def _path(self, here: _Pass, start: int) -> Decision | None:
        """Judge a path segment by the segment in front of it, or the one before a user id."""
        data = here.data
        name, rule = "", None
        for name in path_names(data, start):
            rule = self.compiled.path_names.rule_of(name)
            if rule is not None and rule != HARMLESS:
                break
        else:
            return Decision(start, start, -1, name, "not the path of a link with a secret")
        end = trim(data, start, path_end(data, start, start + CHECKED))
        if end - start < self._min_length(rule):
            return Decision(start, end, rule, name, "too short")
        if not machine_made(data[start:end]):
            return Decision(start, end, rule, name, "does not look random")
        if end - start >= CHECKED - 16:
            end = trim(data, start, path_end(data, start, start + TOKEN_LIMIT))
            end = end if end - start < TOKEN_LIMIT - 16 else oversized_end(data, start)
        here.found.append((start, end, rule))
        return None

    # --- sentences --------------------------------------------------------------------

    def _prose(self, here: _Pass, start: int) -> Decision | None:
        """Judge a word of a sentence by the name in front of it: it must look random."""
        data = here.data
        span = find_prose_lead(data, start)
        if span is None or (here.placeholders and here.is_replaced(span[0])):
            return Decision(start, start, -1, "", "no name in front")
        key = data[span[0] : span[1]].decode("ascii")
        rule = self.compiled.names.rule_of(key, words_before(data, span[0]))
        named = None if rule is None or rule == HARMLESS else self.compiled.rules[rule].named
        if rule is None or named is None:
            return Decision(start, start, -1, key, "not a secret's name")
        quote = data[start - 1 : start] if data[start - 1] in b"\"'`" else b""
        lead = Lead(key, b" ", quote, 0)
        outcome: Found | str
        if named.value == "cookies":
            reason = self._value(here, start, rule, lead)
            return Decision(start, start, rule, key, reason) if reason else None
        if named.value == "digits":
            outcome = self._digits(data, start, rule, lead)
        else:
            outcome = self._random(data, start, rule, lead)
            if not isinstance(outcome, str) and outcome[1] - outcome[0] < _SHORTEST_IN_PROSE:
                outcome = "too short for a sentence"
        if isinstance(outcome, str):
            return Decision(start, start, rule, key, outcome)
        here.found.append(outcome)
        return None

    def _code_first(self, here: _Pass, end: int) -> Decision | None:
        """Judge what stands in front of the name of a one-time code, which ends at ``end``."""
        span = find_code(here.data, end)
        if span is None or self._code_rule is None:
            return Decision(end, end, -1, "", "no code in front")
        start, end = span
        if end - start < self._min_length(self._code_rule):
            return Decision(start, end, self._code_rule, "", "too short")
        here.found.append((start, end, self._code_rule))
        return None

    def _min_length(self, rule: int) -> int:
        named = self.compiled.rules[rule].named
        return named.min_length if named is not None else 0


def _run_end(shape: CompiledShape, data: bytes, body: int, limit: int) -> int:
    """Return the end of a shape's body without a sentence's punctuation behind it.

    The dot that ends an unsigned JWS (RFC 7515 appendix A.5) is part of the token.
    """
    end = shape.body.match(data, body, limit).end()  # type: ignore[union-attr]
    if data.find(b"%", body, end) >= 0:
        end = encoded_end(data, body, end)
    trimmed = trim(data, body, end)
    if end == trimmed + 1 and shape.validator_name == "jose" and data[trimmed] == 46:
        return trimmed + (data.count(b".", body, trimmed) == 1)
    return trimmed


def longest(matches: list[Found]) -> list[Found]:
    """Return ``matches`` in order, those that overlap as one, under the rule of the longest.

    Of two with the same range the first given counts.
    """
    kept: list[Found] = []
    for match in sorted(matches, key=lambda match: (match[0], match[0] - match[1])):
        if kept and match[0] < kept[-1][1]:
            start, end, rule = kept[-1]
            longer = match[1] - match[0] > end - start
            kept[-1] = (start, max(end, match[1]), match[2] if longer else rule)
        else:
            kept.append(match)
    return kept
