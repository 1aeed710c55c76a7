"""``redactor completion``: the script that makes a shell complete our options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: eval "$(redactor completion bash)"
    zsh:  eval "$(redactor completion zsh)"
    fish: redactor completion fish | source
    """  # noqa: D301 (click wants the character)
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "redactor", "_REDACTOR_COMPLETE")
    # Not source(): for bash that would start a bash to ask for its version.
    click.echo(script.source_template % script.source_vars())
