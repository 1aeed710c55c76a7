"""What only real processes show: pipes, signals, full disks, memory."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from contextlib import suppress

import pytest
from cli_samples import CLEAN, COLUMN, LINE


def read_line(stream):
    """Read what has been passed on; fail, rather than hang, when nothing comes."""
    ready, _, _ = select.select([stream], [], [], 30)
    assert ready, "nothing was passed on"
    return os.read(stream.fileno(), 65536)


@pytest.mark.parametrize("options", [(), ("--line-buffered",)])
def test_slow_pipe_is_passed_on_line_by_line(redactor, options):
    """While a pipe stays open, its complete lines come out and its last, unfinished one does not."""
    with redactor.start("scrub", *options, bufsize=0) as process:
        for _ in range(3):
            process.stdin.write(LINE + b"half a li")
            assert read_line(process.stdout) == CLEAN
            process.stdin.write(b"ne\n")
            assert read_line(process.stdout) == b"half a line\n"
        process.stdin.write(b"end")
        process.stdin.close()
        assert process.stdout.read() == b"end"
        assert process.wait() == 0


def test_slow_pipe_is_scanned_line_by_line(redactor):
    """Findings come out while the pipe they come from is still open, and lines go on being counted."""
    with redactor.start("scan", bufsize=0) as process:
        for number in range(1, 4):
            process.stdin.write(LINE)
            assert read_line(process.stdout) == f"-:{number}:{COLUMN}: session\n".encode()
        process.stdin.close()
        assert process.wait() == 1


def test_byte_by_byte(redactor):
    """A source that comes in single bytes gives the same bytes as the whole."""
    with redactor.start("scrub", bufsize=0) as process:
        for byte in LINE:
            process.stdin.write(bytes([byte]))
        process.stdin.close()
        assert process.stdout.read() == CLEAN
        assert process.wait() == 0


def test_non_blocking_pipes(redactor):
    """Standard streams that somebody made non-blocking are waited for."""

    def make_non_blocking():
        os.set_blocking(0, False)
        os.set_blocking(1, False)

    process = redactor.start("scrub", preexec_fn=make_non_blocking)
    time.sleep(0.2)  # long enough for a first read to find nothing, on most runs
    stdout, stderr = process.communicate(LINE * 20_000)
    assert (process.returncode, stderr) == (0, b"")
    assert stdout == CLEAN * 20_000


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_leave_nothing_behind(redactor, write, listing, number, code):
    """A signal ends the work without a word; the destination is as it was and nothing else is there."""
    out = write("out.log", b"old")
    process = redactor.start("scrub", "-o", "out.log", bufsize=0)
    process.stdin.write(LINE)
    while len(listing()) == 1:  # until the new file has been opened
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout, stderr) == (code, b"", b"")
    assert out.read_bytes() == b"old"
    assert listing() == {"out.log"}


def test_signals_in_the_middle_of_the_work(redactor, write, listing):
    """A signal during scanning, not waiting, has the same effect."""
    process = redactor.start("scrub", "-o", "out.log", stdin=subprocess.PIPE, bufsize=0)
    for _ in range(8):
        process.stdin.write(LINE * 4000)
    process.send_signal(signal.SIGTERM)
    with suppress(BrokenPipeError):
        while True:
            process.stdin.write(LINE * 4000)
    process.stdin.close()
    process.stdin = None
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout, stderr) == (143, b"", b"")
    assert listing() == set()


def test_ignored_signals_stay_ignored(redactor):
    """A signal that was ignored at the start, as ``nohup`` does, does not end the work."""
    process = redactor.start("scrub", bufsize=0, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.stdin.write(LINE)
    assert read_line(process.stdout) == CLEAN
    process.send_signal(signal.SIGHUP)
    process.stdin.write(LINE)
    assert read_line(process.stdout) == CLEAN
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout, stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("scrub", "in.log"), 0),
        (("scan", "in.log"), 1),
        (("--help",), 0),
        (("rules", "list"), 0),
        (("explain", LINE), 0),
    ],
)
def test_broken_pipe_is_quiet(redactor, write, args, code):
    """When nobody reads the output, the work ends without a word; scan has findings all the same."""
    write("in.log", LINE * 10_000)
    reader, writer = os.pipe()
    os.close(reader)
    process = redactor.start(*args, stdout=writer)
    os.close(writer)
    _, stderr = process.communicate()
    assert (process.returncode, stderr) == (code, b"")


@pytest.mark.parametrize(
    "args",
    [("scrub", "in.log"), ("scan", "in.log"), ("--help",), ("--version",), ("rules", "list"), ("completion", "zsh")],
)
def test_full_disk(redactor, write, args):
    """A full disk is one line and exit code 3, for every kind of output."""
    write("in.log")
    with open("/dev/full", "wb") as full:
        process = redactor.start(*args, stdout=full)
        _, stderr = process.communicate()
    assert process.returncode == 3
    assert stderr == b"redactor: standard output: No space left on device, expected to be able to write\n"


@pytest.mark.parametrize(
    ("command", "closed", "expected"),
    [
        ("scrub", "<&-", b"redactor: -: closed, expected a readable file\n"),
        ("scrub", ">&-", b"redactor: standard output: closed, expected to be able to write\n"),
        ("scan", ">&-", b"redactor: standard output: closed, expected to be able to write\n"),
        ("scrub nope", "2>&-", b""),
    ],
)
def test_closed_standard_streams(redactor, command, closed, expected):
    """A standard stream that is closed is an error of one line, not another file's misfortune."""
    shell = f'"$@" {command} {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", *redactor.command],
        input=LINE,
        capture_output=True,
        check=False,
        **redactor.options,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", expected)


def peak_memory(redactor, content, copies):
    """Return the peak memory, in KiB, of scrubbing ``content`` ``copies`` times in one line."""
    process = redactor.start("scrub", stdout=subprocess.DEVNULL, bufsize=0)
    for _ in range(copies):
        process.stdin.write(content)
    process.stdin.close()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


def test_memory_is_bounded_on_one_long_line(redactor):
    """A line of 64 MiB takes no more memory than one of 2 MiB, give or take 16 MiB."""
    piece = (b"word " * 200 + LINE.strip() + b" ") * 1000
    assert peak_memory(redactor, piece, 60) < peak_memory(redactor, piece, 2) + 16 * 1024


def on_terminal(redactor, *args, **env):
    """Return the exit code and what a terminal shows of a run."""
    parent, child = pty.openpty()
    options = redactor.options | {"env": redactor.options["env"] | env}
    process = subprocess.Popen([*redactor.command, *args], stdin=child, stdout=child, stderr=child, **options)
    os.close(child)
    shown = b""
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not data:
            break
        shown += data
    os.close(parent)
    return process.wait(), shown.replace(b"\r\n", b"\n")


def test_colours_and_summary_on_a_terminal(redactor, write):
    """On a terminal findings have colours, unless NO_COLOR is set, and scrub says what it did."""
    write("in.log")
    plain = f"in.log:1:{COLUMN}: session\n".encode()
    code, shown = on_terminal(redactor, "scan", "in.log")
    assert code == 1
    assert b"\x1b[31msession\x1b[0m" in shown
    assert on_terminal(redactor, "scan", "in.log", NO_COLOR="1") == (1, plain)
    assert redactor("scan", "in.log").out == plain
    summary = b"redactor: 1 redacted\nredactor:        1 session\n"
    assert on_terminal(redactor, "scrub", "in.log") == (0, CLEAN + summary)
    assert on_terminal(redactor, "scrub", "--no-summary", "in.log") == (0, CLEAN)
