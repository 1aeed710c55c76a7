"""``redactor rules``: the rules as pages to read, and their examples as tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redactor.cli import exits
from redactor.cli.io import OpenFile
from redactor.cli.options import Settings, rule_options
from redactor.errors import shown

if TYPE_CHECKING:
    from redactor.model import Example, Match, Named, Rule, Shape
    from redactor.redactor import Redactor

__all__ = ["command"]

Range = tuple[int, int]


@click.group("rules")
def command() -> None:
    """List, show, check and test rules."""


def _files_argument(function: click.decorators.FC) -> click.decorators.FC:
    return click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))(function)


# --- list and show --------------------------------------------------------------------


@command.command("list")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)
@rule_options
def list_rules(form: str, settings: Settings) -> int:
    """Print id, category and title of every rule, in order of priority."""
    rules = [rule for rule in settings.ruleset().rules if rule.id not in settings.disable]
    _print(_as_json(rules) if form == "json" else _as_table(rules))
    return exits.DONE


@command.command("show")
@click.argument("rule_id", metavar="ID")
@rule_options
def show_rule(rule_id: str, settings: Settings) -> int:
    """Print the page of one rule: what it finds, its sources, its examples as they come out."""
    from redactor.rulefiles import load_rules

    for rule in load_rules(settings.rule_paths):
        if rule.id == rule_id:
            _print(_page(rule, settings.redactor()))
            return exits.DONE
    raise click.UsageError(f"no rule '{rule_id}', expected one of 'redactor rules list'")


@command.command("reference")
@rule_options
def reference(settings: Settings) -> int:
    """Print the pages of all rules as one page of Markdown."""
    from redactor.rulefiles import load_rules

    rules = [rule for rule in load_rules(settings.rule_paths) if rule.id not in settings.disable]
    _print(_reference(rules, settings.redactor()))
    return exits.DONE


def _reference(rules: Sequence[Rule], redactor: Redactor) -> Iterator[str]:
    yield "# Rules"
    yield ""
    yield "Made by `redactor rules reference` from the rule files. Examples are shown as they come out."
    yield ""
    yield "| rule | category | what it is |"
    yield "|---|---|---|"
    yield from (f"| [{rule.id}](#{rule.id}) | {rule.category} | {rule.title} |" for rule in rules)
    for rule in rules:
        yield ""
        yield f"## {rule.id}"
        yield ""
        yield f"**{rule.title}.** {' '.join(rule.description.split())}"
        yield ""
        if rule.low_entropy:
            yield "Never fingerprinted: its secrets are few enough to be guessed."
            yield ""
        if rule.named:
            names = ", ".join(f"`{'_'.join(words)}`" for words in rule.named.names)
            yield f"Names ({rule.named.where}, value {rule.named.value}, {rule.named.min_length} bytes or more): {names}"
            yield ""
        for shape in rule.shapes:
            yield f"- shape: {', '.join(f'`{part}`' for part in _shape_parts(shape))}"
        if rule.shapes:
            yield ""
        yield from ["Examples:", "", "```text", *_outcomes(rule.examples, redactor), "```", ""] if rule.examples else []
        yield "Sources: " + ", ".join(f"<{source}>" if " " not in source else source for source in rule.sources)


def _as_table(rules: Sequence[Rule]) -> Iterator[str]:
    ids = max((len(rule.id) for rule in rules), default=0)
    categories = max((len(rule.category) for rule in rules), default=0)
    for rule in rules:
        yield f"{rule.id:{ids}}  {rule.category:{categories}}  {rule.title}"


def _as_json(rules: Sequence[Rule]) -> Iterator[str]:
    import json  # not needed for the other form, nor for --help

    yield json.dumps([{"id": rule.id, "category": rule.category, "title": rule.title} for rule in rules], indent=2)


def _page(rule: Rule, redactor: Redactor) -> Iterator[str]:
    yield f"{rule.id}: {rule.title}"
    yield f"category {rule.category}, {shown(rule.path)}:{rule.line}"
    if rule.low_entropy:
        yield "never fingerprinted: its secrets are few enough to be guessed"
    if rule.description:
        yield ""
        yield rule.description.strip()
    if rule.named:
        yield from _named(rule.named)
    for shape in rule.shapes:
        yield from _shape(shape)
    yield from _section("sources", rule.sources)
    yield from _section("examples, as they come out", _outcomes(rule.examples, redactor))


def _named(named: Named) -> Iterator[str]:
    names = ["_".join(words) for words in named.names]
    yield from _section(f"names ({named.where}, value {named.value}, {named.min_length} bytes or more)", names)
    yield from _section("name patterns", named.patterns)
    yield from _section("harmless names", ["_".join(words) for words in named.harmless])


def _shape(shape: Shape) -> Iterator[str]:
    yield from _section("shape", _shape_parts(shape))


def _shape_parts(shape: Shape) -> list[str]:
    parts = [f"after {shape.after}"] if shape.after else []
    parts += [f"prefix {prefix}" for prefix in shape.prefixes if prefix]
    parts.append(f"body {shape.body}, {shape.min_length} bytes or more")
    parts += [f"before {shape.before}"] if shape.before else []
    parts += [f"validator {shape.validator}"] if shape.validator else []
    return parts


def _section(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield ""
        yield f"{title}:"
        yield from (f"  {item}" for item in items)


def _outcomes(examples: Sequence[Example], redactor: Redactor) -> list[str]:
    """Return every example redacted, as one line each."""
    return [shown(redactor.text(example.text)) for example in examples]


# --- check and test -------------------------------------------------------------------


@command.command("check")
@_files_argument
def check_rules(files: Sequence[Path]) -> int:
    """Load rule files strictly.

    Without FILEs the built-in ones. Exit code 2 means that something is wrong.
    """
    from redactor.rulefiles import builtin_paths, load_rules

    paths = files or builtin_paths()
    _print([f"{len(load_rules(paths))} rules in {len(paths)} files are fine"])
    return exits.DONE


@command.command("test")
@_files_argument
def test_rules(files: Sequence[Path]) -> int:
    """Run the examples of rule files on both engines.

    Without FILEs those of the built-in ones; FILEs are tested by themselves. The secrets of each example must be found, and nothing else; in a counter-example
    nothing. What fails is printed with ranges of bytes, from 0, the end left out; the rule
    that found a range follows it. Exit code 1 means failures.
    """
    from redactor.rulefiles import builtin_paths, load_rules

    rules = load_rules(files or builtin_paths())
    redactors = _redactors(files)
    failures = [failure for rule in rules for example in rule.examples for failure in _test(rule, example, redactors)]
    engines = " and ".join(redactor.scanner.engine.name for redactor in redactors)
    count = sum(len(rule.examples) for rule in rules)
    outcome = f"{len(failures)} failures" if failures else "no failures"
    _print([*failures, f"{count} examples of {len(rules)} rules on {engines}: {outcome}"])
    return exits.FINDINGS if failures else exits.DONE


# --- import ---------------------------------------------------------------------------


@command.command("import")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
def import_rules(source: Path) -> int:
    """Rewrite rules of gitleaks, betterleaks, Nosey Parker or Kingfisher as rules of ours.

    The rule file goes to stdout, to be read and then used with --rules. Rules that cannot be
    rewritten are listed on stderr, each with its reason.
    """
    from redactor.ruleimport import import_rules as read
    from redactor.ruleimport import write_rules

    imported, refused = read(source)
    _print([write_rules(imported)])
    for rule in refused:
        click.echo(f"redactor: {shown(rule.id)}: left out, {shown(rule.reason)}", err=True)
    click.echo(f"redactor: {len(imported)} rules imported, {len(refused)} left out", err=True)
    return exits.DONE


def _redactors(files: Sequence[Path]) -> list[Redactor]:
    """Return a redactor for each engine that runs here."""
    from redactor.redactor import Redactor
    from redactor.rulefiles import load_ruleset

    ruleset = load_ruleset(files or None)
    portable = Redactor(ruleset, engine="portable")
    best = Redactor(ruleset, engine="auto")
    return [portable] if best.scanner.engine.name == "portable" else [portable, best]


def _test(rule: Rule, example: Example, redactors: Sequence[Redactor]) -> Iterator[str]:
    expected = _expected(example)
    for redactor in redactors:
        got = redactor.matches(example.text.encode("utf-8"))
        if [(start, end) for _, start, end in got] != expected:
            yield (
                f"{shown(rule.path)}:{example.line}: rule {rule.id} on {redactor.scanner.engine.name}: "
                f"expected {_ranges(expected)}, got {_found(got)}"
            )


def _expected(example: Example) -> list[Range]:
    """Return where the secrets of an example are, in bytes; a rule file that loads has them in order."""
    ranges = []
    text = example.text.encode("utf-8")
    position = 0
    for secret in (secret.encode("utf-8") for secret in example.secrets):
        start = text.index(secret, position)
        position = start + len(secret)
        ranges.append((start, position))
    return ranges


def _ranges(ranges: Sequence[Range]) -> str:
    return ", ".join(f"{start}-{end}" for start, end in ranges) or "nothing"


def _found(matches: Sequence[Match]) -> str:
    return ", ".join(f"{start}-{end} ({rule})" for rule, start, end in matches) or "nothing"


def _print(lines: Sequence[str] | Iterator[str]) -> None:
    with OpenFile() as output:
        output.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
