"""Rules of other tools rewritten as ours: each finds what the original finds, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from redactor import Redactor, RuleError, load_ruleset
from redactor.rulefiles import load_rules
from redactor.ruleimport import import_rules, write_rules

GITLEAKS = r"""
title = "made for this test, in the format of gitleaks v8"
[[rules]]
id = "acme-key"
description = "Key beside the vendor's name"
regex = '''(?i)[\w.-]{0,50}?(?:acme)(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}([a-z0-9_-]{32})(?:[\x60'"\s;]|\\[nr]|$)'''
keywords = ["acme"]

[[rules]]
id = "acme-token"
description = "Token with a prefix whose rest ignores case"
regex = '''\b(acme_(?i)[a-z0-9]{20})(?:[\x60'"\s;]|\\[nr]|$)'''

[[rules]]
id = "acme-family"
description = "Several prefixes and several parts"
regex = '''\b((?:acp|acq)-[a-z0-9]{8}-[a-z0-9]{16,40})\b'''

[[rules]]
id = "acme-config"
path = '''\.acmerc$'''

[[rules]]
id = "acme-anything"
regex = '''([a-f0-9]{40})'''

[[rules]]
id = "acme-quoted"
regex = '''acme_pass=("[^"]{8,40}")'''
"""

KINGFISHER = """
rules:
  - name: Acme API Key
    id: kingfisher.acme.1
    pattern: |
      (?x)
      \\b
      (
        acme-api-
        \\d{2,4}
        -
        [\\w\\-]{30}
        ZZ
      )
    min_entropy: 3.3
"""


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def redactor_of(tmp_path: Path, source: Path) -> Redactor:
    imported, _ = import_rules(source)
    return Redactor(load_ruleset([write(tmp_path, "imported.toml", write_rules(imported))]))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("ACME_KEY = '0123456789abcdef0123456789ABCDEF'", "ACME_KEY = '[REDACTED:acme-key]'"),
        ("use acme_0123456789ABCDEFghij now", "use [REDACTED:acme-token] now"),
        ("acq-12345678-0123456789abcdef0123.", "[REDACTED:acme-family]."),
        ("acp-12345678-0123456789abcdef0123", "[REDACTED:acme-family]"),
        ("acme_0123456789", "acme_0123456789"),
        ("the acme company: nothing-but-words-in-this-line-here", "the acme company: nothing-but-words-in-this-line-here"),
    ],
)
def test_gitleaks_rules_redact_the_whole_token(tmp_path: Path, text: str, redacted: str) -> None:
    """A gitleaks rule, imported, replaces the token to its real end and leaves its context."""
    assert redactor_of(tmp_path, write(tmp_path, "gitleaks.toml", GITLEAKS)).text(text) == redacted


def test_what_cannot_be_imported_is_listed_with_its_reason(tmp_path: Path) -> None:
    """Every rule is either imported or refused with a reason, never dropped."""
    imported, refused = import_rules(write(tmp_path, "gitleaks.toml", GITLEAKS))
    assert [rule.id for rule in imported] == ["acme-key", "acme-token", "acme-family"]
    assert [tuple(rule) for rule in refused] == [
        ("acme-config", "it has no pattern, only a path or keywords"),
        ("acme-anything", "nothing tells its secret: no literal beginning and nothing in front of it"),
        ("acme-quoted", "its secret may hold quotes or white space, so its end is not known"),
    ]


def test_yaml_of_kingfisher_with_free_spacing(tmp_path: Path) -> None:
    """A Kingfisher pattern with white space and comments is read as its engine reads it."""
    redactor = redactor_of(tmp_path, write(tmp_path, "acme.yml", KINGFISHER))
    token = "acme-api-03-abcdefghij0123456789ABCDEFGHIJZZ"
    assert redactor.text(f"key {token} end") == "key [REDACTED:kingfisher-acme-1] end"


def test_imported_rules_load_strictly(tmp_path: Path) -> None:
    """What is written out is a rule file that the strict loader takes."""
    imported, _ = import_rules(write(tmp_path, "gitleaks.toml", GITLEAKS))
    rules = load_rules([write(tmp_path, "out.toml", write_rules(imported))])
    assert [rule.id for rule in rules] == ["acme-key", "acme-token", "acme-family"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.toml", "rules = 3", "no 'rules': expected gitleaks TOML, or Nosey Parker or Kingfisher YAML"),
        ("a.toml", "rules = [1]", "rule 1 is not a table"),
        ("a.yml", "rules: [", "not YAML"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, name: str, text: str, problem: str) -> None:
    """A file in none of the formats gives a one-line error that names it."""
    path = write(tmp_path, name, text)
    with pytest.raises(RuleError) as caught:
        import_rules(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith(problem)
    assert "\n" not in str(caught.value)
