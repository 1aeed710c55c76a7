from __future__ import annotations

import csv
import io
import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Redactor
from redactor.errors import PolicyError, SourceError
from redactor.replace import HmacKey, Policy, fingerprint
from redactor.report import Finding, Inventory, look, match
from redactor.report.formats import FORMS, MOST_RESULTS
from redactor.report.liveness import Expiry
from redactor.rulefiles import load_rules

KEY = HmacKey(b"0123456789abcdef" * 2, "k1")
SECRET = b"ml9mj78tt4pnjjl7w8ml86kl0uxovj1x"
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def keyed():
    return Redactor(policy=Policy(hmac_key=KEY))


def finding(mark="3f2a9c1b7d04.k1", source="a.log", seen=None, **more):
    return Finding(source, 1, 1, "session", mark, "session", seen, remedy="revoke session", **more)


def found(keyed, data, source="a.log"):
    return [one for some in look(keyed, [data], source, NOW) for one in some]


def test_one_session_is_one_exposure(keyed):
    """A secret in several spellings, files and lines is one exposure with all its places."""
    first = b"2024-05-01T12:14:56Z GET https://shop.example.com/x Cookie: sessionid=" + SECRET + b"\n"
    second = b'2024-06-01T00:00:00Z {"sessionid":"' + SECRET[:-1] + b'%78"}\n'
    with Inventory() as inventory:
        inventory.add(found(keyed, first * 2))
        inventory.add(found(keyed, second, "b.log"))
        (exposure,) = inventory.exposures()
    assert exposure.fingerprint == fingerprint(SECRET, KEY)
    assert (exposure.times, exposure.first_seen, exposure.last_seen) == (3, 1714565696, 1717200000)
    assert (exposure.sources, exposure.hosts) == (("a.log", "b.log"), ("shop.example.com",))
    assert (exposure.rules, exposure.action(NOW)) == (("session",), "revoke session")


def test_runs_are_merged(tmp_path):
    """A later run counts a source anew, keeps when it was first seen, and keeps what became of it."""
    path = tmp_path / "exposures.db"
    with Inventory(path) as inventory:
        inventory.add([finding(seen=10), finding(seen=30)])
        inventory.mark(["3f2a9c1b7d04.k1"], "revoked")
    with Inventory(path) as inventory:
        inventory.add([finding(seen=20), finding(seen=40), finding(seen=50), finding(source="b.log")])
    with Inventory(path, create=False) as inventory:
        (exposure,) = inventory.exposures()
    assert (exposure.times, exposure.first_seen, exposure.last_seen) == (4, 10, 50)
    assert (exposure.status, exposure.action(NOW)) == ("revoked", "nothing: revoked")
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_a_binding_expiry_ends_an_exposure():
    """An expired token needs nothing; an expired cookie is revoked, because only the browser goes by that."""
    marks = {"000000000001": Expiry(5, "jwt"), "000000000002": Expiry(5, "cookie")}
    with Inventory() as inventory:
        inventory.add(finding(mark, expiry=expiry) for mark, expiry in marks.items())
        assert [one.action(NOW) for one in inventory.exposures()] == ["nothing: expired", "revoke session"]


def test_an_error_rolls_back(tmp_path):
    """What was added before an error is not kept."""
    path = tmp_path / "exposures.db"
    with pytest.raises(ZeroDivisionError), Inventory(path) as inventory:  # noqa: PT012
        inventory.add([finding()])
        inventory.flush()
        raise ZeroDivisionError
    with Inventory(path) as inventory:
        assert list(inventory.exposures()) == []


def test_refusals(tmp_path):
    """What is no inventory of ours, too new, missing or open to others is refused in one line."""
    path = tmp_path / "exposures.db"
    with pytest.raises(SourceError, match="No such file"):
        Inventory(path, create=False)
    path.write_bytes(b"no database" * 100)
    path.chmod(0o600)
    with pytest.raises(SourceError, match="not a database"):
        Inventory(path)
    path.unlink()
    for statement, said in (("CREATE TABLE t (x)", "another program"), ("PRAGMA user_version = 99", "newer redactor")):
        other = sqlite3.connect(path)
        other.execute("DROP TABLE IF EXISTS t")
        other.execute(statement)
        other.commit()
        other.close()
        path.chmod(0o600)
        with pytest.raises(SourceError, match=said):
            Inventory(path)
    path.chmod(0o644)
    with pytest.raises(PolicyError, match="expected mode 0600"):
        Inventory(path)


@given(st.binary(max_size=64))
def test_match_hashes_as_fingerprint_does(value):
    """An id is matched exactly if its fingerprint is in the inventory."""
    other = HmacKey(b"another key of 32 bytes or so...", "k2")
    with Inventory() as inventory:
        inventory.add([finding(fingerprint(value, KEY))])
        assert [one.number for one in match([b"\0other", value], inventory, other, KEY)] == [2]
        assert list(match([value], inventory, other)) == []


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_in_any_form(keyed, form):
    """No form shows a secret of any rule's examples."""
    document = FORMS[form](keyed.ruleset, NOW)
    out = document.begin()
    secrets = []
    for rule in load_rules():
        for example in rule.examples:
            secrets += [secret for secret in example.secrets if len(secret) > 6]
            out += "".join(map(document.add, found(keyed, example.text.encode() + b"\n", f"{rule.id}.log")))
    out += document.end()
    assert out.count("revoke") + out.count("in a log") > 50
    assert [secret for secret in secrets if secret in out] == []


def test_forms_exactly(keyed):
    """Each form says where a finding is, in its own way."""
    one = finding(source="a,b.log", seen=1714565696)
    made = {}
    for name, form in FORMS.items():
        document = form(keyed.ruleset, NOW)
        made[name] = document.begin() + document.add(one) + document.end()
    fields = {
        "path": "a,b.log", "line": 1, "column": 1, "rule": "session", "category": "session",
        "fingerprint": "3f2a9c1b7d04.k1", "seen": "2024-05-01T12:14:56Z", "liveness": "no expiry known",
        "action": "revoke session",
    }  # fmt: skip
    assert json.loads(made["jsonl"]) == fields
    assert json.loads(made["json"]) == {
        "version": 1, "now": "2027-01-15T08:00:00Z", "findings": [fields], "counts": {"session": 1},
    }  # fmt: skip
    assert list(csv.reader(io.StringIO(made["csv"]))) == [list(fields), list(map(str, fields.values()))]
    title = keyed.ruleset.rule("session").title
    assert made["github"] == (
        f"::warning file=a%2Cb.log,line=1,col=1,title=session::{title} in a log (no expiry known)\n"
    )
    (run,) = json.loads(made["sarif"])["runs"]
    assert run["results"][0]["partialFingerprints"] == {"redactor/v1": "3f2a9c1b7d04.k1"}
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "a%2Cb.log"}


def test_sarif_keeps_to_the_limits(keyed):
    """SARIF has one result for equal secrets of a source, at most 5,000, and those that may be live."""
    document = FORMS["sarif"](keyed.ruleset, NOW)
    for number in range(3 * MOST_RESULTS):
        expiry = Expiry(5, "jwt") if number % 3 else Expiry()
        document.add(finding(f"{number:012x}", expiry=expiry))
        document.add(finding(f"{number:012x}", expiry=expiry))
    (run,) = json.loads(document.end())["runs"]
    assert len(run["results"]) == MOST_RESULTS
    assert {result["level"] for result in run["results"]} == {"warning"}
    assert run["properties"] == {"findingsLeftOut": 4 * MOST_RESULTS}
