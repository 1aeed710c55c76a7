from __future__ import annotations

import json

import pytest

from redactor.rulefiles import builtin_paths, load_rules

OWN = """
[[rule]]
id = "acme"
category = "vendor"
title = "Acme key"
description = "Opens everything at Acme."
sources = ["https://acme.example/keys"]
names = ["acme_key"]

[[rule.example]]
text = "é acme_key=Zk3v9QxT1mB7"
secrets = ["Zk3v9QxT1mB7"]

[[rule.counter]]
text = "acme_key=none"
"""


@pytest.fixture
def own(write):
    return write("own.toml", OWN.encode())


def test_list(redactor, own):
    """list prints id, category and title of the built-in rules and of those added, in order."""
    lines = redactor("rules", "list", "--rules", own).out.decode().splitlines()
    assert [line.split()[0] for line in lines] == [*(rule.id for rule in load_rules()), "acme"]
    assert lines[-1].split(maxsplit=2) == ["acme", "vendor", "Acme key"]


def test_list_as_json(redactor):
    """--format json is the same as data."""
    rules = json.loads(redactor("rules", "list", "--format", "json").out)
    assert rules == [{"id": rule.id, "category": rule.category, "title": rule.title} for rule in load_rules()]


def test_show(redactor, own):
    """show prints a rule's page with its examples as they come out."""
    expected = f"""\
acme: Acme key
category vendor, {own}:2

Opens everything at Acme.

names (anywhere, value opaque, 6 bytes or more):
  acme_key

sources:
  https://acme.example/keys

examples, as they come out:
  é acme_key=[REDACTED:acme]
  acme_key=none
"""
    assert redactor("rules", "show", "acme", "--rules", own) == (0, expected.encode(), "")


def test_every_builtin_rule_can_be_shown(capfd):
    """Every built-in rule has a page, and none of its examples is on it as it was."""
    from redactor.cli import main

    for rule in load_rules():
        assert main(["rules", "show", rule.id]) == 0
        page = capfd.readouterr().out
        assert page.startswith(f"{rule.id}: {rule.title}\n")
        examples = page.partition("examples, as they come out:")[2]
        assert [example.line for example in rule.examples if example.secrets and example.text in examples] == []


def test_show_unknown(redactor):
    """An id that no rule has is an error of one line."""
    assert redactor("rules", "show", "nope") == (
        2,
        b"",
        "redactor: no rule 'nope', expected one of 'redactor rules list'\n",
    )


def test_check(redactor, own):
    """check counts what it has loaded."""
    assert redactor("rules", "check", own) == (0, b"1 rules in 1 files are fine\n", "")
    expected = f"{len(load_rules())} rules in {len(builtin_paths())} files are fine\n"
    assert redactor("rules", "check") == (0, expected.encode(), "")


@pytest.mark.parametrize(
    ("wrong", "line"),
    [("names = 3", 8), ("nmaes = ['x_key']", 8), ('names = ["acme_key"', 10)],
)
def test_check_says_where_it_is_wrong(redactor, write, wrong, line):
    """A rule file that cannot be used is one line with the file and the line: exit code 2."""
    path = write("bad.toml", OWN.replace('names = ["acme_key"]', wrong).encode())
    for command in (("rules", "check", path), ("rules", "test", path), ("scrub", "--rules", path)):
        code, out, err = redactor(*command)
        assert (code, out, err.count("\n")) == (2, b"", 1)
        assert err.startswith(f"redactor: {path}:{line}: ")


def test_check_of_missing_files(redactor):
    """A rule file that is not there is an error like any other."""
    assert redactor("rules", "check", "nope.toml").err == (
        "redactor: nope.toml: cannot be read: No such file or directory\n"
    )


def test_examples_pass(redactor, own):
    """test runs every example on the engines there are."""
    code, out, err = redactor("rules", "test", own)
    assert (code, err) == (0, "")
    assert out.decode().startswith("2 examples of 1 rules on portable")
    assert out.decode().endswith(": no failures\n")


def test_builtin_examples_pass(redactor):
    """The examples of the built-in rules pass on both engines."""
    code, out, err = redactor("rules", "test")
    assert (code, err) == (0, "")
    assert out.endswith(b"on portable and hyperscan: no failures\n")


def test_failing_examples(redactor, write):
    """Examples that fail are printed by place and ranges of bytes, never by value: exit code 1."""
    text = OWN.replace("acme_key=Zk3v9QxT1mB7", "acme_kee=Zk3v9QxT1mB7").replace(
        "acme_key=none", "acme_key=Qx7Zk3v9T1mB"
    )
    path = write("bad.toml", text.encode())
    code, out, err = redactor("rules", "test", path)
    assert (code, err) == (1, "")
    *failures, last = out.decode().splitlines()
    assert last.endswith(": 4 failures")
    assert failures == [
        f"{path}:{line}: rule acme on {engine}: {problem}"
        for line, problem in ((10, "expected 12-24, got nothing"), (14, "expected nothing, got 9-21 (acme)"))
        for engine in ("portable", "hyperscan")
    ]
