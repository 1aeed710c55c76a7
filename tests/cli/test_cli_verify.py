"""``redactor verify``: one line for each file, and the exit codes."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from cli_samples import CLEAN, LINE, SECRET

from redactor import Redactor
from redactor.archive.files import scrub_file
from redactor.archive.manifest import ManifestWriter
from redactor.archive.tasks import Conditions, Task
from redactor.cli import main

FILES = {"a.log": LINE, "b/c.log.gz": gzip.compress(LINE * 2, mtime=0), "b/d.log": b"nothing\n", "z.log": b"1 " + LINE}


@pytest.fixture
def verify(capfd):
    """Run the command here; return its exit code, the lines it prints and what it says on stderr."""

    def verify(*args: str) -> tuple[int, list[str], str]:
        code = main(["verify", *args])
        out, err = capfd.readouterr()
        assert SECRET not in out + err
        return code, out.splitlines(), err

    return verify


@pytest.fixture
def trees(tmp_path) -> Path:
    """Write a tree, its scrubbed copy and their manifest: before, after, run.jsonl."""
    redactor = Redactor()
    with ManifestWriter(str(tmp_path / "run.jsonl"), redactor) as manifest:
        for name, content in FILES.items():
            path = tmp_path / "before" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            task = Task(f"before/{name}", f"after/{name}")
            manifest.add(scrub_file(task, redactor, Conditions(receipt=True)))
        manifest.commit()
    return tmp_path


OK = [
    "before/a.log: ok, 1 redaction",
    "before/z.log: ok, 1 redaction",
    "before/b/c.log.gz: ok, 2 redactions",
    "before/b/d.log: ok, 0 redactions",
]
WITH = pytest.mark.parametrize("options", [(), ("--manifest", "run.jsonl")], ids=["scan", "manifest"])


@WITH
def test_trees_are_proven(verify, trees, options):
    """A tree and its scrubbed copy are proven file by file, also under other names than when they were scrubbed."""
    assert verify("before", "after", *options) == (0, OK, "")
    (trees / "before").rename(trees / "kept")
    code, lines, err = verify("kept", "after", *options)
    assert (code, lines, err) == (0, [line.replace("before", "kept") for line in OK], "")


def test_files_are_proven(verify, write):
    """Two files are compared, whatever they are called."""
    write("app.log.bak")
    write("app.log", CLEAN)
    assert verify("app.log.bak", "app.log") == (0, ["app.log.bak: ok, 1 redaction"], "")
    assert verify("app.log", "app.log") == (0, ["app.log: ok, 0 redactions"], "")
    place = LINE.index(SECRET.encode())
    said = f"app.log.bak: byte {place} begins a secret of session, expected none to be left"
    assert verify("app.log.bak", "app.log.bak") == (1, [said], "")


def test_what_scrub_writes_is_proven(verify, write, key_file, monkeypatch):
    """Every redaction is proven, given the options of the scrubbing; with others it is not."""
    write("app.log")
    monkeypatch.setenv("REDACTOR_HMAC_KEY_FILE", key_file)
    for redaction in ("placeholder", "mask", "fingerprint", "remove"):
        assert main(["scrub", "app.log", "-o", "out.log", "--redaction", redaction, "--no-summary"]) == 0
        assert verify("app.log", "out.log", "--redaction", redaction) == (0, ["app.log: ok, 1 redaction"], "")
    code, lines, _ = verify("app.log", "out.log", "--redaction", "mask")
    assert code == 1
    assert lines == ["app.log: ends at byte 25, expected it to go on"]


@WITH
def test_every_difference_is_told(verify, trees, options):
    """Each file that differs has its line; the others are proven all the same."""
    path = trees / "after" / "z.log"
    path.write_bytes(path.read_bytes().replace(b"alice", b"alive"))
    shutil.copy(trees / "after" / "a.log", trees / "after" / "b" / "more.log")
    (trees / "after" / "b" / "d.log").unlink()
    code, lines, err = verify("before", "after", *options)
    assert (code, err) == (1, "")
    missed = (
        ["before/b/d.log: is in the manifest and was not compared, expected its original and scrubbed file"]
        if options
        else []
    )
    assert lines == [
        OK[0],
        "before/z.log: byte 10 outside the redacted ranges differs",
        OK[2],
        "before/b/d.log: has no scrubbed file, expected one of its name",
        "after/b/more.log: has no original, expected one of its name",
        *missed,
    ]


def test_manifest_of_another_file(verify, trees, write):
    """An original that the manifest does not have is told; that it has others matters for folders only."""
    write("other.log", b"2 " + LINE)
    write("other.out", b"2 " + CLEAN)
    said = "other.log: is not in the manifest, expected an original with its SHA-256"
    assert verify("other.log", "other.out", "--manifest", "run.jsonl") == (1, [said], "")
    assert verify("before/a.log", "after/a.log", "--manifest", "run.jsonl") == (0, OK[:1], "")
    missed = [
        f"before/{name}: is in the manifest and was not compared, expected its original and scrubbed file"
        for name in ("a.log", "z.log")
    ]
    assert verify("before/b", "after/b", "--manifest", "run.jsonl") == (1, OK[2:] + missed, "")


def test_manifests_that_cannot_be_used(verify, trees):
    """A truncated or foreign manifest is refused in one line before anything is compared."""
    path = trees / "run.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b'{"files"')])
    said = "redactor: run.jsonl: is truncated, expected a last line with the number of files\n"
    assert verify("before", "after", "--manifest", "run.jsonl") == (2, [], said)
    path.write_bytes(whole.replace(b'"version":1', b'"version":9'))
    said = "redactor: run.jsonl: is a manifest of another version, expected version 1\n"
    assert verify("before", "after", "--manifest", "run.jsonl") == (2, [], said)
    path.write_bytes(LINE)
    said = "redactor: run.jsonl: is no manifest, expected one that redactor scrub --manifest wrote\n"
    assert verify("before", "after", "--manifest", "run.jsonl") == (2, [], said)


def test_other_rules_are_told(verify, trees):
    """With other rules than those of the manifest its ranges still count, and stderr says so."""
    path = trees / "run.jsonl"
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(json.dumps(json.loads(first) | {"rules": "0" * 64}).encode() + b"\n" + rest)
    code, lines, err = verify("before", "after", "--manifest", "run.jsonl")
    assert (code, lines) == (0, OK)
    assert err == "redactor: run.jsonl: is of other rules than these; the scan for what is left uses these\n"


def test_json(verify, trees):
    """The same as a list of objects that a program can read."""
    path = trees / "after" / "b" / "c.log.gz"
    path.write_bytes(path.read_bytes()[:-2])
    (trees / "after" / "z.log").write_bytes(b"")
    code, lines, _ = verify("before", "after", "--format", "json")
    assert code == 3
    assert json.loads("\n".join(lines)) == [
        {"path": "before/a.log", "result": "ok", "redactions": 1, "problem": ""},
        {
            "path": "before/z.log",
            "result": "differs",
            "redactions": 0,
            "problem": "before/z.log: ends at byte 0, expected it to go on",
        },
        {
            "path": "before/b/c.log.gz",
            "result": "unreadable",
            "redactions": 0,
            "problem": "before/b/c.log.gz: after/b/c.log.gz: ends inside the gzip member at byte 0, expected all of it",
        },
        {"path": "before/b/d.log", "result": "ok", "redactions": 0, "problem": ""},
    ]


def test_empty_trees(verify, tmp_path):
    """Of two empty folders everything is proven."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert verify("one", "two") == (0, [], "")
    assert verify("one", "two", "--format", "json") == (0, ["[]"], "")


def test_wrong_use(verify, trees):
    """A folder and a file, or one path only, are wrong use; what is not there cannot be read."""
    code, lines, err = verify("before", "after/a.log")
    assert (code, lines, err) == (2, [], "redactor: before and after/a.log: expected two files or two folders\n")
    assert verify("before")[:2] == (2, [])
    said = "nope: No such file or directory, expected a readable file"
    assert verify("nope", "after/a.log") == (3, [said], "")
    assert verify("nope", "after/a.log", "--manifest", "run.jsonl")[:1] == (3,)


def test_links_are_not_followed(verify, trees):
    """A link in the place of a scrubbed file is no scrubbed file."""
    (trees / "after" / "a.log").unlink()
    (trees / "after" / "a.log").symlink_to("../before/a.log")
    code, lines, _ = verify("before", "after")
    assert code == 1
    assert lines[0] == "before/a.log: has no scrubbed file, expected one of its name"
