"""Every example and counter-example of every rule, on every engine and every surface."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from redactor import Redactor
from redactor.model import Example, Rule
from redactor.rulefiles import load_rules

RULES = load_rules()
IDS = {rule.id for rule in RULES}


def _cases(with_secrets: bool) -> list[object]:
    return [
        pytest.param(example, id=f"{rule.id}-{number}")
        for rule in RULES
        for number, example in enumerate(rule.examples)
        if bool(example.secrets) is with_secrets
    ]


EXAMPLES = _cases(with_secrets=True)
COUNTERS = _cases(with_secrets=False)


def _text(redactor: Redactor, text: str) -> bytes:
    return redactor.text(text).encode()


def _bytes(redactor: Redactor, text: str) -> bytes:
    return redactor.bytes(text.encode())


def _byte_by_byte(redactor: Redactor, text: str) -> bytes:
    data = text.encode()
    return b"".join(redactor.stream(data[at : at + 1] for at in range(len(data))))


def _lines_at_once(redactor: Redactor, text: str) -> bytes:
    data = text.encode()
    return b"".join(redactor.stream((data[at : at + 1] for at in range(len(data))), line_buffered=True))


def _random_chunks(redactor: Redactor, text: str) -> bytes:
    data = text.encode()
    cuts = sorted(random.choices(range(len(data) + 1), k=random.randint(1, 9)))
    return b"".join(redactor.stream(data[low:high] for low, high in zip([0, *cuts], [*cuts, len(data)], strict=True)))


def _value(redactor: Redactor, text: str) -> bytes:
    return redactor.value({"msg": text})["msg"].encode()


def _nested(redactor: Redactor, text: str) -> bytes:
    return redactor.value([{"events": ({"msg": text.encode()},)}])[0]["events"][0]["msg"]


SURFACES = [_text, _bytes, _byte_by_byte, _lines_at_once, _random_chunks, _value, _nested]


def _expected(example: Example) -> re.Pattern[bytes]:
    """The example's text with a placeholder of some rule for each secret, and nothing else changed."""
    pattern, position = "", 0
    for secret in example.secrets:
        start = example.text.index(secret, position)
        pattern += re.escape(example.text[position:start]) + r"\[REDACTED:([a-z0-9\-]+)\]"
        position = start + len(secret)
    return re.compile((pattern + re.escape(example.text[position:])).encode(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("surface", SURFACES)
def test_exactly_the_secrets_of_an_example_are_replaced(
    built_in: Redactor, surface: Callable[[Redactor, str], bytes], example: Example
) -> None:
    """On every surface, each secret of an example becomes a placeholder and no other byte changes."""
    redacted = surface(built_in, example.text)
    found = _expected(example).fullmatch(redacted)
    assert found is not None, redacted
    assert set(found.groups()) <= {rule_id.encode() for rule_id in IDS}


@pytest.mark.parametrize("example", EXAMPLES)
def test_matches_are_the_exact_ranges_of_an_example(built_in: Redactor, example: Example) -> None:
    """The matches of an example are its secrets, in order, in characters and in bytes."""
    data = example.text.encode()
    assert [example.text[m.start : m.end] for m in built_in.matches(example.text)] == list(example.secrets)
    assert [data[m.start : m.end].decode() for m in built_in.matches(data)] == list(example.secrets)


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_counter_example_is_the_same_object(built_in: Redactor, counter: Example) -> None:
    """A counter-example comes back as the very object that went in."""
    data, value = counter.text.encode(), {"msg": counter.text}
    assert built_in.text(counter.text) is counter.text
    assert built_in.bytes(data) is data
    assert built_in.value(value) is value


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("surface", SURFACES)
def test_a_counter_example_is_unchanged(
    built_in: Redactor, surface: Callable[[Redactor, str], bytes], counter: Example
) -> None:
    """No surface changes a byte of a counter-example."""
    assert surface(built_in, counter.text) == counter.text.encode()


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES])
def test_a_rule_finds_an_example_by_itself(built_in: Redactor, rule: Rule) -> None:
    """Every rule has examples, and at least one of them is found under the rule's own id."""
    found = {match.rule for example in rule.examples for match in built_in.matches(example.text)}
    assert rule.id in found


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES])
def test_a_rule_names_its_sources(rule: Rule) -> None:
    """Every rule names where its format is documented, by https, and says in prose what it finds."""
    assert rule.sources
    assert all(source.startswith("https://") for source in rule.sources)
    assert rule.description.strip()
    assert rule.title.strip() == rule.title


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES])
def test_a_rule_can_be_switched_off(built_in: Redactor, rule: Rule) -> None:
    """With a rule disabled, no match carries its id."""
    from redactor import Policy

    without = Redactor(policy=Policy(disabled=frozenset({rule.id})), engine="portable")
    assert rule.id not in {match.rule for each in rule.examples for match in without.matches(each.text)}
