"""Sentry: real events of the real SDK, as the bytes of their envelopes."""

from __future__ import annotations

import base64
import copy
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

sentry_sdk = pytest.importorskip("sentry_sdk")

from sentry_sdk import scope as scopes  # noqa: E402
from sentry_sdk.attachments import Attachment  # noqa: E402
from sentry_sdk.consts import DEFAULT_OPTIONS  # noqa: E402
from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: E402
from sentry_sdk.scrubber import EventScrubber  # noqa: E402
from sentry_sdk.transport import Transport  # noqa: E402

from redactor import Policy, Redactor, known  # noqa: E402
from redactor.integrations.sentry import Installation, install, sentry_options  # noqa: E402
from redactor.redactor import default_redactor  # noqa: E402

OPAQUE = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
SIGNED = "kJ8/Gf5+dS3aQwErTyUiOpLk9GfDsAzX"
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)
CLEAN = "order 1017 of Grace Hopper has no lines"
ERROR = "[REDACTED:error]"

KINDS = {
    "jwt": ("user {} came back", JWT),
    "session-cookie": ("Cookie: theme=dark; sessionid={}; lang=en", OPAQUE),
    "bearer": ("Authorization: Bearer {}", SIGNED),
    "beside-its-name": ("refresh_token={}", OPAQUE),
    "csrf": ("csrf_token={}", SIGNED),
}
KEYS = {
    "jwt": ("note", JWT),
    "session-cookie": ("sessionid", OPAQUE),
    "bearer": ("Authorization", f"Bearer {OPAQUE}"),
    "beside-its-name": ("refresh_token", SIGNED),
    "csrf": ("csrfmiddlewaretoken", OPAQUE),
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": lambda value: quote(value, safe=""),
    "json": lambda value: json.dumps({"note": value}),
}


class Recorder(Transport):
    """Keeps the bytes of every envelope."""

    def __init__(self) -> None:
        super().__init__({"dsn": "http://key@localhost/1"})
        self.envelopes: list[Any] = []
        self.sent: list[bytes] = []
        self.lost: list[str] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.envelopes.append(envelope)
        self.sent.append(envelope.serialize())

    def record_lost_event(self, reason: str, *args: Any, **kwargs: Any) -> None:
        self.lost.append(reason)

    @property
    def bytes(self) -> bytes:
        return b"\n".join(self.sent)

    def payloads(self, kind: str = "event") -> list[Any]:
        """Return the parsed payloads of one type, all of which are valid JSON."""
        sent = [item for envelope in self.envelopes for item in envelope.items if item.type == kind]
        return [json.loads(item.payload.get_bytes()) for item in sent]

    @property
    def event(self) -> Any:
        (event,) = self.payloads()
        return event


def reset() -> None:
    """Give the next test scopes and a client of its own."""
    scopes._global_scope = None
    scopes._isolation_scope.set(None)
    scopes._current_scope.set(None)


@pytest.fixture
def start() -> Iterator[Callable[..., Recorder]]:
    """Return a function that initialises the SDK and returns what it sends."""
    reset()

    def run(*redactor: Redactor, bare: bool = False, **options: Any) -> Recorder:
        recorder = Recorder()
        settled = {
            "dsn": "http://key@localhost/1",
            "transport": recorder,
            "default_integrations": False,
            "auto_enabling_integrations": False,
            **options,
        }
        sentry_sdk.init(**(settled if bare else sentry_options(*redactor, **settled)))
        return recorder

    yield run
    sentry_sdk.get_client().close(timeout=0)
    known.forget_all()
    reset()


# --- every path -----------------------------------------------------------------------


def capture(**event: Any) -> None:
    sentry_sdk.capture_event({"level": "error", **event})


def raising(error: Exception) -> None:
    try:
        raise error
    except Exception:
        sentry_sdk.capture_exception()


def with_variables(**variables: Any) -> None:
    given = variables
    try:
        raise LookupError(f"{len(given)} variables")
    except LookupError:
        sentry_sdk.capture_exception()


def with_cause(text: str) -> None:
    try:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise LookupError("no order") from error
    except LookupError:
        sentry_sdk.capture_exception()


def with_local(text: str) -> None:
    local = text
    try:
        raise LookupError(str(len(local)))
    except LookupError:
        sentry_sdk.capture_exception()


def crumb(**values: Any) -> None:
    sentry_sdk.add_breadcrumb(**values)
    capture(message="crumbs")


def scoped(method: str, *arguments: Any) -> None:
    getattr(sentry_sdk, method)(*arguments)
    capture(message="scoped")


def span(**values: Any) -> None:
    with sentry_sdk.start_transaction(name="GET /orders", op="http.server"), sentry_sdk.start_span(op="db") as child:
        child.description = values.get("description", "SELECT 1")
        for key, value in values.get("data", {}).items():
            child.set_data(key, value)
        for key, value in values.get("tags", {}).items():
            child.set_tag(key, value)


def attached(**values: Any) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.add_attachment(**values)
        capture(message="attached")


TEXTS: dict[str, Callable[[str], None]] = {
    "message": lambda text: sentry_sdk.capture_message(text) and None,
    "logentry-message": lambda text: capture(logentry={"message": text}),
    "logentry-params": lambda text: capture(logentry={"message": "got %s", "params": [text]}),
    "exception": lambda text: raising(ValueError(text)),
    "exception-cause": with_cause,
    "local": with_local,
    "variable": lambda text: with_variables(note=text, nested={"deeper": [text]}),
    "breadcrumb-message": lambda text: crumb(message=text),
    "breadcrumb-data": lambda text: crumb(category="http", data={"note": text}),
    "breadcrumb-category": lambda text: crumb(category=text),
    "tag": lambda text: scoped("set_tag", "note", text),
    "context": lambda text: scoped("set_context", "order", {"note": text, "lines": [{"note": text}]}),
    "extra": lambda text: capture(extra={"note": text, "list": [text, (text,)]}),
    "user": lambda text: scoped("set_user", {"id": "7", "note": text}),
    "request-url": lambda text: capture(request={"url": f"https://example.com/?{text}"}),
    "request-query": lambda text: capture(request={"query_string": text}),
    "request-header": lambda text: capture(request={"headers": {"X-Note": text}}),
    "request-data": lambda text: capture(request={"data": {"note": text}}),
    "request-body": lambda text: capture(request={"data": text}),
    "request-env": lambda text: capture(request={"env": {"NOTE": text}}),
    "request-cookie-string": lambda text: capture(request={"cookies": text}),
    "transaction-name": lambda text: capture(transaction=text),
    "server-name": lambda text: capture(server_name=text, release=text, environment=text, dist=text),
    "logger": lambda text: capture(logger=text),
    "fingerprint": lambda text: capture(fingerprint=["{{ default }}", text]),
    "modules": lambda text: capture(modules={"module": text}),
    "key": lambda text: capture(extra={text: 1, "other": {text: {text: "twice"}}}),
    "thread": lambda text: capture(threads={"values": [{"name": text}]}),
    "span-description": lambda text: span(description=text),
    "span-data": lambda text: span(data={"note": text}),
    "span-tag": lambda text: span(tags={"note": text}),
    "check-in": lambda text: capture(type="check_in", monitor_slug="nightly", status="ok", monitor_config={"n": text}),
    "attachment": lambda text: attached(bytes=text.encode(), filename="note.txt"),
    "attachment-lazy": lambda text: attached(bytes=lambda: text.encode(), filename="note.txt"),
    "attachment-name": lambda text: attached(bytes=b"note", filename=text),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", TEXTS)
def test_no_text_of_an_event_carries_a_secret(
    start: Callable[..., Recorder], path: str, kind: str, spelling: str
) -> None:
    """Whatever field of an event a secret is written in, the envelope's bytes do not have it, and the event arrives."""
    form, secret = KINDS[kind]
    written = SPELLINGS[spelling](secret) if spelling == "percent" else secret
    text = form.format(written)
    recorder = start(traces_sample_rate=1.0)
    TEXTS[path](SPELLINGS["json"](text) if spelling == "json" else text)
    assert len(recorder.sent) == 1
    assert_gone(recorder.bytes, secret)
    assert b"[REDACTED:" in recorder.bytes
    assert b"REDACTED:error" not in recorder.bytes


MAPPINGS: dict[str, Callable[[dict[str, Any]], None]] = {
    "variables": lambda pairs: with_variables(**pairs),
    "breadcrumb-data": lambda pairs: crumb(message="go", data=pairs),
    "context": lambda pairs: scoped("set_context", "session", pairs),
    "tags": lambda pairs: [sentry_sdk.set_tag(*pair) for pair in pairs.items()] and capture(message="tags"),
    "pairs": lambda pairs: capture(contexts={"pairs": {"list": [list(pair) for pair in pairs.items()]}}),
    "extra": lambda pairs: capture(extra=pairs),
    "user": lambda pairs: scoped("set_user", pairs),
    "headers": lambda pairs: capture(request={"headers": pairs}),
    "header-pairs": lambda pairs: capture(request={"headers": [list(pair) for pair in pairs.items()]}),
    "har-pairs": lambda pairs: capture(extra={"pairs": [{"name": name, "value": pairs[name]} for name in pairs]}),
    "cookies": lambda pairs: capture(request={"cookies": pairs}),
    "form": lambda pairs: capture(request={"data": {name: [value] for name, value in pairs.items()}}),
    "json-body": lambda pairs: capture(request={"data": json.dumps(pairs)}),
    "query": lambda pairs: capture(request={"query_string": "&".join(f"{k}={quote(v)}" for k, v in pairs.items())}),
    "env": lambda pairs: capture(request={"env": pairs}),
    "spans": lambda pairs: span(data=pairs, tags=pairs),
}


@pytest.mark.parametrize("scrubber", ["sdk", "none", "recursive", "foreign"])
@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("path", MAPPINGS)
def test_a_value_beside_its_key_is_removed_from_the_whole_event(
    start: Callable[..., Recorder], path: str, kind: str, scrubber: str
) -> None:
    """A value seen beside its key is nowhere in the envelope, even if the SDK's scrubber hides the place it was seen."""
    key, value = KEYS[kind]
    secret = value.removeprefix("Bearer ")
    recorder = start(traces_sample_rate=1.0, event_scrubber=SCRUBBERS[scrubber]())
    sentry_sdk.set_tag("elsewhere", secret[:190])
    sentry_sdk.set_context("elsewhere", {each: SPELLED[each](secret) for each in SPELLED})
    MAPPINGS[path]({key: value, "page": "2"})
    assert len(recorder.sent) == 1
    for spelled in SPELLED.values():
        assert spelled(secret).encode() not in recorder.bytes
    assert b'"page"' in recorder.bytes or b"page=2" in recorder.bytes or b'\\"page\\"' in recorder.bytes


class ForeignScrubber:
    """A scrubber that is not the SDK's."""

    def scrub_event(self, event: Any) -> None:
        for name in ("extra", "tags"):
            if isinstance(event.get(name), dict):
                event[name] = {
                    key: value if key in ("page", "pairs") else "[Gone]" for key, value in event[name].items()
                }


SCRUBBERS: dict[str, Callable[[], Any]] = {
    "sdk": lambda: None,
    "none": lambda: False,
    "recursive": lambda: EventScrubber(recursive=True),
    "foreign": ForeignScrubber,
}
SPELLED: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": lambda value: quote(value, safe=""),
    "twice": lambda value: quote(quote(value, safe=""), safe=""),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "hex": lambda value: value.encode().hex(),
}


def assert_gone(sent: bytes, secret: str) -> None:
    for spelled in (secret, quote(secret, safe=""), secret.replace("/", "\\/"), secret[:24], secret[-24:]):
        assert spelled.encode() not in sent


@pytest.mark.parametrize("path", TEXTS)
def test_a_clean_event_is_what_the_sdk_would_send(start: Callable[..., Recorder], path: str) -> None:
    """Of an event without secrets not a byte is changed, but ids and times that differ from run to run."""
    sent = []
    for bare in (True, False):
        reset()
        recorder = start(bare=bare, traces_sample_rate=1.0)
        TEXTS[path](CLEAN)
        assert len(recorder.sent) == 1
        sent.append(
            re.sub(
                rb"\b[0-9a-f]{16,32}\b|[0-9]{4}-[0-9-]+T[0-9:.]+Z|0x[0-9a-f]+|[0-9]+\.[0-9]{6,}", b"X", recorder.sent[0]
            )
        )
    assert sent[0] == sent[1]
    assert CLEAN.encode() in sent[1]


def test_a_clean_event_is_passed_on_as_it_is() -> None:
    """Each hook returns the very object it was given if it holds no secret."""
    options = sentry_options()
    event = {"message": CLEAN, "extra": {"page": [1, 2.5, None, True, CLEAN]}, "breadcrumbs": {"values": []}}
    for name in ("before_send", "before_send_transaction", "before_breadcrumb"):
        assert options[name](event, {}) is event


@pytest.mark.parametrize("rule", default_redactor().ruleset.rules, ids=lambda rule: rule.id)
def test_an_event_is_redacted_as_its_texts_would_be(rule: Any) -> None:
    """Among other texts every example of every rule is judged as it is alone: all is read as one, but nothing is lost."""
    redactor = default_redactor()
    hook = sentry_options(redactor)["before_send"]
    for example in rule.examples:
        event = {"extra": {"a": CLEAN, "b": [CLEAN, example.text, CLEAN, "x ="], "c": "abc"}}
        redacted = hook(event, {})
        expected = redactor.text(example.text)
        if expected == example.text:
            assert redacted is event
        else:
            text = redacted["extra"]["b"][1]
            assert all(secret not in text for secret in example.secrets if secret not in expected)
            assert text.count("[REDACTED") >= expected.count("[REDACTED")


# --- what the event is for ------------------------------------------------------------


def test_the_template_stays_and_parameters_go(start: Callable[..., Recorder]) -> None:
    """A log message keeps its template, by which Sentry groups, while its parameters and its text are redacted."""
    recorder = start(integrations=[LoggingIntegration(event_level=logging.ERROR)])
    logging.getLogger("shop").error("login of %s with session_id=%s failed", "grace", OPAQUE)
    entry = recorder.event["logentry"]
    assert entry["message"] == "login of %s with session_id=%s failed"
    assert entry["params"] == ["grace", "[REDACTED:session]"]
    assert entry.get("formatted") in (None, "login of grace with session_id=[REDACTED:session] failed")
    assert_gone(recorder.bytes, OPAQUE)


def test_frames_types_and_fingerprint_stay(start: Callable[..., Recorder]) -> None:
    """What Sentry groups by is the same with a secret in the message as without us."""
    grouping = []
    for bare in (True, False):
        reset()
        recorder = start(bare=bare)
        sentry_sdk.get_current_scope().fingerprint = ["{{ default }}", "checkout"]
        with_cause(f"token={OPAQUE}")
        event = recorder.event
        frames = [
            [(frame["module"], frame["function"], frame["lineno"], frame["context_line"]) for frame in frames]
            for frames in (each["stacktrace"]["frames"] for each in event["exception"]["values"])
        ]
        grouping.append((event["fingerprint"], [each["type"] for each in event["exception"]["values"]], frames))
    assert grouping[0] == grouping[1]


def test_meta_says_what_was_removed(start: Callable[..., Recorder]) -> None:
    """``_meta`` has the rule, the bytes in its place and the length before, beside the remarks of the SDK."""
    recorder = start(before_send=lambda event, hint: {**event, "_meta": {"extra": {"n": {"": {"len": 99}}}}})
    capture(extra={"note": f"naïve sid={OPAQUE}, {JWT}", "n": f"sid={OPAQUE}", "list": ["a", JWT, "b"]})
    event = recorder.event
    assert event["extra"]["note"] == "naïve sid=[REDACTED:session], [REDACTED:jwt]"
    assert event["_meta"] == {
        "extra": {
            "note": {
                "": {
                    "rem": [["redactor:session", "s", 11, 29], ["redactor:jwt", "s", 31, 45]],
                    "len": len(f"naïve sid={OPAQUE}, {JWT}".encode()),
                }
            },
            "n": {"": {"rem": [["redactor:session", "s", 4, 22]], "len": 99}},
            "list": {"1": {"": {"rem": [["redactor:jwt", "s", 0, 14]], "len": len(JWT)}}},
        }
    }


@pytest.mark.parametrize(("redaction", "remark"), [("mask", ["redactor", "m", 4, 12]), ("remove", ["redactor", "x"])])
def test_meta_knows_masks_and_removals(start: Callable[..., Recorder], redaction: str, remark: list[Any]) -> None:
    """``_meta`` says of a masked value where the mask is, and of a removed one that it is removed."""
    recorder = start(Redactor(policy=Policy(redaction=redaction)))
    capture(extra={"note": f"sid={OPAQUE}"})
    assert recorder.event["_meta"] == {"extra": {"note": {"": {"rem": [remark], "len": 36}}}}


def test_a_redacted_key_takes_its_meta_along(start: Callable[..., Recorder]) -> None:
    """A key that is a secret is redacted in ``_meta`` too, and two such keys stay two."""
    recorder = start(max_value_length=60)
    other = JWT[:-4] + "AAAA"
    capture(extra={JWT: "x" * 100, other: "y", "[REDACTED:jwt]": "z"})
    event = recorder.event
    assert list(event["extra"]) == ["[REDACTED:jwt]", "[REDACTED:jwt] (2)", "[REDACTED:jwt] (3)"]
    assert event["_meta"]["extra"]["[REDACTED:jwt]"][""]["rem"][0][0] == "!limit"
    assert_gone(recorder.bytes, JWT)


def test_ids_of_sentry_stay(start: Callable[..., Recorder]) -> None:
    """An event keeps its own ids even if the application calls one of them a secret."""
    recorder = start()
    sentry_sdk.capture_event({"event_id": OPAQUE, "message": "x", "extra": {"session_id": OPAQUE}})
    assert recorder.event["event_id"] == OPAQUE
    assert recorder.event["extra"]["session_id"] == "[REDACTED:session]"


def test_words_and_numbers_beside_a_key_are_not_looked_for(start: Callable[..., Recorder]) -> None:
    """A weak password that is a word is removed where it stands, not wherever the word is used."""
    recorder = start()
    capture(message="cannot reach postgresql", extra={"db_password": "postgresql", "otp": "123456", "n": "123456"})
    event = recorder.event
    assert event["extra"] == {"db_password": "[REDACTED:password]", "otp": "[REDACTED:otp]", "n": "123456"}
    assert "postgresql" in json.dumps(event)


def test_many_secrets_are_all_removed_elsewhere(start: Callable[..., Recorder]) -> None:
    """However many secrets an event names, each is removed from the texts that do not name it."""
    recorder = start()
    secrets = [f"{number:04x}{OPAQUE[4:]}" for number in range(200)]
    capture(
        contexts={"named": {f"s{number}": {"session_id": each} for number, each in enumerate(secrets)}},
        message=" ".join(secrets),
    )
    assert not any(each.encode() in recorder.bytes for each in secrets)


def test_known_values_are_removed(start: Callable[..., Recorder]) -> None:
    """A value that the application registered is removed from events, breadcrumbs and attachments, with no name near."""
    recorder = start()
    with known.scope():
        known.register(OPAQUE)
        sentry_sdk.add_breadcrumb(message=f"saw {OPAQUE}")
        sentry_sdk.get_isolation_scope().add_attachment(bytes=OPAQUE.encode(), filename="a.txt")
        capture(message=f"got {OPAQUE}", extra={"session_id": SIGNED})
    assert_gone(recorder.bytes, OPAQUE)


# --- transactions, logs, metrics, spans -----------------------------------------------


def test_a_secret_of_one_span_is_removed_from_the_others(start: Callable[..., Recorder]) -> None:
    """A transaction keeps its spans and their ids; a value named in one is gone from all."""
    recorder = start(traces_sample_rate=1.0)
    with sentry_sdk.start_transaction(name=f"GET /reset/{OPAQUE}", op="http.server"):
        with sentry_sdk.start_span(op="http", name=f"GET https://x.example/?access_token={SIGNED}"):
            pass
        with sentry_sdk.start_span(op="cache", name=f"get {SIGNED}"):
            pass
    (transaction,) = recorder.payloads("transaction")
    assert [each["op"] for each in transaction["spans"]] == ["http", "cache"]
    assert transaction["transaction"] == "GET /reset/[REDACTED:link-path]"
    assert [each["description"] for each in transaction["spans"]] == [
        "GET https://x.example/?access_token=[REDACTED:token]",
        "get [REDACTED:token]",
    ]
    assert_gone(recorder.bytes, SIGNED)
    assert_gone(recorder.bytes, OPAQUE)


logs = pytest.mark.skipif(not hasattr(sentry_sdk, "logger"), reason="this SDK has no logs")
metrics = pytest.mark.skipif("before_send_metric" not in DEFAULT_OPTIONS, reason="this SDK has no metrics")
spans = pytest.mark.skipif("before_send_span" not in DEFAULT_OPTIONS, reason="this SDK streams no spans")


LOGS: dict[str, Any] = (
    {"enable_logs": True} if "enable_logs" in DEFAULT_OPTIONS else {"_experiments": {"enable_logs": True}}
)


class Thing:
    def __repr__(self) -> str:
        return f"<Thing sid={OPAQUE}>"


@logs
@pytest.mark.parametrize("kind", KINDS)
def test_logs_are_redacted(start: Callable[..., Recorder], kind: str) -> None:
    """A log's body, template and attributes are redacted; its parameters too, where only the body names them."""
    form, secret = KINDS[kind]
    recorder = start(**LOGS)
    sentry_sdk.logger.info(
        form.replace("{}", "{value}"), value=secret, attributes={"note": form.format(secret), "n": 3}
    )
    sentry_sdk.logger.info("nothing here", attributes={"thing": Thing(), "page": 2})
    sentry_sdk.flush()
    (batch,) = recorder.payloads("log")
    first, second = batch["items"]
    assert first["attributes"]["n"] == {"value": 3, "type": "integer"}
    assert first["attributes"]["sentry.message.template"]["value"] == form.replace("{}", "{value}")
    assert second["body"] == "nothing here"
    assert second["attributes"]["page"] == {"value": 2, "type": "integer"}
    assert second["attributes"]["thing"]["value"] == "<Thing sid=[REDACTED:session]>"
    assert_gone(recorder.bytes, secret)


@logs
def test_logs_of_the_logging_integration_are_redacted(start: Callable[..., Recorder]) -> None:
    """What ``logging`` writes reaches Sentry's logs without its secrets, one log for one record."""
    recorder = start(**LOGS, integrations=[LoggingIntegration(sentry_logs_level=logging.INFO)])
    logger = logging.getLogger("shop.logs")
    logger.setLevel(logging.INFO)
    logger.info("login with session_id=%s", OPAQUE)
    sentry_sdk.flush()
    ((item,),) = (batch["items"] for batch in recorder.payloads("log"))
    assert item["body"] == "login with session_id=[REDACTED:session]"
    assert item["attributes"]["sentry.message.template"]["value"] == "login with session_id=%s"
    assert item["attributes"]["sentry.message.parameter.0"]["value"] == "[REDACTED:session]"
    assert_gone(recorder.bytes, OPAQUE)


@metrics
def test_metrics_are_redacted(start: Callable[..., Recorder]) -> None:
    """A metric keeps its value and loses the secrets of its attributes."""
    recorder = start()
    sentry_sdk.metrics.count("logins", 3, attributes={"session_id": OPAQUE, "url": f"/x?token={SIGNED}", "n": 1})
    sentry_sdk.flush()
    ((item,),) = (batch["items"] for batch in recorder.payloads("trace_metric"))
    assert (item["name"], item["value"]) == ("logins", 3)
    assert item["attributes"]["session_id"]["value"] == "[REDACTED:session]"
    assert item["attributes"]["n"]["value"] == 1
    assert_gone(recorder.bytes, OPAQUE)
    assert_gone(recorder.bytes, SIGNED)


@spans
@pytest.mark.parametrize("broken", [None, lambda span, hint: 1 / 0, lambda span, hint: None, lambda span, hint: span])
def test_streamed_spans_are_redacted(start: Callable[..., Recorder], broken: Any) -> None:
    """A streamed span leaves without its secrets, also where the user's hook raises or returns no span."""
    recorder = start(traces_sample_rate=1.0, trace_lifecycle="stream", before_send_span=broken)
    attributes = {"session_id": OPAQUE, "note": f"saw {OPAQUE}", "page": 2}
    with sentry_sdk.traces.start_span(name=f"GET /?token={SIGNED}", attributes=attributes):
        pass
    sentry_sdk.flush()
    ((item,),) = (batch["items"] for batch in recorder.payloads("span"))
    assert item["name"].startswith("GET /?token=[REDACTED:")
    assert item["attributes"]["session_id"]["value"] == "[REDACTED:session]"
    assert item["attributes"]["page"]["value"] == 2
    assert_gone(recorder.bytes, OPAQUE)
    assert_gone(recorder.bytes, SIGNED)


# --- attachments ----------------------------------------------------------------------


def test_an_attached_file_is_redacted_and_not_touched(start: Callable[..., Recorder], tmp_path: Any) -> None:
    """A file is sent without secrets under its own name; on disk, and on the scope, it is what it was."""
    path = tmp_path / "app.log"
    content = f"sid={OPAQUE}\nsaw {SIGNED}\n".encode() + bytes(range(256))
    path.write_bytes(content)
    recorder = start()
    sentry_sdk.get_isolation_scope().add_attachment(path=str(path))
    (attachment,) = sentry_sdk.get_isolation_scope()._attachments
    for _ in range(2):
        capture(extra={"refresh_token": SIGNED})
    for envelope in recorder.envelopes:
        item = envelope.items[1]
        assert item.headers["filename"] == "app.log"
        redacted = b"sid=[REDACTED:session]\nsaw [REDACTED:token]\n" + bytes(range(256))
        assert item.payload.get_bytes() == redacted
    assert_gone(recorder.bytes, OPAQUE)
    assert_gone(recorder.bytes, SIGNED)
    assert path.read_bytes() == content
    assert isinstance(attachment, Attachment)
    assert attachment.path == str(path)


def test_a_missing_file_is_sent_empty(start: Callable[..., Recorder], tmp_path: Any) -> None:
    """A file that is not there is what it is to the SDK: empty."""
    recorder = start()
    sentry_sdk.get_isolation_scope().add_attachment(path=str(tmp_path / "none.log"))
    capture(message="x")
    assert recorder.envelopes[0].items[1].payload.get_bytes() == b""


# --- options and the user's hooks -----------------------------------------------------


HOOKS = ["before_send", "before_send_transaction", "before_breadcrumb"]


@pytest.mark.parametrize("name", HOOKS)
def test_the_users_hook_runs_first(name: str) -> None:
    """The user's hook gets the event and its hint before we do, and what it adds is redacted."""
    seen = []

    def mine(event: Any, hint: Any) -> Any:
        seen.append((event, hint))
        return {**event, "message": f"sid={OPAQUE}"}

    hint = {"exc_info": None}
    event = {"message": f"sid={SIGNED}"}
    assert sentry_options(**{name: mine})[name](event, hint)["message"] == "sid=[REDACTED:session]"
    assert seen == [({"message": f"sid={SIGNED}"}, hint)]
    assert seen[0][1] is hint


@pytest.mark.parametrize("name", [*HOOKS, "before_send_log", "before_send_metric"])
def test_none_drops(name: str) -> None:
    """``None`` of the user's hook drops what it was given."""
    options = sentry_options(**{name: lambda event, hint: None})
    assert options[name]({"message": "x"}, {}) is None


def test_an_event_the_user_drops_is_counted_as_dropped(start: Callable[..., Recorder]) -> None:
    """The SDK counts an event that the user's hook drops or fails on as lost, and sends nothing."""
    for hook in (lambda event, hint: None, lambda event, hint: 1 / 0):
        reset()
        recorder = start(before_send=hook)
        capture(message="x")
        assert recorder.sent == []
        assert len(recorder.lost) == 1


def test_a_breadcrumb_survives_the_users_broken_hook(start: Callable[..., Recorder]) -> None:
    """A breadcrumb on which the user's hook fails is kept, redacted."""
    recorder = start(before_breadcrumb=lambda crumb, hint: 1 / 0)
    crumb(message=f"sid={OPAQUE}")
    assert recorder.event["breadcrumbs"]["values"][0]["message"] == "sid=[REDACTED:session]"


def test_options_are_passed_on_and_not_changed() -> None:
    """Every option comes back as it was given, and the given mappings are not changed."""
    experiments = {"before_send_log": lambda log, hint: log, "max_spans": 7}
    given = {"dsn": None, "release": "1.2", "_experiments": experiments}
    kept = copy.copy(experiments)
    options = sentry_options(**given)
    assert (options["dsn"], options["release"], options["_experiments"]["max_spans"]) == (None, "1.2", 7)
    assert experiments == kept
    assert given["_experiments"] is experiments


def test_an_experimental_hook_is_chained() -> None:
    """A hook under ``_experiments`` runs first, wherever this version of the SDK looks for it."""
    options = sentry_options(_experiments={"before_send_log": lambda log, hint: {**log, "body": f"sid={OPAQUE}"}})
    place = options if "before_send_log" in DEFAULT_OPTIONS else options["_experiments"]
    log = {"body": "x", "attributes": {}}
    assert place["before_send_log"](log, {}) == {"body": "sid=[REDACTED:session]", "attributes": {}}


def test_applied_twice_hooks_run_once(start: Callable[..., Recorder]) -> None:
    """``sentry_options`` of its own result is the same set-up: the user's hooks run once."""
    calls = []
    options = {"before_send": lambda event, hint: calls.append(1) or event, "event_scrubber": EventScrubber()}
    recorder = start(**sentry_options(**sentry_options(**options)))
    capture(message=f"sid={OPAQUE}", extra={"session": SIGNED, "note": SIGNED})
    assert calls == [1]
    assert_gone(recorder.bytes, OPAQUE)
    assert_gone(recorder.bytes, SIGNED)


def test_several_clients_work_side_by_side(start: Callable[..., Recorder]) -> None:
    """After a second ``init`` the second client's events are redacted, and the first's still are."""
    first = start()
    client = sentry_sdk.get_client()
    second = start(release="2")
    capture(message=f"sid={OPAQUE}")
    client.capture_event({"message": f"sid={OPAQUE}"})
    for recorder in (first, second):
        assert len(recorder.sent) == 1
        assert_gone(recorder.bytes, OPAQUE)


@pytest.mark.skipif("data_collection" not in DEFAULT_OPTIONS, reason="this SDK has no data_collection")
@pytest.mark.parametrize("where", ["data_collection", "_experiments"])
def test_data_collection_works(start: Callable[..., Recorder], where: str) -> None:
    """With ``data_collection`` there is no scrubber, no warning of one, and nothing leaks."""
    collection = {"user_info": True}
    recorder = start(
        **({where: collection} if where == "data_collection" else {where: {"data_collection": collection}})
    )
    capture(message=f"saw {OPAQUE}", extra={"session_id": OPAQUE})
    assert recorder.event["extra"] == {"session_id": "[REDACTED:session]"}
    assert_gone(recorder.bytes, OPAQUE)


def test_the_users_scrubber_still_scrubs(start: Callable[..., Recorder]) -> None:
    """A scrubber of the user's own does what it did, and what it hides is known to be a secret."""
    recorder = start(event_scrubber=EventScrubber(denylist=["colour", "session_id"], recursive=True))
    capture(message=f"saw {OPAQUE}", extra={"colour": "red", "deep": {"session_id": OPAQUE}})
    assert recorder.event["extra"] == {"colour": "[Filtered]", "deep": {"session_id": "[Filtered]"}}
    assert_gone(recorder.bytes, OPAQUE)


def test_an_events_secrets_are_forgotten(start: Callable[..., Recorder]) -> None:
    """What one event names is not looked for in the next."""
    recorder = start()
    capture(message="x", extra={"session_id": OPAQUE})
    capture(message=f"saw {OPAQUE}")
    assert recorder.payloads()[1]["message"] == f"saw {OPAQUE}"


def test_a_breadcrumb_remembers_what_it_named(start: Callable[..., Recorder]) -> None:
    """A value named in a breadcrumb, and removed from it when it was left, is removed from the event."""
    recorder = start()
    sentry_sdk.add_breadcrumb(message=f"redirect to /?session_id={OPAQUE}")
    (left,) = sentry_sdk.get_isolation_scope()._breadcrumbs
    assert left["message"] == "redirect to /?session_id=[REDACTED:session]"
    assert OPAQUE not in repr(left) + repr(copy.deepcopy(left))
    assert type(copy.deepcopy(left)["message"]) is str
    capture(message=f"saw {OPAQUE}")
    event = recorder.event
    assert event["message"] == "saw [REDACTED:session]"
    remark = event["_meta"]["breadcrumbs"]["values"]["0"]["message"][""]
    assert remark == {"rem": [["redactor:session", "s", 25, 43]], "len": 25 + len(OPAQUE)}
    assert_gone(recorder.bytes, OPAQUE)


# --- failure --------------------------------------------------------------------------


def broken_redactor(monkeypatch: pytest.MonkeyPatch) -> Redactor:
    """Return a redactor whose scanner fails on everything."""
    redactor = Redactor()

    def fail(*_: Any) -> Any:
        raise RuntimeError("scanner is broken")

    for name in ("scan", "scan_value", "rule_of_key"):
        monkeypatch.setattr(redactor.scanner, name, fail)
    return redactor


@pytest.mark.parametrize("path", TEXTS)
def test_our_failure_leaks_nothing_and_loses_nothing(
    start: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """If redaction itself is broken, the event arrives without any text that could not be inspected, and is counted."""
    redactor = broken_redactor(monkeypatch)
    recorder = start(redactor, traces_sample_rate=1.0)
    TEXTS[path](f"{CLEAN} {OPAQUE}")
    assert len(recorder.sent) == 1
    assert OPAQUE.encode() not in recorder.bytes
    assert CLEAN.encode() not in recorder.bytes
    assert redactor.summary.errors >= 1
    for kind in ("event", "transaction", "check_in"):
        for payload in recorder.payloads(kind):
            assert kind == "check_in" or ERROR in json.dumps(payload)


def test_our_failure_keeps_the_group(start: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    """If redaction itself is broken, an exception still has its type and its frames."""
    recorder = start(broken_redactor(monkeypatch))
    raising(ValueError(f"sid={OPAQUE}"))
    event = recorder.event
    (exception,) = event["exception"]["values"]
    frame = exception["stacktrace"]["frames"][-1]
    assert (exception["type"], exception["value"]) == ("ValueError", ERROR)
    assert (frame["function"], frame["filename"].endswith("test_sentry.py"), "vars" in frame) == (
        "raising",
        True,
        False,
    )
    assert event["_meta"]["exception"]["values"]["0"]["value"] == {
        "": {"rem": [["redactor:error", "s", 0, len(ERROR)]]}
    }
    assert event["level"] == "error"


@logs
@metrics
def test_our_failure_keeps_logs_and_metrics(start: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    """If redaction itself is broken, logs and metrics arrive without texts."""
    recorder = start(broken_redactor(monkeypatch), **LOGS)
    sentry_sdk.logger.error(f"sid={OPAQUE}", attributes={"note": OPAQUE})
    sentry_sdk.metrics.gauge("logins", 2.5, attributes={"note": OPAQUE})
    sentry_sdk.flush()
    ((log,),) = (batch["items"] for batch in recorder.payloads("log"))
    ((metric,),) = (batch["items"] for batch in recorder.payloads("trace_metric"))
    assert (log["body"], log["level"]) == (ERROR, "error")
    assert (metric["name"], metric["value"], metric["type"]) == (ERROR, 2.5, "gauge")
    assert OPAQUE.encode() not in recorder.bytes


def test_our_failure_on_an_attachment_sends_none_of_it(
    start: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attachment that cannot be inspected is replaced, name and all."""
    redactor = Redactor()
    monkeypatch.setattr(redactor, "bytes", lambda data: 1 / 0)
    recorder = start(redactor)
    attached(bytes=f"sid={OPAQUE}".encode(), filename="a.txt")
    item = recorder.envelopes[0].items[1]
    assert (item.payload.get_bytes(), item.headers["filename"]) == (ERROR.encode(), ERROR)
    assert redactor.summary.errors == 1


class Evil:
    """An object that fails at everything."""

    def __repr__(self) -> str:
        raise RuntimeError(f"sid={OPAQUE}")

    __str__ = __repr__


def cycle() -> Any:
    loop: dict[str, Any] = {"session_id": OPAQUE}
    loop["again"] = loop
    return loop


def looped() -> Any:
    loop: list[Any] = [OPAQUE]
    loop.append(loop)
    return loop


def deep(levels: int) -> Any:
    value: Any = f"sid={OPAQUE}"
    for _ in range(levels):
        value = [value]
    return value


def shared(levels: int) -> Any:
    value: Any = f"sid={OPAQUE}"
    for _ in range(levels):
        value = [value, value]
    return value


EVIL: dict[str, Callable[[], Any]] = {
    "repr": Evil,
    "cycle": cycle,
    "cycle-beside-a-key": lambda: {"tokens": looped(), "session_id": OPAQUE},
    "deep": lambda: deep(100_000),
    "shared": lambda: shared(9),
    "long": lambda: f"sid={OPAQUE} " + "lorem ipsum " * 900_000,
    "surrogate": lambda: f"\ud800 sid={OPAQUE}",
    "nul": lambda: f"\0sid={OPAQUE}\0",
    "bytes": lambda: f"sid={OPAQUE}".encode(),
    "number-key": lambda: {1: f"sid={OPAQUE}", None: {2.5: f"sid={OPAQUE}"}},
    "set": lambda: {f"sid={OPAQUE}"},
}


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("place", ["extra", "breadcrumb", "hook"])
def test_evil_objects_neither_crash_nor_leak(start: Callable[..., Recorder], place: str, evil: str) -> None:
    """Objects that fail, loop, are deep or long cost nothing but themselves: the event arrives, without secrets."""
    value = EVIL[evil]()
    mine = (lambda event, hint: {**event, "extra": {"evil": value}}) if place == "hook" else None
    recorder = start(before_send=mine)
    if place == "breadcrumb":
        sentry_sdk.add_breadcrumb(message="go", data={"evil": value})
    capture(message="arrived", **({"extra": {"evil": value}} if place == "extra" else {}))
    assert recorder.event["message"] == "arrived"
    assert OPAQUE.encode() not in recorder.bytes
    while type(value) is list and value:
        # Unwound by hand: 100,000 levels are too many for the interpreter's own way.
        value = value[0]


def test_threads_share_nothing(start: Callable[..., Recorder]) -> None:
    """Events of eight threads at once each lose their own secrets and keep everything else."""
    recorder = start()
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(25):
                secret = f"{thread:02x}{number:02x}{OPAQUE[4:]}"
                with sentry_sdk.isolation_scope():
                    sentry_sdk.add_breadcrumb(data={"session_id": secret})
                    capture(message=f"{thread}.{number} saw {secret}", extra={"csrf_token": secret[::-1]})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(each,)) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    messages = sorted(event["message"] for event in recorder.payloads())
    assert messages == sorted(f"{a}.{b} saw [REDACTED:session]" for a in range(8) for b in range(25))
    assert OPAQUE[4:].encode() not in recorder.bytes


# --- a real application ---------------------------------------------------------------


EVERYTHING: dict[str, Any] = (
    {"data_collection": {}} if "data_collection" in DEFAULT_OPTIONS else {"send_default_pii": True}
)


@pytest.mark.parametrize("collected", [{}, EVERYTHING], ids=["little", "everything"])
def test_a_flask_request_leaks_nothing(start: Callable[..., Recorder], collected: dict[str, Any]) -> None:
    """A view that fails during a signed-in request is reported without the session, the tokens or the form's secrets."""
    flask = pytest.importorskip("flask")
    from sentry_sdk.integrations.flask import FlaskIntegration

    recorder = start(
        integrations=[FlaskIntegration(), LoggingIntegration(event_level=None)],
        **collected,
        traces_sample_rate=1.0,
        max_request_body_size="always",
    )
    app = flask.Flask("shop")
    app.secret_key = SIGNED

    @app.route("/login", methods=["POST"])
    def login() -> str:
        flask.session["user"] = "grace"
        return "welcome"

    @app.route("/orders/<number>", methods=["POST"])
    def orders(number: str) -> str:
        signed = flask.request.cookies["session"]
        bearer = flask.request.headers["Authorization"]
        logging.getLogger("shop").warning("orders for session=%s with %s", signed, bearer)
        raise ValueError(f"no order {number} for {signed}")

    client = app.test_client()
    cookie = client.post("/login").headers["Set-Cookie"].split(";")[0].partition("=")[2]
    client.post(
        f"/orders/17?access_token={OPAQUE}",
        data={"csrf_token": OPAQUE[::-1], "comment": "before noon"},
        headers={"Authorization": f"Bearer {JWT}"},
    )
    assert recorder.event["exception"]["values"][-1]["type"] == "ValueError"
    assert [each["transaction"] for each in recorder.payloads("transaction")] == ["login", "orders"]
    for secret in (cookie, OPAQUE, OPAQUE[::-1], JWT, SIGNED):
        assert_gone(recorder.bytes, secret)
    assert b"before noon" in recorder.bytes


# --- install --------------------------------------------------------------------------


@pytest.fixture
def installed() -> Iterator[Installation]:
    installation = install()
    yield installation
    installation.uninstall()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", ["install", "init"])
def test_installed_is_as_by_its_options(start: Callable[..., Recorder], first: str, kind: str) -> None:
    """What a client sends is what it sends when it is made with ``sentry_options``, whichever comes first."""
    shape, secret = KINDS[kind]

    def say(recorder: Recorder) -> list[Any]:
        crumb(message=shape.format(secret))
        with_local(shape.format(secret))
        kept = ("message", "exception", "breadcrumbs", "extra", "_meta")
        return [{name: event.get(name) for name in kept} for event in recorder.payloads()]

    def timeless(events: list[Any]) -> str:
        return re.sub(r'"(timestamp|lineno)": [^,}]+', "", json.dumps(events))

    expected = timeless(say(start()))
    reset()
    if first == "install":
        installation = install()
        recorder = start(bare=True)
    else:
        recorder = start(bare=True)
        installation = install()
    try:
        said = timeless(say(recorder))
    finally:
        installation.uninstall()
    assert said == expected
    assert secret not in said


def test_installed_beside_the_users_hooks(start: Callable[..., Recorder], installed: Installation) -> None:
    """A hook of the user's runs first, with the event as it is; a client made with our options keeps its redactor."""
    seen: list[str] = []

    def hook(event: Any, hint: Any) -> Any:
        seen.append(event["message"])
        return event if "keep" in event["message"] else None

    recorder = start(bare=True, before_send=hook)
    capture(message=f"keep sid={OPAQUE}")
    capture(message="drop")
    assert seen == [f"keep sid={OPAQUE}", "drop"]
    assert recorder.event["message"] == "keep sid=[REDACTED:session]"
    masking = start(Redactor(policy=Policy(redaction="mask")))
    capture(message=f"sid={OPAQUE}")
    assert masking.event["message"] == "sid=********"


def test_installed_again_and_uninstalled(start: Callable[..., Recorder]) -> None:
    """A client gets the redactor that is installed last; uninstalling gives it back its options, each the same."""
    recorder = start(bare=True, before_send=lambda event, hint: event)
    options = sentry_sdk.get_client().options
    before = dict(options)
    installation = install()
    assert install(Redactor(policy=Policy(redaction="mask"))) is installation
    capture(message=f"sid={OPAQUE}")
    assert installation.covered == ("sentry: every client",)
    installation.uninstall()
    installation.uninstall()
    capture(message=f"sid={OPAQUE}")
    assert [event["message"] for event in recorder.payloads()] == ["sid=********", f"sid={OPAQUE}"]
    assert options.keys() == before.keys()
    assert all(value is before[name] for name, value in options.items())
    assert installation.covered == ()


def test_uninstalled_leaves_what_was_set_since(start: Callable[..., Recorder]) -> None:
    """An option that someone has set after us stays, and does nothing of ours."""
    start(bare=True)
    installation = install()
    mine = lambda event, hint: event  # noqa: E731
    sentry_sdk.get_client().options["before_send"] = mine
    installation.uninstall()
    assert sentry_sdk.get_client().options["before_send"] is mine
