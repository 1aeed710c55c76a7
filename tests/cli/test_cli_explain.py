from __future__ import annotations

import pytest
from cli_samples import LINE, SECRET


def test_what_was_found(redactor):
    """The line comes out redacted, marked and with the range and rule of what was found."""
    expected = (
        "1: user=alice sessionid=[REDACTED:session] ok\n"
        "                        ^^^^^^^^^^^^^^^^^^\n"
        "  columns 22-53: redacted by rule session\n"
    )
    assert redactor("explain", stdin=LINE) == (0, expected.encode(), "")
    assert redactor("explain", LINE.decode().rstrip()) == (0, expected.encode(), "")


def test_what_was_left_alone(redactor):
    """A value that was judged and left alone is masked, with the name, the rule and the reason."""
    expected = "2: csrf_token: *********\n               ~~~~~~~~~\n"
    code, out, err = redactor("explain", stdin=b"first\ncsrf_token: required!\nlast\n")
    lines = out.decode().splitlines(keepends=True)
    assert (code, err) == (0, "")
    assert "".join(lines[:2]) == expected
    assert len(lines) == 3
    assert lines[2].startswith("  columns 13-21: left alone: looks like ")
    assert lines[2].endswith("(rule csrf, name csrf_token)\n")


def test_allowed_value(redactor, write):
    """A value on the allowlist is said to be, and masked."""
    write("allow", SECRET.encode())
    out = redactor("explain", "--allow", "allow", stdin=LINE).out.decode()
    assert out.splitlines()[0] == f"1: user=alice sessionid={'*' * len(SECRET)} ok"
    assert out.splitlines()[2] == "  columns 22-53: left alone: on the allowlist (rule session)"


@pytest.mark.parametrize(
    "text",
    [
        "token: my own weak value",
        '{"session_id": "two words", "csrf_token": "none"}',
        "password=hunter2 Authorization: Basic Zm9v",
        f"session_key IN ('{SECRET}')",
    ],
)
def test_values_are_not_shown(redactor, text):
    """Nothing that was redacted or left alone by a decision appears in the output."""
    from redactor import Redactor

    out = redactor("explain", stdin=text.encode()).out.decode()
    data = text.encode()
    starts = [decision.start for decision in Redactor().explain(data)]
    for start in starts:
        assert text[start : start + 7] not in out


def test_words_are_one_text(redactor):
    """A text that was not quoted for the shell is read as one, and never repeated in an error."""
    code, out, err = redactor("explain", "Cookie:", f"sessionid={SECRET};", "--theme=dark")
    assert (code, err) == (0, "")
    assert out.decode().splitlines()[0] == "1: Cookie: sessionid=[REDACTED:session]; --theme=dark"


def test_control_characters_are_escaped(redactor):
    """What could drive a terminal is escaped, and the marks stay under what they mark."""
    out = redactor("explain", stdin=b"\x1b[31m\xff\t" + LINE).out.decode().splitlines()
    assert out[0] == "1: \\x1b[31m\\xff user=alice sessionid=[REDACTED:session] ok"
    assert out[1].index("^") == out[0].index("[REDACTED")
    assert out[2] == "  columns 29-60: redacted by rule session"


def test_nothing_to_say(redactor):
    """A text without candidates is said to have none."""
    assert redactor("explain", "hello").out == b"nothing here looks like a secret or is named like one\n"


def test_large_input_is_refused(redactor):
    """More than a text to read is refused in one line."""
    code, out, err = redactor("explain", stdin=b"x" * (1 << 20) + b"yz")
    assert (code, out, err.count("\n")) == (3, b"", 1)
    assert "expected a line or a short text" in err
