"""The two engines: chosen by name, replaced where missing, and safe to share."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from redactor import PolicyError, Redactor
from redactor.compiler import compile_ruleset
from redactor.engines import ENGINES, choose_engine
from redactor.rulefiles import load_ruleset

TEXT = "sid=kL9xQ2mZ8vBk3J7wT1aN4c"
DONE = "sid=[REDACTED:session]"
_HIDDEN = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == "hyperscan" or name.startswith("hyperscan."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""


def _run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, **environment},
    )


def test_the_engines_have_names() -> None:
    """There are two engines and the choice of the better one."""
    assert ENGINES == ("auto", "hyperscan", "portable")


def test_each_engine_is_what_it_was_asked_for(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine's name chooses it, as an argument or in REDACTOR_ENGINE; the argument wins."""
    assert Redactor(engine=engine).scanner.engine.name == engine
    monkeypatch.setenv("REDACTOR_ENGINE", engine)
    assert Redactor().scanner.engine.name == engine
    monkeypatch.setenv("REDACTOR_ENGINE", "no-such-engine")
    assert Redactor(engine=engine).scanner.engine.name == engine


def test_auto_is_hyperscan_where_it_works(both: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a choice, with auto and with an empty REDACTOR_ENGINE, Hyperscan is used."""
    assert Redactor().scanner.engine.name == "hyperscan"
    for name in ("auto", ""):
        monkeypatch.setenv("REDACTOR_ENGINE", name)
        assert Redactor().scanner.engine.name == "hyperscan"


@pytest.mark.parametrize("name", ["re2", "Hyperscan", " portable", "auto,portable", "x" * 5000])
def test_an_unknown_engine_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name raises a PolicyError of one short line that lists the known ones."""
    monkeypatch.setenv("REDACTOR_ENGINE", name)
    with pytest.raises(PolicyError) as raised:
        Redactor()
    assert "expected one of auto, hyperscan, portable" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200
    with pytest.raises(PolicyError):
        choose_engine(compile_ruleset(load_ruleset()), name)


def test_without_hyperscan_the_portable_engine_is_used(tmp_path: Path) -> None:
    """Where Hyperscan cannot be imported, auto gives the portable engine and the same bytes."""
    code = _HIDDEN + f"from redactor import Redactor; r = Redactor(); print(r.scanner.engine.name, r.text({TEXT!r}))"
    for cache in (str(tmp_path / "cache"), ""):
        done = _run(code, REDACTOR_CACHE_DIR=cache)
        assert (done.stdout, done.stderr, done.returncode) == (f"portable {DONE}\n", "", 0)


def test_without_hyperscan_demanding_it_is_refused() -> None:
    """Where Hyperscan cannot be imported, demanding it is a PolicyError."""
    code = _HIDDEN + (
        "from redactor import Redactor, PolicyError\n"
        "try:\n    Redactor(engine='hyperscan')\nexcept PolicyError as error:\n    print(error)"
    )
    done = _run(code)
    assert done.stdout.startswith("REDACTOR_ENGINE is 'hyperscan', which cannot run here")
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_hyperscan_that_dies_is_not_used(both: object, tmp_path: Path) -> None:
    """Where Hyperscan kills its process, the probe dies in its stead and the portable engine is used."""
    package = tmp_path / "path" / "hyperscan"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n", encoding="utf-8")
    code = f"from redactor import Redactor; r = Redactor(); print(r.scanner.engine.name, r.text({TEXT!r}))"
    path = os.pathsep.join(filter(None, [str(package.parent), os.environ.get("PYTHONPATH", "")]))
    for _ in range(2):  # the second time the answer comes from the cache
        done = _run(code, PYTHONPATH=path, REDACTOR_CACHE_DIR=str(tmp_path / "cache"))
        assert (done.stdout, done.stderr, done.returncode) == (f"portable {DONE}\n", "", 0)


def test_eight_threads_share_a_redactor(engine: str) -> None:
    """Eight threads that use one redactor at once each get the exact results, and the counts add up."""
    redactor = Redactor(engine=engine)
    rounds = 100
    wrong: list[str] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait()
        for turn in range(rounds):
            text = f"{number} {turn} sid=kL9xQ2mZ8vBk3J7wT1aN{number:02}{turn:03} user=alice"
            if redactor.text(text) != f"{number} {turn} {DONE} user=alice":
                wrong.append(text)
            if redactor.value({"token": f"kL9xQ2mZ8vBk3J7wT1aN{turn}"}) != {"token": "[REDACTED:token]"}:
                wrong.append("value")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert redactor.summary.redactions == {"session": 8 * rounds, "token": 8 * rounds}
    assert redactor.summary.errors == 0


_PRELUDE = f"""
import gc, signal, sys
from redactor import Redactor
redactor = Redactor(engine=sys.argv[1])
inner, results = [], []
one, done = {TEXT!r}, {DONE!r}
text, expected = chr(10).join([one] * 2000), chr(10).join([done] * 2000)
"""


def test_a_scan_inside_a_scan_is_exact(engine: str) -> None:
    """A finaliser that redacts while a redaction is under way in its thread disturbs neither."""
    code = _PRELUDE + (
        "class Logging:\n"
        "    def __init__(self):\n"
        "        self.me = self  # only the collector frees it, in the middle of something else\n"
        "    def __del__(self):\n"
        "        inner.append(redactor.text(one))\n"
        "gc.set_threshold(5)\n"
        "for _ in range(20):\n"
        "    made = [Logging() for _ in range(10)]\n"
        "    del made\n"
        "    results.append(redactor.text(text))\n"
        "gc.collect()\n"
        "print(len(inner), set(inner) == {done}, set(results) == {expected})\n"
    )
    finished = _run(code, engine)
    assert (finished.stdout, finished.stderr) == ("200 True True\n", "")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_redaction_in_a_signal_handler_is_exact(engine: str) -> None:
    """A signal handler that redacts while a redaction is under way disturbs neither and never waits for it."""
    code = _PRELUDE + (
        "signal.signal(signal.SIGALRM, lambda *_: inner.append(redactor.text(one)))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.004, 0.004)\n"
        "while len(inner) < 40:\n"
        "    results.append(redactor.text(text))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "print(set(inner) == {done}, set(results) <= {expected})\n"
        "print(redactor.summary.total == len(inner) + 2000 * len(results), redactor.summary.errors)\n"
    )
    finished = _run(code, engine)
    assert (finished.stdout, finished.stderr) == ("True True\nTrue 0\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_can_use_the_redactor(engine: str) -> None:
    """A redactor made and used before a fork works in the child."""
    code = (
        "import os\n"
        "from redactor import Redactor\n"
        f"r = Redactor(engine={engine!r})\n"
        f"assert r.text({TEXT!r}) == {DONE!r}\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        f"    os._exit(0 if all(r.text({TEXT!r}) == {DONE!r} for _ in range(50)) else 1)\n"
        f"assert r.text({TEXT!r}) == {DONE!r}\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = _run(code)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_redactor_may_be_dropped_in_another_thread(engine: str) -> None:
    """A redactor that was used in several threads can be freed in any of them."""
    made = [Redactor(engine=engine)]
    results: list[str] = []

    def work() -> None:
        results.append(made[0].text(TEXT))
        made.pop()
        gc.collect()

    assert made[0].text(TEXT) == DONE
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [DONE]
    assert made == []
