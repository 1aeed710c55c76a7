"""Celery: a task's own secrets leave nothing behind, eagerly and in a real worker."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

celery = pytest.importorskip("celery")

from celery.contrib.testing.worker import start_worker  # noqa: E402

from redactor import Redactor, known  # noqa: E402
from redactor.integrations.celery import install  # noqa: E402

SID = "kq7vz2mfw9xr4tbn8s3d"
OTHER = "zt5hc8yl2gqe6jpa4w7m"
MARK = "[REDACTED:session]"

seen: list[str] = []
redactor = Redactor()
app = celery.Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


def note(text: str) -> None:
    seen.append(redactor.text(text))


@app.task(name="shop.refresh")
def refresh(session_id: str, user: str, **more: Any) -> str:
    note(f"{session_id} {user} {more}")
    return session_id


@app.task(name="shop.bound", bind=True)
def bound(self: Any, payload: dict[str, Any], text: str) -> None:
    note(text)


@app.task(name="shop.failing")
def failing(session_id: str) -> None:
    note(session_id)
    raise LookupError(session_id)


@app.task(name="shop.outer")
def outer(session_id: str) -> None:
    bound.apply(args=({"csrf_token": OTHER}, f"{SID} {OTHER}"))
    note(f"{SID} {OTHER}")


@app.task(name="shop.meet")
def meet(session_id: str) -> str:
    meeting.wait()
    note(f"{SID} {OTHER}")
    return session_id


meeting = threading.Barrier(2)


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    seen.clear()
    installation = install(redactor, fields=["device"])
    yield
    installation.uninstall()


CALLS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any], str]] = {
    "by position": (refresh, (SID, "alice"), {}, f"{MARK} alice {{}}"),
    "by keyword": (refresh, (), {"session_id": SID, "user": "alice"}, f"{MARK} alice {{}}"),
    "further keyword": (
        refresh,
        ("none", SID),
        {"refresh_token": SID},
        "none [REDACTED:token] {'refresh_token': '[REDACTED:token]'}",
    ),
    "configured": (
        refresh,
        ("none", "green-house"),
        {"device": "green-house"},
        "none [REDACTED:known-value] {'device': '[REDACTED:known-value]'}",
    ),
    "in a dictionary": (bound, ({"user": {"csrf_token": SID}}, f"<{SID}>"), {}, "<[REDACTED:csrf]>"),
    "in a list": (bound, ({"refresh_token": [SID, OTHER]}, f"<{OTHER}>"), {}, "<[REDACTED:token]>"),
    "in a list of pairs": (bound, ([{"access_token": SID}], f"<{SID}>"), {}, "<[REDACTED:token]>"),
    "harmless": (
        refresh,
        ("not-signed-in", "alice"),
        {"locale": "pt_BR.UTF-8"},
        "not-signed-in alice {'locale': 'pt_BR.UTF-8'}",
    ),
}


@pytest.mark.parametrize(("task", "args", "kwargs", "expected"), CALLS.values(), ids=CALLS)
def test_a_tasks_secrets_go_with_no_name_near_them(
    task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], expected: str
) -> None:
    """What a task is given under a secret's name is removed from what it logs; harmless arguments stay."""
    task.apply(args=args, kwargs=kwargs)
    assert seen == [expected]


def test_the_scope_ends_with_the_task() -> None:
    """After a task, also a failed one, its values are unknown; its result and exception are its own."""
    assert refresh.apply(args=(SID, "alice")).get() == SID
    result = failing.apply(args=(SID,))
    assert (type(result.result), str(result.result)) == (LookupError, SID)
    note(SID)
    assert seen == [f"{MARK} alice {{}}", MARK, SID]
    assert known._here.get() is None


def test_a_task_run_inside_another_knows_both() -> None:
    """A task run eagerly knows its caller's values, and the caller does not know those of the task."""
    outer.apply(args=(SID,))
    assert seen == [f"{MARK} [REDACTED:csrf]", f"{MARK} {OTHER}"]


def test_an_eager_task_knows_its_requests_values() -> None:
    """A task run eagerly inside a request knows the request's values."""
    with known.scope():
        known.register(OTHER)
        refresh.apply(args=(SID, OTHER))
    assert seen == [f"{MARK} [REDACTED:known-value] {{}}"]


def test_odd_arguments_run_as_ever() -> None:
    """Arguments that do not fit the task, cycles and deep nests are passed on unharmed."""
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: Any = SID
    for _ in range(1000):
        deep = [deep]
    bound.apply(args=(cycle, "cycle"))
    bound.apply(args=(deep, "deep"))
    with pytest.raises(TypeError):
        refresh.apply(args=(1, 2, 3)).get()
    assert seen == ["cycle", "deep"]


def test_installing_again_replaces_and_uninstalling_ends() -> None:
    """Two installations register once, with the later redactor; after ``uninstall`` nothing is registered."""
    again = install(redactor)
    refresh.apply(args=("none", "green-house"), kwargs={"device": "green-house"})
    again.uninstall()
    bound.apply(args=({"csrf_token": SID}, SID))
    assert seen == ["none green-house {'device': 'green-house'}", SID]


def test_nothing_is_added_to_the_message() -> None:
    """The broker's message of a task sent inside a request is the one that is sent without this package."""
    sent: list[Any] = []

    def take(body: Any = None, headers: Any = None, properties: Any = None, **_: Any) -> None:
        sent.append((body, {**headers, "id": "", "root_id": ""}))

    celery.signals.before_task_publish.connect(take)
    try:
        refresh.apply_async(args=(1, 2), task_id="x")
        with known.scope():
            known.register(SID)
            refresh.apply_async(args=(1, 2), task_id="x")
    finally:
        celery.signals.before_task_publish.disconnect(take)
    assert sent[0] == sent[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_worker_runs_tasks_that_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real worker with two threads, two tasks at once know their own values and not the other's.

    What the worker logs of a task's result or failure is clean too.
    """
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(redactor.text(handler.format(record)))  # type: ignore[method-assign]
    trace = logging.getLogger("celery.app.trace")
    monkeypatch.setattr(trace, "level", logging.INFO)
    monkeypatch.setattr(trace, "handlers", [handler])
    app.control.purge()
    with start_worker(app, pool="threads", concurrency=2, perform_ping_check=False, loglevel="CRITICAL"):
        results = [meet.delay(value) for value in (SID, OTHER)]
        assert [result.get(timeout=30) for result in results] == [SID, OTHER]
        with pytest.raises(LookupError, match=SID):
            failing.delay(SID).get(timeout=30)
    assert sorted(seen) == sorted([f"{MARK} {OTHER}", f"{SID} {MARK}", MARK])
    assert [re.sub(r"[0-9a-f-]{36}|[0-9.]+s", "#", text).partition("\n")[0] for text in records] == [
        f"Task shop.meet[#] succeeded in #: '{MARK}'",
        f"Task shop.meet[#] succeeded in #: '{MARK}'",
        f"Task shop.failing[#] raised unexpected: LookupError('{MARK}')",
    ]
    assert [text for text in records if SID in text or OTHER in text] == []
