"""From rules to triggers: what compiling promises whatever the rules are."""

from __future__ import annotations

from pathlib import Path
from re import _parser as sre_parse  # type: ignore[attr-defined]

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Redactor
from redactor.compiler import Kind, compile_ruleset
from redactor.rulefiles import load_rules, load_ruleset


def _rules(folder: Path, body: str) -> list[Path]:
    path = folder / "demo.toml"
    path.write_text(f'category = "token"\n[[rule]]\nid = "demo"\ntitle = "Demo"\n{body}\n', encoding="utf-8")
    return [path]


def test_compiling_is_deterministic() -> None:
    """The same ruleset compiles to the same triggers, with the same digest."""
    one, two = compile_ruleset(load_ruleset()), compile_ruleset(load_ruleset())
    assert one.triggers == two.triggers
    assert one.digest == two.digest
    assert one.rules == load_ruleset().rules


def test_the_digest_follows_the_triggers(tmp_path: Path, own_cache: Path) -> None:
    """Rulesets with different triggers have different digests; prose and examples do not count."""
    plain = compile_ruleset(load_ruleset(_rules(tmp_path, 'names = ["demo_token"]')))
    described = compile_ruleset(load_ruleset(_rules(tmp_path, 'description = "x"\nnames = ["demo_token"]')))
    other = compile_ruleset(load_ruleset(_rules(tmp_path, 'names = ["other_token"]')))
    assert plain.digest == described.digest != other.digest


def test_every_trigger_is_bounded() -> None:
    """A trigger repeats nothing without a bound and reaches a known number of bytes into a value."""
    for trigger in compile_ruleset(load_ruleset()).triggers:
        low, high = sre_parse.parse(trigger.pattern.decode("ascii")).getwidth()
        assert (trigger.kind is not Kind.CODE_FIRST) <= trigger.depth <= low <= high < 4096


@pytest.mark.parametrize(
    ("body", "text", "secret"),
    [
        ('names = ["acme_ticket"]', "acmeTicket=kL9xQ2mZ8vBk3J7w", "kL9xQ2mZ8vBk3J7w"),
        ('names = ["acme_ticket"]', "X-Acme-Ticket: kL9xQ2mZ8vBk3J7w", "kL9xQ2mZ8vBk3J7w"),
        ('names = ["acme_ticket"]\nmin_length = 3', "acme_ticket=kQ3", "kQ3"),
        ('names = ["acme_ticket"]\nvalue = "any"\nmin_length = 3', "acme_ticket='open sesame'", "open sesame"),
        ('names = ["acme_ticket"]\nvalue = "digits"\nmin_length = 4', "acme_ticket=4711", "4711"),
        ('names = ["acme_ticket"]\nvalue = "random"', "acme_ticket=kL9xQ2mZ8vBk3J7w", "kL9xQ2mZ8vBk3J7w"),
        ('names = ["acme_ticket"]\nwhere = "cookie"\n[[rule.shape]]\nprefixes=["zz_"]\nbody="[a-z]"', "x zz_abcdefghijklmnop y", "zz_abcdefghijklmnop"),
        ('names = ["door"]\nwhere = "path"\nvalue = "random"', "GET /door/kL9xQ2mZ8vBk3J7w/x", "kL9xQ2mZ8vBk3J7w"),
        ('patterns = ["acme[0-9a-f]{8}"]', "acme0123abcd=kL9xQ2mZ8vBk3J7w", "kL9xQ2mZ8vBk3J7w"),
        ('[[rule.shape]]\nafter = "acme (?:key|code) "\nbody = "[0-9]"\nmin_length = 4\nmax_length = 6', "acme code 12345.", "12345"),
        ('[[rule.shape]]\nprefixes = ["ak[0-9]_"]\nbody = "[a-z]"\nmin_length = 4\nbefore = "!"', "ak7_abcdef!", "ak7_abcdef"),
    ],
)  # fmt: skip
def test_what_a_rule_says_is_found(
    tmp_path: Path, own_cache: Path, engine: str, body: str, text: str, secret: str
) -> None:
    """Names, patterns, places, value grammars and shapes each find exactly the value."""
    redactor = Redactor.from_files(_rules(tmp_path, body), engine=engine)
    assert [text[m.start : m.end] for m in redactor.matches(text)] == [secret]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('names = ["acme_ticket"]', "acme_tickets=kL9xQ2mZ8vBk3J7w acme_ticket_type=kL9xQ2mZ8vBk3J7w"),
        ('names = ["acme_ticket"]\nharmless = ["public_acme_ticket"]', "public_acme_ticket=kL9xQ2mZ8vBk3J7w"),
        ('names = ["acme_ticket"]\nmin_length = 10', "acme_ticket=kL9xQ2mZ8"),
        ('names = ["acme_ticket"]\nwhere = "cookie"', "acme_ticket=kL9xQ2mZ8vBk3J7w"),
        ('names = ["door"]\nwhere = "path"\nvalue = "random"', "GET /door/front/kL9x /floor/kL9xQ2mZ8vBk3J7w"),
        (
            '[[rule.shape]]\nprefixes = ["ak_"]\nbody = "[a-z]"\nmin_length = 4\nmax_length = 6',
            "ak_abc ak_abcdefg xak_abcde",
        ),
        ('[[rule.shape]]\nprefixes = ["ak_"]\nbody = "[a-z]"\nmin_length = 4\nbefore = "!"', "ak_abcdef?"),
    ],
)
def test_what_a_rule_does_not_say_is_left(tmp_path: Path, own_cache: Path, engine: str, body: str, text: str) -> None:
    """Longer names, harmless names, short values and other places are left alone."""
    assert Redactor.from_files(_rules(tmp_path, body), engine=engine).text(text) is text


@given(
    names=st.lists(
        st.from_regex(r"[a-z]{3,8}(?:_[a-z]{3,8}){0,2}", fullmatch=True), min_size=1, max_size=6, unique=True
    )
)
def test_any_names_compile(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """Whatever the names of a rule are, it compiles and finds a value beside each of them."""
    paths = _rules(tmp_path_factory.mktemp("rules"), f"names = {names}".replace("'", '"'))
    redactor = Redactor.from_files(paths, engine="portable")
    assert all(redactor.text(f"x {name}=kL9xQ2mZ8vBk3J7w") == f"x {name}=[REDACTED:demo]" for name in names)


def test_no_name_is_claimed_twice_in_one_place() -> None:
    """A name belongs to one rule in each place: a second rule with it would never be reached."""
    owners: dict[tuple[str, tuple[str, ...]], str] = {}
    twice = []
    for rule in load_rules():
        if rule.named is None:
            continue
        for name in rule.named.names:
            owner = owners.setdefault((rule.named.where, name), rule.id)
            if owner != rule.id:
                twice.append(("_".join(name), owner, rule.id))
    assert twice == []
