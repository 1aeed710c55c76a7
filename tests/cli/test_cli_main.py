from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cli_samples import CLEAN, LINE, SECRET

from redactor import __version__
from redactor.cli import main
from redactor.cli.options import REDACTION_NAMES
from redactor.replace import REDACTIONS
from redactor.stream import Stream

EXIT_CODES = [
    # arguments, exit code, what stderr says
    (("--version",), 0, None),
    (("--help",), 0, None),
    (("scrub", "clean.log"), 0, None),
    (("scrub", "secret.log"), 0, None),
    (("scrub", "--check", "clean.log"), 0, None),
    (("scrub", "--check", "secret.log"), 1, None),
    (("scrub", "--check", "secret.log", "nope"), 3, "nope: No such file or directory, expected a readable file"),
    (("scan", "clean.log"), 0, None),
    (("scan", "secret.log"), 1, None),
    (("scan", "secret.log", "."), 3, ".: is a directory, expected a file"),
    (("explain", "x"), 0, None),
    (("rules", "list"), 0, None),
    (("completion", "bash"), 0, None),
    ((), 2, "no command, expected one of completion, doctor, explain, key, match, rules, scan, scrub, verify; see 'redactor --help'"),
    (("nope",), 2, "No such command 'nope'."),
    (("scrub", "--nope"), 2, "No such option"),
    (("scrub", "--redaction", "nope"), 2, "Invalid value for '--redaction'"),
    (("scrub", "--redact", "session"), 2, "Invalid value for '--redact': expected RULE_OR_CATEGORY=REDACTION"),
    (("scrub", "--redact", "session=nope"), 2, "Invalid value for '--redact': expected RULE_OR_CATEGORY=REDACTION"),
    (("scrub", "--redact", "nope=mask"), 2, "unknown rule or category 'nope'; see 'redactor rules list'"),
    (("scrub", "--disable", "nope"), 2, "the policy names the unknown rule 'nope'; see 'redactor rules list'"),
    (("scrub", "--allow", "nope"), 2, "nope: No such file or directory, expected a file with one value a line"),
    (("scrub", "--allow", "binary"), 2, "binary: not UTF-8, expected one value a line"),
    (("scrub", "--rules", "nope"), 2, "nope: cannot be read: No such file or directory"),
    (("scrub", "--no-builtin-rules"), 2, "--no-builtin-rules leaves no rules, expected --rules FILE too"),
    (("scrub", "--config", "x", "--no-config"), 2, "--config and --no-config exclude each other"),
    (("scrub", "--redaction", "fingerprint"), 2, "redaction 'fingerprint' needs a key"),
    (("completion", "tcsh"), 2, "Invalid value for '{bash|zsh|fish}'"),
    (("scrub", "nope"), 3, "nope: No such file or directory, expected a readable file"),
    (("scrub", "secret.log", "-o", "."), 3, ".: is a directory, expected a file"),
]


@pytest.mark.parametrize(
    ("args", "code", "said"), EXIT_CODES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_exit_codes(capfd, write, listing, args, code, said):
    """Every way to end has its exit code, and an error is one line on stderr."""
    write("secret.log")
    write("clean.log", CLEAN)
    write("binary", b"\xff\n")
    before = listing()
    assert main(list(args)) == code
    err = capfd.readouterr().err
    if said is None:
        assert err == ""
    else:
        assert err.startswith(f"redactor: {said}")
        assert err.count("\n") == 1
        assert err.endswith("\n")
    assert listing() == before


def test_key_file_that_cannot_be_used(redactor, write):
    """A key file that others can read, or that is not there, is refused without its content."""
    path = write("hmac.key", b"secretsecretsecret")
    path.chmod(0o644)
    for name, problem in ((str(path), "open to other users"), ("nope", "cannot be read")):
        code, out, err = redactor("scrub", stdin=LINE, REDACTOR_HMAC_KEY_FILE=name)
        assert (code, out, err.count("\n")) == (2, b"", 1)
        assert problem in err
        assert "secretsecret" not in err


def test_unknown_engine(redactor):
    """An engine that does not exist is an error of one line."""
    code, _, err = redactor("scrub", stdin=LINE, REDACTOR_ENGINE="nope")
    assert (code, err) == (2, "redactor: REDACTOR_ENGINE is 'nope'; expected one of auto, hyperscan, portable\n")


@pytest.mark.parametrize("engine", ["portable", "hyperscan"])
def test_engines(redactor, engine):
    """Both engines can be chosen and give the same bytes."""
    assert redactor("scrub", stdin=LINE, REDACTOR_ENGINE=engine) == (0, CLEAN, "")


@pytest.mark.parametrize("command", ["scrub", "scan"])
def test_unexpected_errors_tell_nothing(capfd, monkeypatch, write, command):
    """An error that should not happen is one line without its message, which may hold input."""
    write("in.log")

    def fail(self, chunk):
        raise ValueError(chunk)

    monkeypatch.setattr(Stream, "feed", fail)
    assert main([command, "in.log"]) == 3
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("redactor: in.log: internal error (ValueError at test_cli_main.py:")
    assert err.count("\n") == 1
    assert SECRET not in err


@pytest.mark.parametrize("option", ["--version", "--help", "scrub --help", "scan --help", "rules --help"])
def test_help_imports_nothing_slow(redactor, option):
    """The version and the help are shown without engines, rules or parsers having been imported."""
    code = "import sys; from redactor.cli import main; main(sys.argv[1:]); print(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *option.split()], capture_output=True, text=True, check=True, **redactor.options
    )
    modules = set(done.stdout.splitlines()[-1].split())
    assert "redactor.cli" in modules
    slow = {
        "hyperscan",
        "regex",
        "json",
        "tomllib",
        "tempfile",
        "subprocess",
        "redactor.redactor",
        "redactor.rulefiles",
    }
    assert modules & slow == set()


def test_version(redactor):
    """--version names the program and its version."""
    assert redactor("--version") == (0, f"redactor, version {__version__}\n".encode(), "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(redactor, shell):
    """The completion script is printed, and what it calls answers."""
    assert b"_REDACTOR_COMPLETE" in redactor("completion", shell).out
    words = {"COMP_WORDS": "redactor sc", "COMP_CWORD": "sc" if shell == "fish" else "1"}
    code, out, err = redactor(**words, _REDACTOR_COMPLETE=f"{shell}_complete")
    assert (code, err) == (0, "")
    assert b"scan" in out
    assert b"explain" not in out


def test_redaction_names_are_those_of_the_policy():
    """The names that are written out for a fast start are the policy's."""
    assert REDACTION_NAMES == REDACTIONS


def test_main_leaves_the_process_as_it_was(capfd, write):
    """``main`` raises nothing, and signal handlers and the environment are as before."""
    import signal

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)], dict(os.environ)
    write("in.log")
    assert main(["scrub", "in.log"]) == 0
    assert capfd.readouterr().out.encode() == CLEAN
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)], dict(os.environ)
    assert after == before


def test_installed_command(redactor):
    """The installed command and ``python -m redactor`` are the same program."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from redactor.cli import main; sys.exit(main())",
            "scan",
            "--format",
            "jsonl",
        ],
        input=LINE,
        capture_output=True,
        check=False,
        **redactor.options,
    )
    assert (done.returncode, done.stdout) == redactor("scan", "--format", "jsonl", stdin=LINE)[:2]
    assert json.loads(done.stdout)["rule"] == "session"
