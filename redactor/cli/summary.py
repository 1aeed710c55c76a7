"""What scrubbing says about itself, on stderr."""

from __future__ import annotations

from collections.abc import Mapping

from redactor.cli.messages import complain

__all__ = ["say_counts", "say_total"]


def say_total(counts: Mapping[str, int], where: str = "") -> None:
    """Say how many secrets were replaced in all; ``where`` follows the number."""
    total = sum(counts.values())
    complain(f"{total} redacted{where}" if total else f"nothing to redact{where}")


def say_counts(counts: Mapping[str, int], most: int | None = None) -> None:
    """Say each count and what it counts, the largest first, and at most ``most`` of them."""
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]:
        complain(f"{count:>8} {name}")
