"""``redactor scrub`` on files in place, below a folder and in trees; and the same bytes from every way."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import select
import tarfile
import zipfile
from pathlib import Path

import pytest
from cli_samples import CLEAN, DATA, LINE, SECRET

CALM = b"GET /index.html 200\n"


@pytest.fixture
def tree(tmp_path):
    """A tree with two files that have secrets and one that has none."""
    for name, content in {"logs/a.log": LINE, "logs/x/b.log": CALM + LINE, "logs/calm.log": CALM}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "logs"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


DONE = {"a.log": CLEAN, "x/b.log": CALM + CLEAN, "calm.log": CALM}
BEFORE = {"a.log": LINE, "x/b.log": CALM + LINE, "calm.log": CALM}
BACKUPS = {"a.log.bak": LINE, "x/b.log.bak": CALM + LINE}


# --- in place -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("-i", "logs"), DONE),
        (("logs", "-i"), DONE),
        (("--in-place", "logs/"), DONE),
        (("-i", "-j", "2", "logs"), DONE),
        (("-i", "-j0", "logs"), DONE),
        (("-i", "--", "logs"), DONE),
        (("-i.bak", "logs"), DONE | BACKUPS),
        (("--in-place=.bak", "logs", "-j2"), DONE | BACKUPS),
        (("-i", "logs/*.log", "logs/x"), DONE),
        (("--exclude", "-i", "-i", "logs"), DONE),
        (("-i", "--exclude", "x", "logs"), DONE | {"x/b.log": CALM + LINE}),
        (("-i", "--exclude", "*.log", "--exclude", "y", "logs"), BEFORE),
        (("-i", "--check", "--dry-run", "--no-summary", "logs"), BEFORE),
    ],
)
def test_in_place(redactor, tree, args, expected):
    """-i replaces the files that have secrets, wherever it stands, and never takes a PATH for its suffix."""
    code, out, err = redactor("scrub", *args)
    assert (code, out) == (int("--check" in args), b"")
    assert err == "" or "--dry-run" in args
    assert contents(tree) == expected


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("-ij2", "logs"), "Invalid value for '-i' / '--in-place': expected a suffix that begins with one of . ~ _ -"),
        (
            ("-i.b/k", "logs"),
            "Invalid value for '-i' / '--in-place': expected a suffix that begins with one of . ~ _ -",
        ),
        (("-i", "-d", "out", "logs"), "-i and -d exclude each other, expected one of them"),
        (("-o", "out", "-i", "logs"), "-o and -i exclude each other, expected one of them"),
        (("-d", "", "logs"), "-d without a name, expected a folder"),
        (("-i",), "-: is standard input, expected files or folders as PATH"),
        (("-i", "logs", "-"), "-: is standard input, expected files or folders as PATH"),
        (("--filelist", "list", "logs/a.log"), "--filelist and --exclude select files, expected -i, -d, --check"),
        (("--exclude", "x", "logs/a.log"), "--filelist and --exclude select files, expected -i, -d, --check"),
        (("--resume", "journal", "logs/a.log"), "--resume goes on with files, expected -i or -d with it"),
        (("-i", "-j", "-1", "logs"), "Invalid value for '-j' / '--jobs'"),
        (("-i", "--max-size", "1X", "logs"), "Invalid value for '--max-size': expected a number of bytes"),
        (("-i", "--max-size", "0", "logs"), "Invalid value for '--max-size': expected a number of bytes"),
    ],
)
def test_wrong_options(redactor, tree, args, problem):
    """Options that contradict each other, or make no sense, are one line, exit code 2, and nothing is done."""
    code, out, err = redactor("scrub", *args)
    assert (code, out, err.count("\n")) == (2, b"", 1)
    assert err.startswith(f"redactor: {problem}")
    assert contents(tree) == BEFORE


def test_what_fails_does_not_stop_the_rest(redactor, tree):
    """Each file that is not processed is one line on stderr, in order; the others are done: exit code 3."""
    (tree / "a.log").rename(tree / "first.log")
    os.link(tree / "first.log", tree / "second.log")
    (tree / "broken.gz").write_bytes(gzip.compress(LINE)[:-2])
    (tree.parent / "link").symlink_to("logs/calm.log")
    code, out, err = redactor("scrub", "-i", "nope", "logs", "link")
    assert (code, out) == (3, b"")
    first, second, third, fourth, fifth = err.splitlines()
    assert first == "redactor: nope: No such file or directory, expected a file or folder"
    assert second.startswith("redactor: logs/broken.gz: ends inside the gzip member at byte 0")
    several = "has 2 names (hard links), expected one: the others would stay"
    assert (third, fourth) == (f"redactor: logs/first.log: {several}", f"redactor: logs/second.log: {several}")
    assert fifth == "redactor: link: is a symbolic link, expected a regular file"
    assert (tree / "x/b.log").read_bytes() == CALM + CLEAN
    assert (tree / "first.log").read_bytes() == LINE


def test_files_that_somebody_writes_to(redactor, tree):
    """A file that is open for writing is left alone: exit code 4, which goes before 3."""
    with (tree / "a.log").open("ab"):
        code, out, err = redactor("scrub", "-i", "logs", "nope")
    if code == 3:
        pytest.skip("no leases here")
    assert (code, out) == (4, b"")
    assert err == (
        "redactor: logs/a.log: is open for writing elsewhere, expected that nobody writes to it; "
        "it is left as it is (rotate it first)\n"
        "redactor: nope: No such file or directory, expected a file or folder\n"
    )
    assert contents(tree) == DONE | {"a.log": LINE}


# --- below a folder -------------------------------------------------------------------------


def test_below_a_folder(redactor, tree, tmp_path):
    """-d writes every file, clean or not, under its name below the folder; the sources stay."""
    assert redactor("scrub", "-d", "out", "logs") == (0, b"", "")
    assert (contents(tmp_path / "out"), contents(tree)) == (DONE, BEFORE)
    assert redactor("scrub", "-d", "out", "-j2", "logs") == (0, b"", "")
    assert contents(tmp_path / "out") == DONE


def test_below_a_folder_inside_the_tree(redactor, tree):
    """The results of one run are no sources of the next."""
    for _ in range(2):
        assert redactor("scrub", "-d", "logs/out", "logs") == (0, b"", "")
        assert contents(tree) == BEFORE | {f"out/{name}": content for name, content in DONE.items()}


# --- lists ----------------------------------------------------------------------------------


def test_lists_of_files(redactor, tree, tmp_path):
    """--filelist adds the paths of a file or of standard input, one a line or, with -0, ended by NULs."""
    (tmp_path / "list").write_bytes(b"logs/a.log\n")
    assert redactor("scrub", "-i", "--filelist", "list") == (0, b"", "")
    assert contents(tree) == BEFORE | {"a.log": CLEAN}
    odd = os.fsdecode(b"odd\n\xff.log")
    (tree / odd).write_bytes(LINE)
    listed = os.fsencode(f"logs/{odd}") + b"\0logs/x\0"
    assert redactor("scrub", "-i", "--filelist", "-", "-0", stdin=listed) == (0, b"", "")
    assert contents(tree) == DONE | {odd: CLEAN}


def test_a_list_that_is_not_there(redactor, tree):
    """A list that cannot be read ends the run before it begins."""
    problem = "redactor: nope: No such file or directory, expected a list of files\n"
    assert redactor("scrub", "-i", "logs", "--filelist", "nope") == (3, b"", problem)
    assert contents(tree) == BEFORE


# --- counting and telling -------------------------------------------------------------------


def test_counting_in_trees(redactor, tree):
    """--check and --dry-run take trees without -i or -d, and write nothing."""
    assert redactor("scrub", "--check", "logs") == (1, b"", "")
    assert redactor("scrub", "--check", "logs/calm.log", "--exclude", "x") == (0, b"", "")
    summary = (
        "redactor: 2 redacted in 2 of 3 files\n"
        "redactor:        2 session\n"
        "redactor: files with most:\n"
        "redactor:        1 logs/a.log\n"
        "redactor:        1 logs/x/b.log\n"
    )
    assert redactor("scrub", "--dry-run", "-j2", "logs") == (0, b"", summary)
    assert contents(tree) == BEFORE


def test_the_summary_says_what_is_left_to_do(redactor, tree):
    """After scrubbing, the summary names rules, files, what was left alone, and the next steps."""
    (tree / "a.log").write_bytes(LINE * 3)
    code, out, err = redactor("scrub", "-i.bak", "--summary", "logs", "nope")
    assert (code, out) == (3, b"")
    assert err == (
        "redactor: nope: No such file or directory, expected a file or folder\n"
        "redactor: 4 redacted in 2 of 4 files\n"
        "redactor:        4 session\n"
        "redactor: files with most:\n"
        "redactor:        3 logs/a.log\n"
        "redactor:        1 logs/x/b.log\n"
        "redactor: 1 file not processed and left as they are, see above\n"
        "redactor: next: end the sessions and renew the keys and tokens that were found; "
        "who could read the files may have them\n"
        "redactor: next: remove the backups, shown by their suffix .bak: the secrets are in them\n"
        "redactor: next: look for other copies: backups, snapshots, object versions, search indices, "
        "where the logs are shipped to\n"
    )
    assert redactor("scrub", "-i", "--summary", "logs/calm.log") == (0, b"", "redactor: nothing to redact in 1 file\n")


def test_resuming(redactor, tree):
    """With --resume, what is done is noted and left out the next time, and what has changed is done again."""
    assert redactor("scrub", "-i", "--resume", "logs/journal", "logs") == (0, b"", "")
    (tree / "a.log").write_bytes(LINE + LINE)
    told = (
        "redactor: 2 redacted in 1 of 1 file\nredactor:        2 session\nredactor: 2 files done before, see the journal\n"
    )
    code, out, err = redactor("scrub", "-i", "--resume", "logs/journal", "--summary", "logs")
    assert (code, out, "".join(line for line in err.splitlines(keepends=True) if "next:" not in line)) == (0, b"", told)
    assert {name: content for name, content in contents(tree).items() if name != "journal"} == DONE | {
        "a.log": CLEAN + CLEAN
    }


def test_limits(redactor, tmp_path):
    """--max-size, --max-ratio and --max-depth refuse what unfolds too far, and the file stays."""
    inner = gzip.compress(gzip.compress(LINE * 50_000))
    for options in (("--max-size", "1M"), ("--max-depth", "1")):
        (tmp_path / "bomb.gz").write_bytes(inner)
        code, out, err = redactor("scrub", "-i", *options, "bomb.gz")
        assert (code, out, err.count("\n")) == (3, b"", 1)
        assert f"({options[0]})" in err
        assert (tmp_path / "bomb.gz").read_bytes() == inner
    assert redactor("scrub", "-i", "--max-depth", "2", "--max-size", "1G", "bomb.gz") == (0, b"", "")


# --- every way gives the same bytes ---------------------------------------------------------


def tarred(content):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("app.log")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("app.log"), content)
    return file.getvalue()


def har(content):
    cookie = {"name": "sid", "value": SECRET, "httpOnly": True}
    return json.dumps({"log": {"entries": [{"request": {"cookies": [cookie]}}], "note": content.decode()}}, indent=1)


SAMPLES = {
    "text": bytes,
    "clean": lambda content: CALM * 9000,
    "empty": lambda content: b"",
    "utf-16": lambda content: content.decode().encode("utf-16"),
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "two gzip members": lambda content: gzip.compress(CALM, mtime=0) + gzip.compress(content, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "tar": tarred,
    "tar.gz": lambda content: gzip.compress(tarred(content), mtime=0),
    "zip": zipped,
    "har": lambda content: har(content).encode(),
    "json lines": lambda content: b"".join(
        json.dumps({"n": n, "sid": SECRET, "note": content.decode()}).encode() + b"\n" for n in range(99)
    ),
    "sample": lambda content: (DATA / "sample.log").read_bytes(),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_way_gives_the_same_bytes(redactor, tmp_path, sample):
    """In place, below a folder, -o, standard output, from a file or a pipe: the bytes are the same."""
    content = SAMPLES[sample](CALM * 3 + LINE)
    path = tmp_path / "app.log"
    path.write_bytes(content)
    from_pipe = redactor("scrub", stdin=content)
    assert (from_pipe.code, from_pipe.err) == (0, "")
    assert SECRET.encode() not in from_pipe.out
    assert redactor("scrub", "app.log") == from_pipe
    with path.open("rb") as file:
        process = redactor.start("scrub", stdin=file)
        assert process.communicate() == (from_pipe.out, b"")
    for options in (("-o", "out.log"), ("-d", "out"), ("-i",)):
        assert redactor("scrub", "app.log", *options) == (0, b"", "")
    ways = (tmp_path / "out.log", tmp_path / "out" / "app.log", path)
    assert [way.read_bytes() == from_pipe.out for way in ways] == [True] * 3


def test_several_processes_give_the_same_stream(redactor, tmp_path):
    """-j makes no difference to what comes out, of a file large enough to be cut as well."""
    content = (CALM * 60 + LINE) * 14_000
    (tmp_path / "app.log").write_bytes(content)
    alone = redactor("scrub", "--summary", "app.log")
    assert alone.out == content.replace(SECRET.encode(), b"[REDACTED:session]")
    assert redactor("scrub", "--summary", "-j2", "app.log") == alone


def _next_line(process):
    """Return what the process writes up to a line's end, without waiting for more; fails after 30 seconds."""
    written = b""
    while not written.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], 30)
        assert ready, "nothing was passed on"
        written += os.read(process.stdout.fileno(), 65536)
    return written


def test_json_lines_keep_up_with_a_pipe(redactor):
    """Lines of JSON are passed on while their pipe stays open, and a document is read to its end."""
    line = json.dumps({"cookies": [{"name": "sid", "value": SECRET}]}).encode() + b"\n"
    done = line.replace(SECRET.encode(), b"[REDACTED:session]")
    with redactor.start("scrub", bufsize=0) as process:
        for _ in range(3):
            process.stdin.write(line + line[:20])
            assert _next_line(process) == done
            process.stdin.write(line[20:])
            assert _next_line(process) == done
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait() == 0


def test_broken_containers_in_streams(redactor, tmp_path):
    """A container that is cut short is one line and exit code 3, and -o is as it was."""
    (tmp_path / "broken.gz").write_bytes(gzip.compress(LINE)[:-2])
    (tmp_path / "out").write_bytes(b"old")
    code, out, err = redactor("scrub", "broken.gz", "-o", "out")
    assert (code, out, err.count("\n")) == (3, b"", 1)
    assert err.startswith("redactor: broken.gz: ends inside the gzip member at byte 0")
    assert (tmp_path / "out").read_bytes() == b"old"


def test_left_over_temporaries_are_swept(redactor, tree, tmp_path):
    """What killed runs left behind is removed by the next one that writes there, and by no other."""
    left_over = [folder / ".redactor-0123456789abcdef" for folder in (tree, tree / "x", tmp_path)]
    for path in left_over:
        path.write_bytes(LINE)
    redactor("scrub", "--dry-run", "-i", "logs")
    assert [path.exists() for path in left_over] == [True, True, True]
    redactor("scrub", "-i", "logs")
    assert [path.exists() for path in left_over] == [False, False, True]
    redactor("scrub", "logs/a.log", "-o", "out.log")
    assert [path.exists() for path in left_over] == [False, False, False]
    assert Path(tmp_path / "out.log").read_bytes() == CLEAN


def test_a_manifest_is_what_verify_asks_for(redactor, tree, tmp_path):
    """The manifest of a run proves its copies, and no copy that was changed since."""
    assert redactor("scrub", "-d", "out", "--manifest", "receipt.jsonl", "logs") == (0, b"", "")
    assert SECRET not in (tmp_path / "receipt.jsonl").read_text()
    assert redactor("verify", "logs", "out", "--manifest", "receipt.jsonl").code == 0
    with (tmp_path / "out" / "a.log").open("ab") as file:
        file.write(b"more")
    assert redactor("verify", "logs", "out", "--manifest", "receipt.jsonl").code == 1


def test_a_diff_shows_the_places_and_no_secret(redactor, tree):
    """With --diff nothing is written, and the old side shows a secret as its length and rule."""
    code, out, err = redactor("scrub", "--diff", "logs/a.log")
    assert (code, err) == (0, "")
    assert b"bytes of session>" in out
    assert b"[REDACTED:session]" in out
    assert SECRET.encode() not in out
    assert contents(tree) == BEFORE
