"""Sentry: no session secret leaves in an event, transaction, log, metric, span or attachment.

``sentry_sdk.init(**sentry_options(dsn=...))`` is all there is to it; ``install()`` does the
same for a client that is there already and for those made later. Works with sentry-sdk
2.20 and later; hooks that the installed version does not know are left out.
"""

from __future__ import annotations

import functools
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import uuid4
from weakref import WeakKeyDictionary

import sentry_sdk
from sentry_sdk.consts import DEFAULT_OPTIONS
from sentry_sdk.envelope import PayloadRef
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.utils import capture_internal_exceptions, safe_repr

from redactor import known
from redactor.integrations._hooks import Installation
from redactor.integrations._pieces import is_common
from redactor.redactor import Redactor, default_redactor
from redactor.replace import ERROR_PLACEHOLDER, canonical
from redactor.syntax import PLACEHOLDER

__all__ = ["Installation", "install", "sentry_options"]

_Secrets: TypeAlias = dict[bytes, str]
"""Secrets seen in one event, each with the id of its rule."""

_Place: TypeAlias = tuple[Any, str, str]
"""A value to be read, and what names the texts in it: a key, and what is written in front of them.

A mapping with a key is a jar of cookies.
"""

_Bytes: TypeAlias = bytes
"""The type, where a method of the same name hides it."""

_Hook: TypeAlias = Callable[[Any, Any], Any]

_DEEPEST: Final = 64
_MOST_KEYS: Final = 8192
_SCALARS: Final = frozenset((str, int, float, bool, type(None), datetime))
"""Types that hold no other values. No secret is written as a time."""

_LONGEST_PLAIN_KEY: Final = 16
"""No key up to this many characters is itself a secret."""

_BATCH: Final = 64
"""How many values one scope of ``redactor.known`` keeps."""

_CRUMB_KEYS: Final = frozenset(("type", "category", "message", "level", "timestamp", "data"))
_VALUE_KEYS: Final = frozenset(("value", "Value", "content", "stringValue", "string_value"))
_NAME_KEYS: Final = ("name", "key", "Name", "Key")
_QUOTED: Final = re.compile(r"(?s)([bBuU]?(['\"]))(.*)(\2)")
_MASK: Final = re.compile(rb"\*{8}")
_ID: Final = re.compile(r"[0-9a-f]{16,32}")
_IDS: Final = ("event_id", "trace_id", "span_id", "parent_span_id")
_WORD: Final = re.compile(r"[A-Za-z_<][A-Za-z0-9_.<>\-]{0,127}")
_FILE: Final = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_\-]{0,63}/){0,16}[A-Za-z_][A-Za-z0-9_\-]{0,63}\.py")
_TIME: Final = re.compile(r"[0-9T:.Z+\-]{1,40}")

_PLAIN, _SECRET, _COOKIES, _VALUE = range(4)
"""What a key says about its value: nothing, secret, a jar of cookies, named by its neighbour."""


def sentry_options(redactor: Redactor | None = None, /, **options: Any) -> dict[str, Any]:
    """Return ``options`` for ``sentry_sdk.init`` with redaction behind the hooks among them.

    ``redactor`` defaults to the one that all hosts share. Hooks in ``options`` run first
    and mean what they mean to the SDK; what they return is redacted. The hooks set here
    never raise: if they fail, a bare event without the parts that could not be inspected
    is sent and ``redactor.summary.errors`` counts it. May be called any number of times,
    also on its own result. Raises what making a ``Redactor`` raises.
    """
    shared = default_redactor() if redactor is None else redactor
    cleaner = _Cleaner(shared)
    experiments = dict(options.get("_experiments") or {})
    chained = dict(options)
    noted = _Noted()
    for name in ("before_send", "before_send_transaction"):
        chained[name] = _EventHook(_own(options.get(name)), cleaner, noted)
    chained["before_breadcrumb"] = _CrumbHook(_own(options.get("before_breadcrumb")), cleaner)
    for name, make in _TELEMETRY.items():
        user = _own(options.get(name) or experiments.pop(name, None))
        if name not in DEFAULT_OPTIONS:
            experiments[name] = make(user, cleaner)
        elif name != "before_send_span" or user is not None or _streams_spans(options):
            # The SDK warns of a span hook where spans are not streamed.
            chained[name] = make(user, cleaner)
    if experiments or "_experiments" in options:
        chained["_experiments"] = experiments
    if _scrubs(options):
        chained["event_scrubber"] = _Scrubber(_scrubber_of(options), cleaner, noted)
    return chained


def _own(hook: Any) -> Any:
    """Return the user's hook, also where it is already chained to one of ours."""
    return hook.user if isinstance(hook, _Chained) else hook


def _streams_spans(options: Mapping[str, Any]) -> bool:
    how = options.get("trace_lifecycle") or (options.get("_experiments") or {}).get("trace_lifecycle")
    return bool(how == "stream")


def _scrubs(options: Mapping[str, Any]) -> bool:
    """Return whether the SDK will scrub events: not with ``data_collection``, not if told so."""
    scrubber = options.get("event_scrubber")
    collections = (options.get("data_collection"), (options.get("_experiments") or {}).get("data_collection"))
    return collections == (None, None) and (scrubber is None or bool(scrubber))


def _scrubber_of(options: Mapping[str, Any]) -> Any:
    scrubber = options.get("event_scrubber")
    if isinstance(scrubber, _Scrubber):
        return scrubber.user
    return scrubber or EventScrubber(send_default_pii=bool(options.get("send_default_pii")))


# --- every client ---------------------------------------------------------------------


class _Clients(Installation):
    """Rewrites the options of clients, and keeps what they were."""

    parts = ("sentry: every client",)

    def __init__(self) -> None:
        super().__init__()
        self._before: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
        """The options of each client as its maker gave them."""

    def _install(self, redactor: Redactor | None) -> None:
        super()._install(redactor)
        with self._lock:
            for client in {*self._before, *current_clients()}:
                self._cover(client)

    def _hook(self) -> None:
        original = sentry_sdk.Client.__init__

        @functools.wraps(original)
        def init(client: Any, *args: Any, **kwargs: Any) -> None:
            original(client, *args, **kwargs)
            with self._lock:
                self._cover(client)

        self._replaced.put(sentry_sdk.Client, "__init__", init)

    def _cover(self, client: Any) -> None:
        redactor = self._redactor
        before = self._before.get(client)
        if redactor is None or (before is None and isinstance(client.options.get("before_send"), _EventHook)):
            return  # its maker called sentry_options
        if before is None:
            before = self._before[client] = dict(client.options)
        client.options.update(_rewritten(before, redactor))

    def uninstall(self) -> None:
        """Restore everything; doing so twice does no harm. Options that someone else has set since stay."""
        with self._lock:
            for client, before in self._before.items():
                for name in _REWRITTEN:
                    if isinstance(client.options.get(name), _Chained | _Scrubber | _Experiments):
                        _put_option(client.options, name, before)
            self._before.clear()
            super().uninstall()


class _Experiments(dict[str, Any]):
    """The option ``_experiments`` with hooks of ours in it."""


_clients: Final = _Clients()


def install(redactor: Redactor | None = None) -> Installation:
    """Redact what every client sends, also those made later; return what is covered.

    Clients that exist are those of the current scopes. Hooks among their options run first,
    as with ``sentry_options``; clients that were made with it are left alone. Installing
    again changes the redactor (the shared default one unless given). Raises what making the
    default redactor raises.
    """
    _clients._install(redactor)
    return _clients


def current_clients() -> list[Any]:
    scopes = (sentry_sdk.get_global_scope(), sentry_sdk.get_isolation_scope(), sentry_sdk.get_current_scope())
    return [scope.client for scope in scopes if isinstance(scope.client, sentry_sdk.Client)]


def _rewritten(options: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return those options of a client that change."""
    given = dict(options)
    collection = given.get("data_collection")
    if isinstance(collection, dict) and not collection.get("provided_by_user"):
        given["data_collection"] = None  # what the SDK made up for itself does not keep it from scrubbing
    chained = sentry_options(redactor, **given)
    if "_experiments" in chained:
        chained["_experiments"] = _Experiments(chained["_experiments"])
    return {name: chained[name] for name in _REWRITTEN if name in chained}


def _put_option(options: dict[str, Any], name: str, before: Mapping[str, Any]) -> None:
    if name in before:
        options[name] = before[name]
    else:
        del options[name]


# --- hooks ----------------------------------------------------------------------------


class _Noted(threading.local):
    """Secrets that the SDK's scrubber is about to hide, by event, until the event's own hook."""

    def __init__(self) -> None:
        self._by_event: dict[object, _Secrets] = {}

    def put(self, event_id: object, secrets: _Secrets) -> None:
        if len(self._by_event) >= 8:
            self._by_event.clear()
        self._by_event[event_id] = secrets

    def take(self, event_id: object) -> _Secrets:
        return self._by_event.pop(event_id, {})


class _Scrubber(EventScrubber):
    """Notes what stands beside secret keys, then lets the SDK's or the user's scrubber do its work."""

    def __init__(self, user: Any, cleaner: _Cleaner, noted: _Noted) -> None:
        self.user = user
        self._cleaner = cleaner
        self._noted = noted
        self._here = threading.local()
        # A plain EventScrubber is replaced and shows each mapping that it is about to change.
        self._shown = type(user) is EventScrubber
        if self._shown:
            vars(self).update(vars(user))

    def scrub_event(self, event: Any) -> None:
        reading = self._here.reading = _Reading()
        if self._shown:
            super().scrub_event(event)
        else:
            reading = self._cleaner.try_reading(event)
            self.user.scrub_event(event)
        try:
            secrets = self._cleaner.named_secrets(reading)
            if secrets:
                self._noted.put(event.get("event_id"), secrets)
        except Exception:
            self._cleaner.redactor.summary.add_error()

    def scrub_dict(self, d: object) -> None:
        reading = getattr(self._here, "reading", None)
        if reading is not None and type(d) is dict:
            self._cleaner.read_names(reading, d)
        super().scrub_dict(d)


class _Chained:
    """A hook of the SDK that runs the user's first."""

    def __init__(self, user: _Hook | None, cleaner: _Cleaner) -> None:
        self.user = user
        self._cleaner = cleaner

    def _count(self) -> None:
        self._cleaner.redactor.summary.add_error()


class _EventHook(_Chained):
    """Errors, messages, check-ins and transactions, and their attachments.

    An exception of the user's hook passes through: the SDK drops the event, as without us.
    """

    def __init__(self, user: _Hook | None, cleaner: _Cleaner, noted: _Noted) -> None:
        super().__init__(user, cleaner)
        self._noted = noted

    def __call__(self, event: Any, hint: Any) -> Any:
        secrets = self._noted.take(event.get("event_id") if isinstance(event, dict) else None)
        if self.user is not None:
            event = self.user(event, hint)
            if event is None:
                return None
        try:
            redacted = self._cleaner.event(event, secrets)
        except Exception:
            self._count()
            redacted = _bare_event(event)
        self._attachments(hint, secrets)
        return redacted

    def _attachments(self, hint: Any, secrets: _Secrets) -> None:
        try:
            if isinstance(hint, dict) and hint.get("attachments"):
                hint["attachments"] = [_Attachment(each, self._cleaner, secrets) for each in hint["attachments"]]
        except Exception:
            self._count()
            hint["attachments"] = []


class _CrumbHook(_Chained):
    """Breadcrumbs, when they are left. Objects in them wait for the event's own hook.

    If the user's hook raises, the breadcrumb is kept as it was given, as in current SDKs.
    """

    def __call__(self, crumb: Any, hint: Any) -> Any:
        if self.user is not None:
            kept = crumb
            with capture_internal_exceptions():
                kept = self.user(crumb, hint)
            if kept is None:
                return None
            crumb = kept
        try:
            return self._cleaner.crumb(crumb)
        except Exception:
            self._count()
            return {"type": "default", "message": ERROR_PLACEHOLDER, **_kept(crumb, ("timestamp",))}


class _ItemHook(_Chained):
    """Logs and metrics. An exception of the user's hook passes through: the SDK drops the item."""

    def __call__(self, item: Any, hint: Any) -> Any:
        if self.user is not None:
            item = self.user(item, hint)
            if item is None:
                return None
        return self._redacted(item)

    def _redacted(self, item: Any) -> Any:
        try:
            return self._cleaner.item(item)
        except Exception:
            self._count()
            return _bare_item(item)


class _SpanHook(_ItemHook):
    """Streamed spans. Where the user's hook raises, the SDK sends the span as it was: so do we, redacted."""

    def __call__(self, item: Any, hint: Any) -> Any:
        if self.user is not None:
            before = {**item, "attributes": dict(item.get("attributes") or {})}
            with capture_internal_exceptions():
                before = self.user(item, hint)
            # What is no span makes the SDK send the original, which nobody has looked at.
            item = before if isinstance(before, dict) and "name" in before else item
        return self._redacted(item)


_TELEMETRY: Final[Mapping[str, type[_ItemHook]]] = {
    "before_send_log": _ItemHook,
    "before_send_metric": _ItemHook,
    "before_send_span": _SpanHook,
}

_REWRITTEN: Final = (
    "before_send",
    "before_send_transaction",
    "before_breadcrumb",
    "event_scrubber",
    "_experiments",
    *_TELEMETRY,
)
"""The options that ``sentry_options`` may change."""


class _Attachment:
    """An attachment whose envelope item is redacted when it is made; the original is only read."""

    def __init__(self, original: Any, cleaner: _Cleaner, secrets: _Secrets) -> None:
        self._original = original
        self._cleaner = cleaner
        self._secrets = secrets

    def to_envelope_item(self) -> Any:
        item = self._original.to_envelope_item()
        redactor = self._cleaner.redactor
        try:
            data = item.payload.get_bytes()
            redacted = self._cleaner.bytes(data, self._secrets)
            name = item.headers.get("filename")
            if isinstance(name, str):
                item.headers["filename"] = redactor.text(name)
        except Exception:
            redactor.summary.add_error()
            redacted = ERROR_PLACEHOLDER.encode()
            item.headers["filename"] = ERROR_PLACEHOLDER
        item.payload = PayloadRef(bytes=redacted)
        return item


# --- what is left if all else fails ---------------------------------------------------


def _bare_event(event: Any) -> dict[str, Any]:
    """Return an event of which only ids, times and the names of code are left, so that it still groups."""
    bare: dict[str, Any] = {"event_id": uuid4().hex}
    bare.update(_kept(event, (*_IDS, "type", "level", "platform", "timestamp", "start_timestamp")))
    trace = _part(_part(event, "contexts"), "trace")
    if trace:
        bare["contexts"] = {"trace": _kept(trace, (*_IDS, "op", "status"))}
    exceptions = _dicts(_part(event, "exception").get("values"))
    if exceptions:
        bare["exception"] = {"values": [_bare_exception(each) for each in exceptions]}
    if bare.get("type") == "transaction":
        bare["transaction"] = ERROR_PLACEHOLDER
        bare["spans"] = [
            {"description": ERROR_PLACEHOLDER, **_kept(span, (*_IDS, "op", "start_timestamp", "timestamp"))}
            for span in _dicts(event.get("spans"))
        ]
    elif bare.get("type") == "check_in":
        bare.update(_kept(event, ("check_in_id", "monitor_slug", "status", "duration")))
    elif not exceptions:
        bare["logentry"] = {"message": ERROR_PLACEHOLDER}
    bare["_meta"] = _error_meta(bare)
    return bare


def _bare_exception(exception: dict[str, Any]) -> dict[str, Any]:
    frames = _dicts(_part(exception, "stacktrace").get("frames"))
    return {
        **_kept(exception, ("type", "module")),
        "value": ERROR_PLACEHOLDER,
        "stacktrace": {
            "frames": [_kept(frame, ("module", "function", "filename", "lineno", "in_app")) for frame in frames]
        },
    }


def _bare_item(item: Any) -> dict[str, Any]:
    """Return a log, metric or span of which only ids, numbers and fixed words are left."""
    fixed = ("time_unix_nano", "severity_text", "type", "unit", "status", *_IDS)
    numbers = [key for key, value in item.items() if isinstance(value, int | float)] if type(item) is dict else []
    texts = {key: ERROR_PLACEHOLDER for key in ("name", "body") if key in item} if type(item) is dict else {}
    return {**_kept(item, (*fixed, *numbers)), **texts, "attributes": {}}


def _kept(source: Any, keys: Iterable[str]) -> dict[str, Any]:
    """Return those of ``keys`` whose values are numbers, times, ids or names of code."""
    kept: dict[str, Any] = {}
    for key in keys if type(source) is dict else ():
        value = source.get(key)
        if isinstance(value, int | float | datetime) or (type(value) is str and _shapes(key).fullmatch(value)):
            kept[key] = value
    return kept


def _shapes(key: str) -> re.Pattern[str]:
    if key in _IDS or key == "check_in_id":
        return _ID
    return _TIME if "time" in key else _FILE if key == "filename" else _WORD


def _part(source: Any, key: str) -> dict[str, Any]:
    value = source.get(key) if type(source) is dict else None
    return value if type(value) is dict else {}


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if type(value) is dict] if type(values) is list else []


def _error_meta(value: Any) -> dict[str, Any]:
    """Return the ``_meta`` of a bare event: a remark for each placeholder in it."""
    if value == ERROR_PLACEHOLDER:
        return {"": {"rem": [["redactor:error", "s", 0, len(ERROR_PLACEHOLDER)]]}}
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    noted = ((str(key), _error_meta(child)) for key, child in below)
    return {key: meta for key, meta in noted if meta}


# --- events ---------------------------------------------------------------------------


class _Removed(str):
    """A breadcrumb's text whose secrets are out, and what they were, for the rest of the event.

    An event may hold the same secret without its name. Copies are plain strings.
    """

    __slots__ = ("length", "secrets")

    length: int
    secrets: _Secrets

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str.__str__(self),)


class _Verdicts(dict[Any, int]):
    """What each key says about the value beside it; asked of the rules once per key."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def __missing__(self, key: Any) -> int:
        verdict = _VALUE if type(key) is str and key in _VALUE_KEYS else self.judge(key)
        if len(self) >= _MOST_KEYS:
            self.clear()
        if not isinstance(key, str) or len(key) <= 96:
            self[key] = verdict
        return verdict

    def judge(self, key: Any) -> int:
        """Return what ``key`` itself says."""
        if type(key) is not str or not 2 <= len(key) <= 96:
            return _PLAIN
        rule = self._redactor.scanner.rule_of_key(key)
        if rule is None:
            return _PLAIN
        named = self._redactor.ruleset.rules[rule].named
        return _COOKIES if named is not None and named.value == "cookies" else _SECRET


class _Named(NamedTuple):
    """A text beside a key. ``before`` is written in front of it when it is judged."""

    key: str
    before: str
    text: str


class _Reading:
    """All texts of a value and what stands beside secret keys.

    ``odd`` says that it is deep or holds something twice, ``foreign`` that it holds
    objects that JSON does not have.
    """

    __slots__ = ("carried", "foreign", "named", "odd", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.named: list[_Named] = []
        self.carried: _Secrets = {}
        self.odd = False
        self.foreign = False


class _Cleaner:
    """Redacts what Sentry sends: reads all texts as one, and walks only if there is something.

    Holds nothing of any event, so one serves all threads.
    """

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.verdicts = _Verdicts(redactor)
        self._quiet: set[str] = set()
        # Breadcrumbs and spans hold a mapping as "data", which is judged by its own keys.
        self._quiet_or_data = {"data"}
        self._remembers = False

    def event(self, event: Any, secrets: _Secrets) -> Any:
        """Return the event without secrets, ``_meta`` filled in; the same object if it has none.

        ``secrets`` are those known of the event already; the others are added to it.
        """
        redacted = self._clean(event, secrets, _unformatted(event), objects=True)
        if redacted is event or not isinstance(redacted, dict):
            return redacted
        _restore_ids(event, redacted)
        meta = redacted.get("_meta")
        noted = _annotated(meta if isinstance(meta, dict) else {}, event, redacted)
        noted.pop("_meta", None)
        return {**redacted, "_meta": noted} if noted else redacted

    def item(self, item: Any) -> Any:
        """Return a log, metric or span without secrets; the same object if it has none."""
        redacted = self._clean(item, {}, (), objects=True)
        if redacted is not item and isinstance(redacted, dict):
            _keep_ids(item, redacted)
        return redacted

    def crumb(self, crumb: Any) -> Any:
        """Return a breadcrumb without secrets, its texts remembering them; the same object if it has none."""
        texts = self._crumb_texts(crumb)
        if texts:
            joined = _joined(texts)
            if not self.redactor.scanner.scan(joined) and not (known.used and known.find(joined)):
                return crumb
        secrets: _Secrets = {}
        redacted = self._clean(crumb, secrets, (), objects=False)
        if redacted is crumb:
            return crumb
        self._remembers = True
        return _remembering(crumb, redacted, secrets)

    def _crumb_texts(self, crumb: Any) -> list[str]:
        """Return the texts of a breadcrumb as most are: flat, without secret keys. Else nothing.

        There are dozens of breadcrumbs for one event, so they do not go through ``read``.
        """
        texts: list[str] = []
        if type(crumb) is not dict or not crumb.keys() <= _CRUMB_KEYS:
            return texts
        for value in crumb.values():
            kind = type(value)
            if kind is str:
                texts.append(value)
            elif kind is dict and value.keys() <= self._quiet:
                for each in value.values():
                    kind = type(each)
                    if kind is str:
                        texts.append(each)
                    elif kind not in _SCALARS:
                        return []
            elif kind not in _SCALARS:
                return []
        return texts

    def bytes(self, data: _Bytes, secrets: _Secrets) -> _Bytes:
        """Return ``data`` without its secrets and without those of the event."""
        data = self.redactor.bytes(data)
        for batch in _batches(secrets):
            with known.scope():
                _register(batch)
                data = self.redactor.bytes(data)
        return data

    def named_secrets(self, reading: _Reading) -> _Secrets:
        """Return the secrets of a reading that stand beside their keys."""
        secrets = reading.carried
        for named in reading.named:
            self._learn_named(named, secrets)
        return secrets

    def try_reading(self, value: Any) -> _Reading:
        """Read a value, or nothing if that fails."""
        try:
            return self.read(value)
        except Exception:
            self.redactor.summary.add_error()
            return _Reading()

    def read_names(self, reading: _Reading, node: dict[Any, Any]) -> None:
        """Read what stands beside the secret keys of one mapping, and what its texts remember. Never raises."""
        try:
            if not node.keys() <= self._quiet:
                places: list[_Place] = []
                seen: set[int] = set()
                self._read_names(reading, places, set(), node, False)
                while places:
                    place = places.pop()
                    if not isinstance(place[0], dict) and id(place[0]) not in seen:
                        seen.add(id(place[0]))
                        self._read_items(reading, places, set(), place)
            if self._remembers:
                for value in node.values():
                    if isinstance(value, _Removed):
                        reading.carried.update(value.secrets)
        except Exception:
            self.redactor.summary.add_error()

    # --- reading ----------------------------------------------------------------------

    def read(self, value: Any) -> _Reading:
        """Read a value level by level. Never recurses, and reads no container twice.

        Nearly all of an event are mappings with harmless keys and lists of texts: what is
        in them is sorted by type a level at a time, which is three times as fast as a walk.
        """
        reading = _Reading()
        quiet = self._quiet
        nodes: list[Any] = [value]
        named: list[_Place] = []
        seen: set[int] = set()
        depth = 0
        while nodes or named:
            values: list[Any] = []
            named_below: list[_Place] = []
            nodes, named = _unseen(reading, seen, nodes, named)
            for node in nodes:
                kind = type(node)
                if kind is dict and (
                    node.keys() <= quiet or (type(node.get("data")) is dict and node.keys() <= self._quiet_or_data)
                ):
                    values.extend(node.values())
                elif kind is list and len(node) != 2:
                    values.extend(node)
                else:
                    self._read_place(reading, values, named_below, (node, "", ""))
            for place in named:
                self._read_place(reading, values, named_below, place)
            reading.texts.extend([each for each in values if type(each) is str])
            others = [each for each in values if type(each) is not str]
            nodes = [each for each in others if type(each) not in _SCALARS]
            named = named_below
            depth += 1
            if depth > _DEEPEST:
                reading.odd = True
        return reading

    def _read_place(self, reading: _Reading, values: list[Any], below: list[_Place], place: _Place) -> None:
        """Read a node that may have secrets beside their names; add what it holds besides to ``values``."""
        node, key, _ = place
        held: set[int] = set()
        if isinstance(node, dict):
            self._read_names(reading, below, held, node, bool(key))
            values.extend([each for each in node.values() if id(each) not in held])
        elif isinstance(node, list | tuple):
            self._read_items(reading, below, held, place)
            values.extend([each for each in node if id(each) not in held])
        elif isinstance(node, str):
            reading.texts.append(str.__str__(node))
            if isinstance(node, _Removed):
                reading.carried.update(node.secrets)
        elif node is not None and not isinstance(node, int | float):
            reading.foreign = True

    def _read_names(
        self, reading: _Reading, below: list[_Place], held: set[int], node: dict[Any, Any], jar: bool
    ) -> None:
        """Note what stands beside secret keys, and in ``held`` the ids of the containers among it."""
        for name in node if jar else [each for each in node if each not in self._quiet]:
            if type(name) is str:
                self._read_name(reading, name)
            child = node[name]
            key, before = self.context(node, name, child, jar)
            if key:
                self._read_named(reading, below, held, (child, key, before))

    def _read_name(self, reading: _Reading, name: str) -> None:
        if len(name) > _LONGEST_PLAIN_KEY:
            reading.texts.append(name)
        elif self.verdicts[name] == _PLAIN:
            if len(self._quiet) >= _MOST_KEYS:
                self._quiet.clear()
                self._quiet_or_data = {"data"}
            self._quiet.add(name)
            self._quiet_or_data.add(name)

    def _read_items(self, reading: _Reading, below: list[_Place], held: set[int], place: _Place) -> None:
        items, key, before = place
        pair = self.pair(items)
        if pair:
            reading.named.append(_Named(pair, "", items[1]))
        for child in items if key else ():
            if not isinstance(child, dict):
                self._read_named(reading, below, held, (child, key, before))

    @staticmethod
    def _read_named(reading: _Reading, below: list[_Place], held: set[int], place: _Place) -> None:
        value, key, before = place
        if isinstance(value, str):
            reading.named.append(_Named(key, before, str.__str__(value)))
        elif isinstance(value, dict | list | tuple):
            held.add(id(value))
            below.append(place)
        elif isinstance(value, int) and not isinstance(value, bool):
            reading.named.append(_Named(key, before, str(value)))

    def context(self, node: Mapping[Any, Any], name: Any, value: Any, jar: bool) -> tuple[str, str]:
        """Return the key that judges what stands at ``name`` in ``node``, and what it needs in front of it.

        ``jar`` says that ``node`` is a mapping of cookies. A mapping is judged by its own
        keys, unless it is such a jar.
        """
        verdict = self.verdicts[name]
        if isinstance(value, dict):
            return (name, "") if verdict == _COOKIES else ("", "")
        if jar and isinstance(name, str):
            return "Cookie", f"{name}="
        if verdict == _VALUE:
            name = next((node[each] for each in _NAME_KEYS if each in node), name)
            verdict = self.verdicts.judge(name)
        return (name, "") if verdict else ("", "")

    def pair(self, items: Any) -> str:
        """Return the first of two strings if it is a secret's name: it names the second."""
        if len(items) == 2 and type(items[0]) is str and type(items[1]) is str:
            return items[0] if self.verdicts[items[0]] in (_SECRET, _COOKIES) else ""
        return ""

    # --- finding ----------------------------------------------------------------------

    def _learn_named(self, named: _Named, secrets: _Secrets) -> bool:
        """Add the secrets of a text beside a key; return whether there are any."""
        text = named.before + _unquoted(named.text)[1]
        data = text.encode("utf-8", "surrogatepass")
        redactor = self.redactor
        found = redactor.replacer.wanted(data, redactor.scanner.scan_value(named.key, data))
        for start, end, rule in found:
            self._learn(data[start:end], rule, secrets)
        return bool(found)

    def _learn(self, secret: _Bytes, rule: int, secrets: _Secrets) -> None:
        """Note a secret, unless it could as well be a common word or number."""
        page = self.redactor.ruleset.rules[rule]
        if page.low_entropy:
            return
        for form in (secret, canonical(secret)):
            if known.SHORTEST <= len(form) <= known.LONGEST and not is_common(form):
                secrets.setdefault(form, page.id)

    def _clean(self, value: Any, secrets: _Secrets, extra: Iterable[str], *, objects: bool) -> Any:
        """Return ``value`` without secrets; the same object if it has none. Adds those it finds to ``secrets``."""
        reading = self.read(value)
        reading.texts.extend(extra)
        secrets.update(reading.carried)
        dirty = reading.odd or bool(secrets) or (objects and reading.foreign)
        for named in reading.named:
            if named.text and self._learn_named(named, secrets):
                dirty = True
        joined = _joined(reading.texts)
        found = self.redactor.scanner.scan(joined)
        registered = known.find(joined) if known.used else []
        if not dirty and not found and not registered:
            return value
        owners = _Owners(reading.texts)
        suspects = {owners.of(start) for start, _, _ in found} | {owners.of(place.start) for place in registered}
        for text in suspects:
            data = text.encode("utf-8", "surrogatepass")
            for start, end, rule in self.redactor.replacer.wanted(data, self.redactor.scanner.scan(data)):
                self._learn(data[start:end], rule, secrets)
        for place in registered:
            secrets.setdefault(place.value, place.kind)
        first, *others = _batches(secrets) or [[]]
        value = self._replace(value, reading.texts, suspects, first, objects)
        for batch in others:
            value = self._replace(value, self.read(value).texts, set(), batch, objects)
        return value

    def _replace(
        self, value: Any, texts: list[str], suspects: set[str], batch: list[tuple[_Bytes, str]], objects: bool
    ) -> Any:
        """Return ``value`` with the secrets of ``suspects`` replaced, and those of ``batch`` wherever they are."""
        with known.scope():
            _register(batch)
            owners = _Owners(texts)
            elsewhere = {owners.of(place.start) for place in known.find(_joined(texts))}
            return _Walk(self.redactor, self, suspects | elsewhere, objects).visit(value)


def _unseen(reading: _Reading, seen: set[int], nodes: list[Any], named: list[_Place]) -> tuple[list[Any], list[_Place]]:
    """Return the nodes that have not been read yet; notes if some have."""
    ids = set(map(id, nodes))
    if named:
        ids.update([id(place[0]) for place in named])
    if len(ids) < len(nodes) + len(named) or not seen.isdisjoint(ids):
        reading.odd = True
        ids -= seen
        first = {id(place[0]): place for place in named if id(place[0]) in ids}
        others = {id(node): node for node in nodes if id(node) in ids and id(node) not in first}
        nodes, named = list(others.values()), list(first.values())
    seen |= ids
    return nodes, named


class _Owners:
    """Which text an offset of the joined texts belongs to."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        lengths = [len(text.encode("utf-8", "surrogatepass")) + 1 for text in texts]
        self._starts = list(accumulate(lengths[:-1], initial=0)) if texts else []

    def of(self, offset: int) -> str:
        return self._texts[bisect_right(self._starts, offset) - 1]


class _Walk:
    """Copies a value without its secrets; what has none is shared with the original."""

    def __init__(self, redactor: Redactor, cleaner: _Cleaner, suspects: set[str], objects: bool) -> None:
        self._redactor = redactor
        self._cleaner = cleaner
        self._suspects = suspects
        self._objects = objects
        self._done: dict[tuple[int, str, str], Any] = {}
        self._above: set[int] = set()

    def visit(self, value: Any) -> Any:
        return self._visit(value, "", "")

    def _visit(self, value: Any, key: str, before: str) -> Any:
        kind = type(value)
        if kind is str:
            return self._beside(value, key, before) if key else self._text(value)
        if value is None or kind is bool or kind is float or kind is datetime:
            return value
        try:
            return self._other(value, key, before)
        except RecursionError:
            raise
        except Exception:
            return self._error()

    def _other(self, value: Any, key: str, before: str) -> Any:
        if isinstance(value, str):
            plain = str.__str__(value)
            redacted = self._visit(plain, key, before)
            return value if redacted is plain and not (self._objects and isinstance(value, _Removed)) else redacted
        if isinstance(value, int | float):
            plain = str(value) if key else ""
            redacted = self._beside(plain, key, before) if key else ""
            return value if redacted == plain else redacted
        if isinstance(value, dict | list | tuple):
            return self._container(value, key, before)
        # The SDK would write its repr, or fail on it.
        return self._redactor.text(safe_repr(value)) if self._objects else value

    def _text(self, text: str) -> str:
        return self._redactor.text(text) if text in self._suspects else text

    def _beside(self, text: str, key: str, before: str) -> str:
        opening, inner, closing = _unquoted(text)
        whole = before + inner
        redacted = self._redactor.beside(key, whole)
        if redacted == whole:
            return self._text(text)
        if not redacted.startswith(before):
            return self._error()
        return opening + redacted[len(before) :] + closing

    def _error(self) -> str:
        self._redactor.summary.add_error()
        return ERROR_PLACEHOLDER

    def _container(self, value: Any, key: str, before: str) -> Any:
        identity = id(value)
        if identity in self._above or len(self._above) >= _DEEPEST:
            return self._error()
        done = self._done.get((identity, key, before))
        if done is None:
            self._above.add(identity)
            try:
                done = self._mapping(value, bool(key)) if isinstance(value, dict) else self._items(value, key, before)
            finally:
                self._above.discard(identity)
            self._done[identity, key, before] = done
        return done

    def _mapping(self, mapping: dict[Any, Any], jar: bool) -> Any:
        copy: dict[Any, Any] = {}
        changed = False
        for name, value in mapping.items():
            new_value = self._visit(value, *self._cleaner.context(mapping, name, value, jar))
            new_name = self._text(name) if type(name) is str and len(name) > _LONGEST_PLAIN_KEY else name
            if new_name in copy:
                new_name = _unused(new_name, copy)
            changed = changed or new_value is not value or new_name is not name
            copy[new_name] = new_value
        return copy if changed else mapping

    def _items(self, items: Any, key: str, before: str) -> Any:
        pair = self._cleaner.pair(items)
        if pair:
            copy = [self._visit(items[0], key, before), self._visit(items[1], pair, "")]
        else:
            copy = [self._visit(item, *(("", "") if isinstance(item, dict) else (key, before))) for item in items]
        if all(new is old for new, old in zip(copy, items, strict=True)):
            return items
        return tuple(copy) if isinstance(items, tuple) else copy


def _unused(name: str, taken: Mapping[Any, Any]) -> str:
    """Return ``name``, numbered if it is taken: two redacted keys are often equal."""
    numbered = name
    number = 2
    while numbered in taken:
        numbered = f"{name} ({number})"
        number += 1
    return numbered


def _unquoted(text: str) -> tuple[str, str, str]:
    """Split a repr, as frame variables are written, into its quotes and what they hold."""
    if text[-1:] in ("'", '"') and len(text) > 2:
        quoted = _QUOTED.fullmatch(text)
        if quoted is not None:
            return quoted.group(1), quoted.group(3), quoted.group(4)
    return "", text, ""


def _unformatted(event: Any) -> tuple[str, ...]:
    """Return a log message with its parameters, where the SDK does not give it: names are in the template."""
    entry = _part(event, "logentry")
    message, params = entry.get("message"), entry.get("params")
    if not isinstance(message, str) or not params or entry.get("formatted"):
        return ()
    try:
        return (message % (tuple(params) if isinstance(params, list) else params),)
    except Exception:
        return ()


def _joined(texts: list[str]) -> bytes:
    """Return all texts as lines of one: no secret reaches over a line's end."""
    return "\n".join(texts).encode("utf-8", "surrogatepass")


def _batches(secrets: _Secrets) -> list[list[tuple[bytes, str]]]:
    items = list(secrets.items())
    return [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]


def _register(batch: Iterable[tuple[bytes, str]]) -> None:
    for value, kind in batch:
        known.register(value, kind)


def _remembering(old: Any, new: Any, secrets: _Secrets) -> Any:
    """Return ``new`` with every text that is not in ``old`` remembering ``secrets``."""
    if new is old:
        return new
    if isinstance(new, str):
        removed = _Removed(new)
        removed.length = _length(old)
        removed.secrets = secrets
        return removed
    if isinstance(new, dict) and isinstance(old, dict):
        pairs = zip(new.items(), old.values(), strict=True)
        return {key: _remembering(before, value, secrets) for (key, value), before in pairs}
    if isinstance(new, list | tuple) and isinstance(old, list | tuple):
        return type(new)([_remembering(before, value, secrets) for before, value in zip(old, new, strict=True)])
    return new


def _restore_ids(old: Any, new: dict[str, Any]) -> None:
    """Put back the ids by which Sentry joins events, should a secret be the same string."""
    _keep_ids(old, new)
    trace = _part(_part(new, "contexts"), "trace")
    _keep_ids(_part(_part(old, "contexts"), "trace"), trace)
    for old_span, new_span in zip(_dicts(old.get("spans")), _dicts(new.get("spans")), strict=False):
        _keep_ids(old_span, new_span)


def _keep_ids(old: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in _kept(old, _IDS).items():
        if new.get(key) != value:
            new[key] = value


# --- _meta ----------------------------------------------------------------------------


def _annotated(meta: dict[str, Any], old: Any, new: Any) -> dict[str, Any]:
    """Return ``meta``, the tree beside ``new``, with a remark for every value that differs from ``old``."""
    below: Iterable[tuple[Any, Any, Any]]
    if isinstance(new, dict) and isinstance(old, dict):
        below = ((key, before, value) for (key, value), before in zip(new.items(), old.values(), strict=True))
    elif isinstance(new, list | tuple) and isinstance(old, list | tuple):
        below = ((place, before, value) for place, (before, value) in enumerate(zip(old, new, strict=True)))
    else:
        remarks = _remarks(meta.get(""), old, new)
        return {**meta, "": remarks} if remarks else meta
    changes = {
        str(key): _annotated(_part(meta, str(key)), before, value)
        for key, before, value in below
        if value is not before
    }
    return {**meta, **{key: change for key, change in changes.items() if change}}


def _remarks(entry: Any, old: Any, new: Any) -> dict[str, Any]:
    """Return the entry of one value: its length before, and what stands where in place of what.

    Places are byte offsets in the value as it is sent, as in the SDK's own remarks.
    """
    noted = dict(entry) if isinstance(entry, dict) else {}
    data = new.encode("utf-8", "surrogatepass") if isinstance(new, str) else b""
    remarks: list[list[Any]] = [
        [f"redactor:{_rule_of(data[start:end])}", "s", start, end]
        for start, end in (found.span() for found in PLACEHOLDER.finditer(data))
    ]
    remarks += [["redactor", "m", *found.span()] for found in _MASK.finditer(data)]
    if not remarks and isinstance(old, str):
        remarks = [["redactor", "x"]]
    if remarks:
        earlier = noted.get("rem")
        noted["rem"] = (earlier if isinstance(earlier, list) else []) + remarks
        noted.setdefault("len", _length(old))
    return noted


def _rule_of(placeholder: bytes) -> str:
    """Return the rule in ``[REDACTED:rule:fingerprint]``."""
    return re.split(r"[:\] ]", placeholder.decode("ascii") + ":")[1] or "secret"


def _length(value: Any) -> int:
    if isinstance(value, _Removed):
        return value.length
    if isinstance(value, dict | list | tuple):
        return len(value)
    text = value if isinstance(value, str) else safe_repr(value)
    return len(text.encode("utf-8", "surrogatepass"))
