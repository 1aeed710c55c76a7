"""Options that several commands share, and what they and the configuration come to.

Nothing here imports the ruleset or an engine before a command asks for them, so that
``--version`` and ``--help`` stay fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from redactor.cli.config import Config, find_config, read_config
from redactor.errors import PolicyError

if TYPE_CHECKING:
    from redactor.model import Ruleset
    from redactor.redactor import Redactor
    from redactor.replace import Policy

__all__ = ["REDACTION_NAMES", "Settings", "policy_options", "rule_options", "sources_argument"]

REDACTION_NAMES: Final = ("placeholder", "mask", "fingerprint", "jwt-claims", "remove")
"""``redactor.replace.REDACTIONS``, written out because importing that is slow; a test compares them."""


@dataclass(frozen=True)
class Settings:
    """Command line and configuration together: which rules, and what is done with what they find.

    Where both speak, the command line goes first; lists are joined.
    """

    rules: tuple[Path, ...] = ()
    builtin: bool = True
    disable: frozenset[str] = frozenset()
    redaction: str = "placeholder"
    redact: tuple[tuple[str, str], ...] = ()
    allow: tuple[Path, ...] = ()

    @property
    def rule_paths(self) -> tuple[Path, ...]:
        """The rule files, in order of priority."""
        from redactor.rulefiles import builtin_paths

        return (*(builtin_paths() if self.builtin else ()), *self.rules)

    def ruleset(self) -> Ruleset:
        """Load the rules; raises ``RuleError``."""
        from redactor.rulefiles import load_ruleset

        return load_ruleset(self.rule_paths)

    def redactor(self) -> Redactor:
        """Make the redactor; raises ``RuleError`` or ``PolicyError``."""
        from redactor.redactor import Redactor

        ruleset = self.ruleset()
        return Redactor(ruleset, self._policy(ruleset))

    def _policy(self, ruleset: Ruleset) -> Policy:
        from redactor.replace import HmacKey, Policy, read_allowlist

        ids = {rule.id for rule in ruleset.rules}
        categories = {rule.category for rule in ruleset.rules}
        for name, _ in self.redact:
            if name not in ids | categories:
                raise PolicyError(f"unknown rule or category '{name[:64]}'; see 'redactor rules list'")
        return Policy(
            redaction=self.redaction,
            # Some rules are called like their category: then both are meant.
            rules={name: redaction for name, redaction in self.redact if name in ids},
            categories={name: redaction for name, redaction in self.redact if name in categories},
            allowlist=frozenset().union(*map(read_allowlist, self.allow)),
            disabled=self.disable,
            hmac_key=HmacKey.from_environment(),
        )


Command = Callable[..., Any]


def rule_options(function: Command) -> Command:
    """Add the options that choose rules, and pass a ``Settings`` as ``settings``."""

    @click.option(
        "--config", type=click.Path(path_type=Path), metavar="FILE", help="Read this configuration file, no other."
    )
    @click.option("--no-config", is_flag=True, help="Read no configuration file.")
    @click.option(
        "--rules",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help="Use the rules of FILE beside the built-in ones. Repeatable.",
    )
    @click.option("--no-builtin-rules", is_flag=True, help="Use only the rules of --rules.")
    @click.option("--disable", multiple=True, metavar="RULE", help="Switch a rule off. Repeatable.")
    @wraps(function)
    def command(*args: Any, **options: Any) -> Any:
        settings = _settings(options)  # takes its options out
        return function(*args, **options, settings=settings)

    return command


def policy_options(*, redactions: bool) -> Callable[[Command], Command]:
    """Add ``--allow`` and, with ``redactions``, what to put in a secret's place. Goes above ``rule_options``."""

    def add(function: Command) -> Command:
        function = click.option(
            "--allow",
            type=click.Path(path_type=Path),
            multiple=True,
            metavar="FILE",
            help="Leave the values in FILE alone: one a line, matched whole. Repeatable.",
        )(function)
        if not redactions:
            return function
        function = click.option(
            "--redact",
            multiple=True,
            metavar="RULE_OR_CATEGORY=REDACTION",
            callback=_read_redact,
            help="Replace what one rule or category finds in another way. Repeatable.",
        )(function)
        return click.option(
            "--redaction",
            type=click.Choice(REDACTION_NAMES),
            help="How secrets are replaced.  [default: placeholder]",
        )(function)

    return add


def sources_argument(function: Command) -> Command:
    """Add the ``PATH|-`` arguments as ``paths``; none means standard input."""
    argument = click.argument(
        "paths",
        nargs=-1,
        metavar="[PATH|-]...",
        type=click.Path(),
        callback=lambda _context, _parameter, value: value or ("-",),
    )
    return argument(function)


def _read_redact(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> Mapping[str, str]:
    chosen = {}
    for value in values:
        name, equals, redaction = value.partition("=")
        if not equals or redaction not in REDACTION_NAMES:
            raise click.BadParameter(
                f"expected RULE_OR_CATEGORY=REDACTION, where REDACTION is one of {', '.join(REDACTION_NAMES)}"
            )
        chosen[name] = redaction
    return chosen


def _config(path: Path | None, *, without: bool) -> Config:
    if path is not None and without:
        raise click.UsageError("--config and --no-config exclude each other, expected one of them")
    if path is not None:
        return read_config(path)
    if without:
        return Config()
    try:
        directory = Path.cwd()
    except FileNotFoundError:
        return Config()  # the current directory has been removed
    return find_config(directory)


def _settings(options: dict[str, Any]) -> Settings:
    """Take the options of ``rule_options`` and ``policy_options`` out of ``options``."""
    config = _config(options.pop("config"), without=options.pop("no_config"))
    rules = (*config.rules, *options.pop("rules"))
    builtin = not options.pop("no_builtin_rules")
    if not builtin and not rules:
        raise click.UsageError("--no-builtin-rules leaves no rules, expected --rules FILE too")
    redact = {**config.redact, **dict(options.pop("redact", ()))}
    allow = options.pop("allow", ())
    return Settings(
        rules=rules,
        builtin=builtin,
        disable=frozenset((*config.disable, *options.pop("disable"))),
        redaction=options.pop("redaction", None) or config.redaction or "placeholder",
        redact=tuple(redact.items()),
        allow=allow if config.allow_file is None else (config.allow_file, *allow),
    )
