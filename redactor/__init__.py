"""redactor keeps session secrets out of logs and telemetry.

``Redactor`` is the whole of it: ``Redactor().text("sid=...")``. ``install()`` puts it in
front of all that the process logs and reports. Nothing of a logging or telemetry host is
imported here; hosts are in ``redactor.integrations``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redactor.errors import PolicyError, RedactorError, RuleError, SourceError
    from redactor.installation import install
    from redactor.model import Match, Rule, Ruleset, Summary
    from redactor.redactor import Redactor, default_redactor
    from redactor.replace import HmacKey, Policy
    from redactor.rulefiles import load_ruleset
    from redactor.version import __version__

__all__ = [
    "HmacKey",
    "Match",
    "Policy",
    "PolicyError",
    "Redactor",
    "RedactorError",
    "Rule",
    "RuleError",
    "Ruleset",
    "SourceError",
    "Summary",
    "__version__",
    "default_redactor",
    "install",
    "load_ruleset",
]

_HOMES = {
    "__version__": "version",
    "HmacKey": "replace",
    "Match": "model",
    "Policy": "replace",
    "PolicyError": "errors",
    "RedactorError": "errors",
    "Redactor": "redactor",
    "Rule": "model",
    "RuleError": "errors",
    "Ruleset": "model",
    "SourceError": "errors",
    "Summary": "model",
    "default_redactor": "redactor",
    "install": "installation",
    "load_ruleset": "rulefiles",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import redactor`` costs little."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'redactor' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"redactor.{home}"), name)
