from __future__ import annotations

import codecs
import json

import pytest
from cli_samples import COLUMN, DATA, LINE, SECRET

from redactor import Redactor
from redactor.report import look


def placed(data, path="-"):
    """Return the lines that scan should print, from the library's matches on the whole."""
    lines = []
    for rule, start, _ in Redactor().matches(data):
        line = data.count(b"\n", 0, start) + 1
        column = start - data.rfind(b"\n", 0, start)
        lines.append(f"{path}:{line}:{column}: {rule}\n")
    return "".join(lines).encode()


@pytest.mark.parametrize("name", ["sample.log", "django.log", "flask.log", "nginx-access.log", "nginx-cookies.log"])
def test_findings_are_the_matches(redactor, name):
    """The findings in a realistic log are the library's matches, by line and column."""
    source = DATA / name
    expected = placed(source.read_bytes(), str(source))
    assert expected
    assert redactor("scan", source) == (1, expected, "")


def test_nothing_found(redactor):
    """Without findings there is no output and the exit code is 0."""
    assert redactor("scan", stdin=b"nothing\n") == (0, b"", "")
    assert redactor("scan", stdin=b"") == (0, b"", "")


def test_columns_are_bytes(redactor):
    """Columns count bytes from 1, not characters."""
    assert redactor("scan", stdin="é\né ".encode() + LINE).out == f"-:2:{COLUMN + 3}: session\n".encode()


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_counted_as_utf_8(redactor, codec):
    """Places in UTF-16 text are those in the same text as UTF-8 without a byte order mark."""
    text = "é first\n" + "é " + LINE.decode()
    mark = codecs.BOM_UTF16_LE if codec.endswith("le") else codecs.BOM_UTF16_BE
    assert redactor("scan", stdin=mark + text.encode(codec)).out == placed(text.encode())


@pytest.mark.parametrize("size", [1, 7, 4096, 262144])
@pytest.mark.parametrize(
    "data",
    [
        LINE * 40 + b"x" * 100 + b"\n\n" + LINE,
        LINE * 9000 + b"word " * 150_000 + LINE.strip() + b" word" * 100_000 + b"\n" + LINE,
        b"Content: soft=\n" * 20 + LINE + b"and=\n" + LINE,
    ],
    ids=["short", "long", "soft breaks"],
)
def test_places_do_not_depend_on_blocks(data, size):
    """Any blocks of the same bytes give the same places, in lines longer than a block too."""
    if size < 4096:
        data = data[-20_000:]
    blocks = (data[start : start + size] for start in range(0, len(data), size))
    findings = [finding for findings in look(Redactor(), blocks) for finding in findings]
    lines = "".join(f"-:{finding.line}:{finding.column}: {finding.rule}\n" for finding in findings)
    assert lines.encode() == placed(data)


def test_token_longer_than_what_is_held(redactor):
    """After a token longer than a stream holds back, columns of the same line are still right."""
    data = b"token=" + b"Zk3v9QxT1mB7aZ4nL8pR" * 150_000 + b" " + LINE * 2
    out = redactor("scan", stdin=data).out
    column = data.index(SECRET.encode()) + 1
    assert out == f"-:1:7: token\n-:1:{column}: session\n-:2:{COLUMN}: session\n".encode()


def test_json_lines(redactor, key_file, write):
    """--format jsonl prints one object a finding, with a fingerprint if a key is set."""
    write("in.log", b"\n" + LINE)
    plain = {"path": "in.log", "line": 2, "column": COLUMN, "rule": "session", "category": "session"}
    plain |= {"liveness": "no expiry known", "action": "revoke session"}
    assert json.loads(redactor("scan", "--format", "jsonl", "in.log").out) == plain
    keyed = json.loads(redactor("scan", "--format", "jsonl", "in.log", REDACTOR_HMAC_KEY_FILE=key_file).out)
    placeholder = redactor("scrub", "in.log", REDACTOR_HMAC_KEY_FILE=key_file).out.split(b"=")[2].split(b"]")[0]
    assert keyed == plain | {"fingerprint": placeholder.decode().removeprefix("[REDACTED:session:")}


def test_text_with_fingerprints(redactor, key_file):
    """The fingerprint follows the rule, and the value is nowhere."""
    outcome = redactor("scan", stdin=LINE, REDACTOR_HMAC_KEY_FILE=key_file)
    place, _, fingerprint = outcome.out.decode().rstrip().rpartition(" ")
    assert place == f"-:1:{COLUMN}: session"
    assert fingerprint.endswith(".k1")
    assert SECRET not in outcome.out.decode() + outcome.err


def test_one_time_codes_have_no_fingerprint(redactor, key_file):
    """What has few possible values is found and not fingerprinted, even with a key."""
    outcome = redactor("scan", stdin=b"otp=483920\n", REDACTOR_HMAC_KEY_FILE=key_file)
    assert outcome == (1, b"-:1:5: otp\n", "")


def test_allowlist_and_disabled_rules(redactor, write):
    """--allow and --disable count for looking as they do for scrubbing."""
    write("allow", SECRET.encode())
    assert redactor("scan", "--allow", "allow", stdin=LINE) == (0, b"", "")
    assert redactor("scan", "--disable", "session", "--disable", "listed-value", stdin=LINE) == (0, b"", "")


def test_failing_sources_go_before_findings(redactor, write):
    """A source that cannot be read gives exit code 3, and the others are still looked at."""
    write("in.log")
    code, out, err = redactor("scan", "nope.log", "in.log")
    assert (code, out) == (3, f"in.log:1:{COLUMN}: session\n".encode())
    assert err == "redactor: nope.log: No such file or directory, expected a readable file\n"
