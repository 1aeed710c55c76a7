from __future__ import annotations

import pytest
from cli_samples import CLEAN, LINE, SECRET

MASKED = b"user=alice sessionid=******** ok\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("redactor.toml", b'redaction = "mask"'),
        ("redactor.toml", b'[redact]\nsession = "mask"'),
        ("pyproject.toml", b'[tool.redactor]\nredaction = "mask"'),
        ("pyproject.toml", b'tool = {redactor = {redact = {session = "mask"}}}'),
    ],
)
def test_configuration_here(redactor, write, name, content):
    """The configuration in the current directory counts, unless --no-config leaves it out."""
    write(name, content)
    assert redactor("scrub", stdin=LINE) == (0, MASKED, "")
    assert redactor("scrub", "--no-config", stdin=LINE) == (0, CLEAN, "")


def test_nearest_configuration_counts(redactor, write, tmp_path):
    """The nearest directory with a configuration wins; a pyproject.toml of other tools is none."""
    write("redactor.toml", b'redaction = "mask"')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_bytes(b'[project]\nname = "redactor-user"\n[tool.other]\n')
    redactor.options["cwd"] = inner
    assert redactor("scrub", stdin=LINE).out == MASKED
    (inner.parent / "redactor.toml").write_bytes(b'redaction = "remove"')
    assert redactor("scrub", stdin=LINE).out == b"user=alice sessionid= ok\n"
    (inner.parent / "pyproject.toml").write_bytes(b'[tool.redactor]\nredaction = "mask"')
    assert redactor("scrub", stdin=LINE).out == b"user=alice sessionid= ok\n"


def test_paths_start_at_the_file(redactor, write, tmp_path):
    """Paths in a configuration start at its own directory."""
    write("redactor.toml", b'rules = ["own.toml"]\nallow-file = "allow"\ndisable = ["jwt"]')
    write("allow", SECRET.encode())
    write("own.toml", b'[[rule]]\nid="acme"\ncategory="vendor"\ntitle="t"\nnames=["acme_key"]')
    (tmp_path / "inner").mkdir()
    redactor.options["cwd"] = tmp_path / "inner"
    text = LINE + b"acme_key=Zk3v9QxT1mB7pW\n"
    assert redactor("scrub", stdin=text).out == LINE + b"acme_key=[REDACTED:acme]\n"
    assert b"jwt " not in redactor("rules", "list").out


def test_command_line_goes_first(redactor, write):
    """Options go before the configuration, rule by rule."""
    write("redactor.toml", b'redaction = "remove"\n[redact]\nsession = "remove"')
    assert redactor("scrub", "--redact", "session=mask", stdin=LINE).out == MASKED
    write("redactor.toml", b'redaction = "remove"')
    assert redactor("scrub", "--redaction", "mask", stdin=LINE).out == MASKED


def test_chosen_configuration(redactor, write):
    """--config reads the named file and no other."""
    write("redactor.toml", b'redaction = "remove"')
    write("other.toml", b'redaction = "mask"')
    assert redactor("scrub", "--config", "other.toml", stdin=LINE).out == MASKED


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'redactoin = "mask"', "unknown key 'redactoin', expected redaction, redact, rules, disable, allow-file"),
        (b"redaction = 3", "wrong type of 'redaction', expected a string"),
        (b'rules = "own.toml"', "wrong type of 'rules', expected an array of strings"),
        (b"disable = [1]", "wrong type of 'disable', expected an array of strings"),
        (b'redact = ["mask"]', "wrong type of 'redact', expected a table of strings"),
        (b"[redact]\nsession = 1", "wrong type of 'redact', expected a table of strings"),
        (b"allow-file = []", "wrong type of 'allow-file', expected a string"),
        (b"redaction = \xff", "not UTF-8, expected TOML"),
        (b'redaction = "mask', "not TOML: "),
    ],
)
def test_wrong_configuration(redactor, write, tmp_path, content, problem):
    """A configuration that is not understood is one line with the file: exit code 2."""
    path = write("redactor.toml", content)
    code, out, err = redactor("scrub", stdin=LINE)
    assert (code, out, err.count("\n")) == (2, b"", 1)
    assert err.startswith(f"redactor: {path}: {problem}")


def test_configuration_without_our_table(redactor, write):
    """A file named by --config has to be there and to speak of redactor."""
    write("pyproject.toml", b"[project]")
    for name in ("pyproject.toml", "nope.toml"):
        code, _, err = redactor("scrub", "--config", name, stdin=LINE)
        assert (code, err) == (
            2,
            f"redactor: {name}: no configuration, expected redactor.toml or a [tool.redactor] table\n",
        )
