from __future__ import annotations

import codecs
import json
import os
import stat

import pytest
from cli_samples import CLEAN, DATA, LINE, SECRET

from redactor import Redactor

SAMPLE = DATA / "sample.log"


def test_stdin_and_file_give_what_the_library_gives(redactor, tmp_path):
    """Standard input, a FILE and -o give the same bytes as the library."""
    expected = Redactor().bytes(SAMPLE.read_bytes())
    assert redactor("scrub", stdin=SAMPLE.read_bytes()).out == expected
    assert redactor("scrub", "-", stdin=SAMPLE.read_bytes()).out == expected
    assert redactor("scrub", SAMPLE).out == expected
    assert redactor("scrub", SAMPLE, "-o", "out.log") == (0, b"", "")
    assert (tmp_path / "out.log").read_bytes() == expected


def test_labelled_secrets_are_gone(redactor):
    """No labelled secret of a realistic log is in the output."""
    lines = SAMPLE.read_bytes().splitlines()
    labels = json.loads((DATA / "sample.log.secrets.json").read_text())
    secrets = [lines[label["line"] - 1][label["start"] : label["end"]] for label in labels]
    assert secrets
    out = redactor("scrub", SAMPLE).out
    assert [label for label, secret in zip(labels, secrets, strict=True) if secret in out] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (LINE.rstrip(), CLEAN.rstrip()),
        (LINE.replace(b"\n", b"\r\n"), CLEAN.replace(b"\n", b"\r\n")),
        (b"\xff\xfe\xfd \x80" + LINE, None),
        (b"\x80\xc3 " + LINE + b"\xf0\x28", b"\x80\xc3 " + CLEAN + b"\xf0\x28"),
        (b"\0\0 " + LINE + b"\0", b"\0\0 " + CLEAN + b"\0"),
        (codecs.BOM_UTF8 + LINE, codecs.BOM_UTF8 + CLEAN),
        (
            codecs.BOM_UTF16_LE + LINE.decode().encode("utf-16-le"),
            codecs.BOM_UTF16_LE + CLEAN.decode().encode("utf-16-le"),
        ),
        (
            codecs.BOM_UTF16_BE + LINE.decode().encode("utf-16-be"),
            codecs.BOM_UTF16_BE + CLEAN.decode().encode("utf-16-be"),
        ),
        (LINE + b"\x0b\x0c\x85\r" + LINE, CLEAN + b"\x0b\x0c\x85\r" + CLEAN),
    ],
)
def test_bytes_outside_secrets_stay(redactor, write, given, expected):
    """Whatever the encoding and the line ends, bytes outside secrets are the same."""
    if expected is None:  # a byte order mark of UTF-16 in front of something else
        expected = Redactor().bytes(given)
    assert redactor("scrub", stdin=given) == (0, expected, "")
    assert redactor("scrub", write("in.log", given)) == (0, expected, "")


def test_several_sources_are_concatenated(redactor, write):
    """Several PATHs, standard input among them, come out one after the other."""
    first, last = write("a.log", b"a " + LINE), write("b.log", b"b " + LINE)
    assert redactor("scrub", first, "-", last, stdin=b"- " + LINE).out == b"a " + CLEAN + b"- " + CLEAN + b"b " + CLEAN


@pytest.mark.parametrize("secrets", [0, 1])
def test_blocks_and_long_lines(redactor, write, secrets):
    """Over many blocks, and in a line longer than any block, the bytes are those of the whole."""
    content = (b"x=1 y=22 " * 40 + LINE * secrets) * 3000 + b"word " * 200_000 + LINE
    expected = content.replace(SECRET.encode(), b"[REDACTED:session]")
    assert redactor("scrub", write("big.log", content)).out == expected
    assert redactor("scrub", stdin=content).out == expected
    assert redactor("scrub", "--line-buffered", stdin=content).out == expected


# --- what stands in a secret's place --------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "[REDACTED:session]"),
        (("--redaction", "placeholder"), "[REDACTED:session]"),
        (("--redaction", "mask"), "********"),
        (("--redaction", "remove"), ""),
        (("--redact", "session=mask"), "********"),
        (("--redact", "session=remove", "--redaction", "mask"), ""),
        (("--redact", "jwt=mask"), "[REDACTED:session]"),
        (("--redact", "token=mask", "--redact", "session=mask"), "********"),
        (("--disable", "session", "--disable", "listed-value"), SECRET),
    ],
)
def test_redactions(redactor, options, expected):
    """--redaction is the default, --redact overrides it by rule or category, --disable switches a rule off."""
    assert redactor("scrub", *options, stdin=LINE).out.decode() == f"user=alice sessionid={expected} ok\n"


def test_categories_are_more_than_their_rules(redactor):
    """--redact with a category counts for a rule that is not called like it."""
    out = redactor(
        "scrub", "--redact", "link=mask", stdin=b"GET /reset/MQ/c3po1s-9f8e7d6c5b4a39281706f5e4d3c2b1a0/ x"
    ).out
    assert out == b"GET /reset/MQ/********/ x"


def test_fingerprints(redactor, key_file):
    """With a key, equal secrets have equal fingerprints, other secrets others, and the secret is not in them."""
    other = LINE.replace(b"ml9", b"xk7")
    out = redactor(
        "scrub", "--redaction", "fingerprint", stdin=LINE + LINE + other, REDACTOR_HMAC_KEY_FILE=key_file
    ).out
    first, second, third = out.splitlines()
    assert first == second != third
    start, end = b"user=alice sessionid=[REDACTED:session:", b".k1] ok"
    assert first.startswith(start)
    assert first.endswith(end)
    assert len(first) == len(start) + 12 + len(end)


def test_allowed_values_stay(redactor, write):
    """A value in an --allow file stays, whatever its line ends; only whole values count."""
    assert redactor("scrub", "--allow", write("allow", f"\r\n{SECRET}\r\n".encode()), stdin=LINE).out == LINE
    assert redactor("scrub", "--allow", write("allow", SECRET[:-1].encode()), stdin=LINE).out == CLEAN


RULE = b"""
[[rule]]
id = "acme"
category = "vendor"
title = "Acme key"
names = ["acme_key"]
[[rule.example]]
text = "acme_key=Zk3v9QxT1mB7"
secrets = ["Zk3v9QxT1mB7"]
"""


def test_own_rules(redactor, write):
    """--rules adds rules to the built-in ones, and with --no-builtin-rules they are the only ones."""
    text = LINE + b"acme_key=Zk3v9QxT1mB7pW\n"
    own = write("own.toml", RULE)
    assert redactor("scrub", stdin=text).out == CLEAN + b"acme_key=Zk3v9QxT1mB7pW\n"
    assert redactor("scrub", "--rules", own, stdin=text).out == CLEAN + b"acme_key=[REDACTED:acme]\n"
    assert (
        redactor("scrub", "--rules", own, "--no-builtin-rules", stdin=text).out == LINE + b"acme_key=[REDACTED:acme]\n"
    )


# --- counting -------------------------------------------------------------------------


def test_check_writes_nothing(redactor, write, listing):
    """--check says by its exit code alone whether something would be redacted."""
    secret, clean = write("secret.log"), write("clean.log", CLEAN)
    assert redactor("scrub", "--check", secret, "-o", "out.log") == (1, b"", "")
    assert redactor("scrub", "--check", clean) == (0, b"", "")
    assert redactor("scrub", "--check", clean, secret) == (1, b"", "")
    assert redactor("scrub", "--check", "-", stdin=LINE) == (1, b"", "")
    assert listing() == {"secret.log", "clean.log"}


def test_dry_run_counts(redactor, write, listing):
    """--dry-run writes nothing but how many secrets each rule finds."""
    source = write("secret.log", LINE * 2 + b"password=hunter22x\n")
    expected = "redactor: 3 redacted\nredactor:        2 session\nredactor:        1 password\n"
    assert redactor("scrub", "--dry-run", source, "-o", "out.log") == (0, b"", expected)
    assert redactor("scrub", "--dry-run", "--check", source) == (1, b"", expected)
    assert redactor("scrub", "--dry-run", stdin=CLEAN) == (0, b"", "redactor: nothing to redact\n")
    assert listing() == {"secret.log"}


def test_summary_is_on_stderr(redactor):
    """--summary leaves stdout to the data, and off a terminal nothing is said unless it is asked for."""
    expected = "redactor: 1 redacted\nredactor:        1 session\n"
    assert redactor("scrub", "--summary", stdin=LINE) == (0, CLEAN, expected)
    assert redactor("scrub", stdin=LINE) == (0, CLEAN, "")


# --- destinations ---------------------------------------------------------------------


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_new_destination_is_private(redactor, write, tmp_path, listing):
    """A new destination has mode 0600, and nothing else is left behind."""
    write("in.log")
    assert redactor("scrub", "in.log", "-o", "out.log") == (0, b"", "")
    assert (tmp_path / "out.log").read_bytes() == CLEAN
    assert mode(tmp_path / "out.log") == 0o600
    assert listing() == {"in.log", "out.log"}


def test_existing_destination_keeps_its_mode(redactor, write, listing):
    """A destination that exists is replaced by a new file of the same mode."""
    write("in.log")
    out = write("out.log", b"old, and longer than what replaces it\n" * 9)
    out.chmod(0o640)
    before = out.stat().st_ino
    assert redactor("scrub", "in.log", "-o", out).code == 0
    assert out.read_bytes() == CLEAN
    assert mode(out) == 0o640
    assert out.stat().st_ino != before
    assert listing() == {"in.log", "out.log"}


def test_longest_file_names(redactor, write, tmp_path, listing):
    """A destination's name may be 255 bytes long, as long as names can be."""
    write("in.log")
    for name in ("n" * 255, "é" * 127 + "x"):
        assert redactor("scrub", "in.log", "-o", name) == (0, b"", "")
        assert (tmp_path / name).read_bytes() == CLEAN
    assert len(listing()) == 3


def test_awkward_file_names(redactor, tmp_path):
    """Names with newlines and invalid UTF-8 work, and are escaped in messages."""
    name = os.fsdecode(b"a\n\xff.log")
    (tmp_path / name).write_bytes(LINE)
    assert redactor("scrub", name).out == CLEAN
    assert redactor("scrub", name + "x").err == (
        "redactor: a\\n\\xff.logx: No such file or directory, expected a readable file\n"
    )


def test_symbolic_link_stays(redactor, write, tmp_path):
    """A destination that is a symbolic link stays one; the file it names is replaced."""
    write("in.log")
    target = write("target.log", b"old")
    (tmp_path / "link.log").symlink_to("target.log")
    assert redactor("scrub", "in.log", "-o", "link.log").code == 0
    assert (tmp_path / "link.log").is_symlink()
    assert target.read_bytes() == CLEAN


def test_devices_are_written_and_not_replaced(redactor, write):
    """A destination that is no regular file is written directly."""
    write("in.log")
    assert redactor("scrub", "in.log", "-o", os.devnull) == (0, b"", "")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert redactor("scrub", "in.log", "-o", "/dev/stdout").out == CLEAN
    assert redactor("scrub", "in.log", "-o", "-").out == CLEAN


@pytest.mark.parametrize("destination", [".", "no/such/out.log", "in.log/out.log", "/dev/full", "n" * 256])
def test_destinations_that_cannot_be_written(redactor, write, listing, destination):
    """A destination that cannot be written is one line, exit code 3 and no trace."""
    write("in.log")
    code, out, err = redactor("scrub", "in.log", "-o", destination)
    assert (code, out) == (3, b"")
    assert err.startswith(f"redactor: {destination}: ")
    assert err.count("\n") == 1
    assert listing() == {"in.log"}


def test_source_as_destination_is_refused(redactor, write, tmp_path, listing):
    """A source that is the destination too, by whatever name, is refused and stays as it is."""
    source = write("in.log")
    (tmp_path / "hard.log").hardlink_to(source)
    (tmp_path / "soft.log").symlink_to("in.log")
    before = listing()
    for destination in ("in.log", "./in.log", "hard.log", "soft.log"):
        code, out, err = redactor("scrub", "in.log", "-o", destination)
        assert (code, out) == (2, b"")
        assert err == (
            "redactor: in.log: is source and destination at once, expected two files; use -i to scrub in place\n"
        )
    assert source.read_bytes() == LINE
    assert listing() == before


def test_stdout_redirected_to_the_source_is_refused(redactor, write):
    """``redactor scrub x >> x``, which would never end, is refused."""
    source = write("in.log")
    with open(source, "ab") as stdout:
        process = redactor.start("scrub", "in.log", stdout=stdout)
        _, err = process.communicate()
    assert process.returncode == 2
    assert b"is source and destination at once" in err
    assert source.read_bytes() == LINE


def test_sources_that_fail_do_not_stop_the_others(redactor, write, tmp_path):
    """Sources that cannot be read are reported; the others are still written."""
    write("a.log")
    write("b.log")
    expected = (
        "redactor: nope.log: No such file or directory, expected a readable file\n"
        "redactor: .: is a directory, expected a file\n"
    )
    assert redactor("scrub", "a.log", "nope.log", ".", "b.log") == (3, CLEAN * 2, expected)
    assert redactor("scrub", "a.log", "nope.log", ".", "b.log", "-o", "out.log") == (3, b"", expected)
    assert (tmp_path / "out.log").read_bytes() == CLEAN * 2


def test_nothing_read_leaves_the_destination(redactor, write, listing):
    """When no source can be read, the destination is as it was, or is not there."""
    out = write("out.log", b"old")
    assert redactor("scrub", "nope.log", "-o", "out.log").code == 3
    assert redactor("scrub", "nope.log", "-o", "new.log").code == 3
    assert out.read_bytes() == b"old"
    assert listing() == {"out.log"}


@pytest.mark.parametrize("change", ["appended", "replaced", "removed"])
def test_source_that_changes(redactor, write, tmp_path, listing, change):
    """A source that changes before all is read leaves the destination as it was: exit code 4."""
    source, out = write("in.log"), write("out.log", b"old")
    os.mkfifo(tmp_path / "later")
    process = redactor.start("scrub", "in.log", "later", "-o", "out.log")
    with open("later", "wb") as later:  # opens when in.log has been read
        if change == "appended":
            with open(source, "ab") as file:
                file.write(LINE)
        elif change == "replaced":
            write("other.log").replace(source)
        else:
            source.unlink()
        later.write(LINE)
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (4, b"")
    assert stderr == b"redactor: in.log: changed while it was read, expected it to stay; out.log is as it was\n"
    assert out.read_bytes() == b"old"
    assert listing() - {"in.log"} == {"out.log", "later"}
