"""The view of what changes: every changed line, and never a secret."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc

import pytest
from file_scrubbing import CLEAN, DIRTY, SECRET, new_file, redactor
from hypothesis import given
from hypothesis import strategies as st

from redactor.archive.content import RefusedError, Source
from redactor.archive.diff import diff_file, diff_source
from redactor.errors import SourceError
from redactor.rulefiles import load_rules

EXAMPLES = [each for rule in load_rules() for each in rule.examples]


def diff(content: bytes, name: str = "app.log", chunk: int = 262144) -> list[str]:
    """Return the lines of the view of a content."""
    written: list[str] = []
    file = io.BytesIO(content)
    diff_source(name, Source(lambda size: file.read(min(size, chunk))), redactor(), written.append)
    assert SECRET.decode() not in "".join(written)
    return "".join(written).splitlines()


def test_a_line_is_shown_from_both_sides():
    """The old side has the length and the rule of the secret, the new side what replaces it."""
    assert diff(b"first\nsessionid=" + SECRET + b"; theme=dark\nlast") == [
        "--- app.log",
        "+++ app.log",
        "@@ -2 +2 @@",
        "-sessionid=<32 bytes of session>; theme=dark",
        "+sessionid=[REDACTED:session]; theme=dark",
    ]


@pytest.mark.parametrize("chunk", [262144, 3000, 7])
def test_lines_are_counted_however_they_come(chunk):
    """Line numbers and lines are the same for any chunks, and lines without secrets are not shown."""
    content = CLEAN * 5 + DIRTY + CLEAN * 300 + DIRTY.replace(b"\n", b"\r\n") + b"\n" + DIRTY.rstrip()
    hunks = [line for line in diff(content, chunk=chunk) if line.startswith("@@")]
    assert hunks == ["@@ -6 +6 @@", "@@ -307 +307 @@", "@@ -309 +309 @@"]
    assert set(diff(content, chunk=chunk)[2:]) - set(hunks) == {
        "-user=alice sessionid=<32 bytes of session> ok",
        "+user=alice sessionid=[REDACTED:session] ok",
    }


def test_clean_content_has_no_view():
    """Where nothing changes nothing is written."""
    assert diff(CLEAN) == diff(b"") == diff(gzip.compress(CLEAN)) == []


def test_every_secret_of_a_line_is_hidden():
    """Secrets around one that is shown are hidden as well, on both sides."""
    assert diff(b"sid=" + SECRET + b" otp=492817 token=" + SECRET + b"\n")[3:] == [
        "-sid=<32 bytes of session> otp=<6 bytes of otp> token=<32 bytes of token>",
        "+sid=[REDACTED:session] otp=[REDACTED:otp] token=[REDACTED:token]",
    ]


def test_long_lines_are_cut_around_their_secrets():
    """Of a long line 60 bytes before and after each secret are shown, and how many bytes are left out."""
    line = b"a" * 99 + b" sid=" + SECRET + b" " + b"b" * 199 + b" sid=" + SECRET + b" " + b"c" * 99 + b"\n"
    assert diff(line)[3:] == [
        f"-<44 more bytes>{'a' * 55} sid=<32 bytes of session> {'b' * 59}<85 more bytes>{'b' * 55} "
        f"sid=<32 bytes of session> {'c' * 59}<40 more bytes>",
        f"+<44 more bytes>{'a' * 55} sid=[REDACTED:session] {'b' * 59}<85 more bytes>{'b' * 55} "
        f"sid=[REDACTED:session] {'c' * 59}<40 more bytes>",
    ]


def test_a_line_with_many_secrets_is_cut():
    """Of a line with more secrets than can be looked at, the first twenty are shown and the others counted."""
    old, new = diff((b"sid=" + SECRET + b" ") * 50 + b"\n")[3:]
    assert old.count("<32 bytes of session>") == new.count("[REDACTED:session]") == 20
    assert old.endswith("<30 more secrets, not shown>")
    assert new.endswith("<30 more secrets, not shown>")


def test_bytes_that_are_no_text_are_escaped():
    """Control characters, terminal escapes and invalid UTF-8 cannot disturb the screen."""
    assert diff(b"\x1b[2J\0\xff\xc3\xbc sid=" + SECRET + b" \x07\r\n")[3:] == [
        "-\\x1b[2J\\x00\\xff\u00fc sid=<32 bytes of session> \\x07",
        "+\\x1b[2J\\x00\\xff\u00fc sid=[REDACTED:session] \\x07",
    ]


def test_utf_16_is_shown_as_text():
    """UTF-16 is shown as the text it is."""
    assert diff(("one\n" + DIRTY.decode()).encode("utf-16"))[2:] == [
        "@@ -2 +2 @@",
        "-user=alice sessionid=<32 bytes of session> ok",
        "+user=alice sessionid=[REDACTED:session] ok",
    ]


def test_members_are_shown_by_their_names():
    """What changes inside compressed files and archives is shown decoded, each member by its name."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in (
            ("a.log", DIRTY),
            ("b.log", CLEAN),
            ("c.json", b'[{"name": "sid",\n "value": "%s"}]\n' % SECRET),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert diff(gzip.compress(file.getvalue()), "x.tgz") == [
        "--- x.tgz!x.tar!a.log",
        "+++ x.tgz!x.tar!a.log",
        "@@ -1 +1 @@",
        "-user=alice sessionid=<32 bytes of session> ok",
        "+user=alice sessionid=[REDACTED:session] ok",
        "--- x.tgz!x.tar!c.json",
        "+++ x.tgz!x.tar!c.json",
        "@@ -2 +2 @@",
        '- "value": "<32 bytes of session>"}]',
        '+ "value": "[REDACTED:session]"}]',
    ]


def test_files_are_read_and_counted(tmp_path):
    """A file is shown by its path; what cannot be read or scrubbed is refused as scrubbing does."""
    path = new_file(tmp_path / "app.log", DIRTY * 3)
    written: list[str] = []
    assert diff_file(str(path), redactor(), written.append) == 3
    assert written[0] == f"--- {path}\n+++ {path}\n"
    with pytest.raises(SourceError, match="No such file or directory, expected a readable file"):
        diff_file(str(tmp_path / "nope"), redactor(), written.append)
    with pytest.raises(RefusedError, match="ends inside the gzip member at byte 0, expected all of it"):
        diff(gzip.compress(DIRTY)[:-3])


@given(st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=4), st.integers(1, 5000))
def test_no_secret_of_any_rule_is_shown(examples, chunk):
    """The examples of all rules are shown without their secrets, both sides with what stays."""
    text = "\n".join(example.text for example in examples).encode()
    shown = "\n".join(diff(text, chunk=chunk))
    for example in examples:
        for secret in example.secrets:
            if len(secret) >= 16:
                assert secret not in shown


@pytest.mark.parametrize(
    "content", [b"x" * 40_000_000 + b" " + DIRTY, b"sid=" + b"aB3" * 13_000_000], ids=["line", "secret"]
)
def test_memory_is_bounded(content):
    """A line and a secret of 40 MB take a few of its megabytes."""
    written: list[str] = []
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        at += size
        return content[at - size : at]

    tracemalloc.start()
    try:
        assert diff_source("app.log", Source(read), redactor(), written.append) == 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len("".join(written)) < 600
    assert peak < 24_000_000
