"""Findings as documents for other programs: CSV, JSON, JSON Lines, SARIF, GitHub's annotations.

None of them shows a secret.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from redactor.model import Ruleset
from redactor.report.findings import Finding
from redactor.report.liveness import is_live, liveness
from redactor.report.timestamps import iso

__all__ = ["FORMS", "MOST_RESULTS", "Form"]

MOST_RESULTS: Final = 5000
"""How many results of a run code scanning shows; it refuses a run with more than 25,000 and files
over 10 MB (gzip). https://docs.github.com/code-security/code-scanning/troubleshooting-sarif-uploads/results-exceed-limit"""

_Key = tuple[str, str, str]
"""Source, rule, and fingerprint or place."""

_FIELDS: Final = ("path", "line", "column", "rule", "category", "fingerprint", "seen", "liveness", "action")


def _fields(finding: Finding, now: int) -> dict[str, str | int]:
    """Return what a finding says, without what it does not know."""
    at = finding.expiry.at
    expired = finding.expiry.binding and not is_live(at, now)
    fields: dict[str, str | int | None] = {
        "path": finding.source,
        "line": finding.line,
        "column": finding.column,
        "rule": finding.rule,
        "category": finding.category,
        "fingerprint": finding.fingerprint,
        "seen": None if finding.seen is None else iso(finding.seen),
        "liveness": liveness(at, now),
        "expires": None if at is None else iso(at),
        "issuer": finding.claims.issuer,
        "client": finding.claims.client,
        "key_id": finding.claims.key_id,
        "subject": finding.subject,
        "host": finding.host,
        "action": "nothing: expired" if expired else finding.remedy,
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


class Form:
    """One document: ``begin``, then ``add`` for each finding, then ``end`` return its text, piece by piece."""

    def __init__(self, ruleset: Ruleset, now: int) -> None:
        self._ruleset = ruleset
        self._now = now

    def begin(self) -> str:
        """Return what stands before all findings."""
        return ""

    def add(self, finding: Finding) -> str:
        """Return what stands for one finding; "" if that has to wait for the end."""
        raise NotImplementedError

    def end(self) -> str:
        """Return what stands after all findings."""
        return ""


class _JsonLines(Form):
    def add(self, finding: Finding) -> str:
        return json.dumps(_fields(finding, self._now)) + "\n"


class _Json(Form):
    """One object, whose findings are written as they come, so that memory stays bounded."""

    def __init__(self, ruleset: Ruleset, now: int) -> None:
        super().__init__(ruleset, now)
        self._counts: Counter[str] = Counter()

    def begin(self) -> str:
        return f'{{"version": 1, "now": "{iso(self._now)}", "findings": ['

    def add(self, finding: Finding) -> str:
        between = ",\n" if self._counts else "\n"
        self._counts[finding.rule] += 1
        return between + json.dumps(_fields(finding, self._now))

    def end(self) -> str:
        return f'\n], "counts": {json.dumps(dict(sorted(self._counts.items())))}}}\n'


class _Csv(Form):
    """RFC 4180, with a header. A text that a spreadsheet would take for a formula gets an apostrophe."""

    def begin(self) -> str:
        return ",".join(_FIELDS) + "\r\n"

    def add(self, finding: Finding) -> str:
        fields = _fields(finding, self._now)
        line = io.StringIO()
        csv.writer(line).writerow([_no_formula(fields.get(name, "")) for name in _FIELDS])
        return line.getvalue()


def _no_formula(value: str | int) -> str | int:
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+@\t\r") else value


class _GitHub(Form):
    """Workflow commands: https://docs.github.com/actions/reference/workflow-commands-for-github-actions ."""

    def add(self, finding: Finding) -> str:
        place = f"file={_property(finding.source)},line={finding.line},col={finding.column}"
        words = _message(finding, self._ruleset, self._now).replace("%", "%25")
        return f"::warning {place},title={_property(finding.rule)}::{words}\n"


def _property(text: str) -> str:
    return re.sub(r"[%\r\n:,]", lambda found: f"%{ord(found[0]):02X}", text)


def _message(finding: Finding, ruleset: Ruleset, now: int) -> str:
    title = ruleset.rule(finding.rule).title
    return f"{title} in a log ({liveness(finding.expiry.at, now)})"


class _Sarif(Form):
    """SARIF 2.1.0. Equal secrets of a source are one result; what may be live goes first, and at most
    ``MOST_RESULTS`` are given. How many findings were left out is said in the run's properties.
    """

    def __init__(self, ruleset: Ruleset, now: int) -> None:
        super().__init__(ruleset, now)
        self._first: dict[_Key, Finding] = {}
        self._counts: Counter[_Key] = Counter()
        self._left_out = 0

    def add(self, finding: Finding) -> str:
        key = (finding.source, finding.rule, finding.fingerprint or f"{finding.line}:{finding.column}")
        self._counts[key] += 1
        self._first.setdefault(key, finding)
        if len(self._first) >= 2 * MOST_RESULTS:
            self._drop()
        return ""

    def end(self) -> str:
        self._drop()
        rules = sorted({finding.rule for finding in self._first.values()})
        numbers = {rule: number for number, rule in enumerate(rules)}
        run = {
            "tool": {"driver": {"name": "redactor", "rules": [_sarif_rule(rule, self._ruleset) for rule in rules]}},
            "properties": {"findingsLeftOut": self._left_out},
            "results": [self._result(key, numbers) for key in self._first],
        }
        document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
        return json.dumps(document) + "\n"

    def _drop(self) -> None:
        """Keep the most important findings, as many as are shown."""
        ranked = sorted(self._first, key=lambda key: not is_live(self._first[key].expiry.at, self._now))
        self._left_out += sum(self._counts[key] for key in ranked[MOST_RESULTS:])
        self._first = {key: self._first[key] for key in ranked[:MOST_RESULTS]}
        self._counts = Counter({key: self._counts[key] for key in self._first})

    def _result(self, key: _Key, numbers: Mapping[str, int]) -> dict[str, object]:
        finding = self._first[key]
        result: dict[str, object] = {
            "ruleId": finding.rule,
            "ruleIndex": numbers[finding.rule],
            "level": "warning" if is_live(finding.expiry.at, self._now) else "note",
            "message": {"text": _message(finding, self._ruleset, self._now)},
            "occurrenceCount": self._counts[key],
            # Our columns count bytes and those of SARIF characters, so only the line is given.
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(finding.source)},
                        "region": {"startLine": finding.line},
                    }
                }
            ],
        }
        if finding.fingerprint:
            result["partialFingerprints"] = {"redactor/v1": finding.fingerprint}
        return result


def _sarif_rule(rule_id: str, ruleset: Ruleset) -> dict[str, object]:
    rule = ruleset.rule(rule_id)
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "properties": {"tags": ["security", rule.category]},
    }


FORMS: Final[Mapping[str, type[Form]]] = {
    "csv": _Csv,
    "github": _GitHub,
    "json": _Json,
    "jsonl": _JsonLines,
    "sarif": _Sarif,
}
"""The forms by name."""
