"""``redactor explain``: what was found in a text, what nearly was, and why not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from redactor.cli import exits
from redactor.cli.io import OpenFile, Source
from redactor.cli.options import Settings, policy_options, rule_options
from redactor.errors import SourceError

if TYPE_CHECKING:
    from redactor.redactor import Redactor
    from redactor.scanner import Decision

__all__ = ["command"]

_LARGEST: Final = 1 << 20
_VALUE: Final = re.compile(rb"[^\s\"'`<>&;,]+")


class _Remark(NamedTuple):
    """A range of the text and what is said about it. ``shown`` stands in the range's place."""

    start: int
    end: int
    shown: str
    mark: str
    said: str


@click.command("explain", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="[TEXT|-]")
@policy_options(redactions=True)
@rule_options
def command(words: Sequence[str], settings: Settings) -> int:
    """Say what is found in a text, what nearly is, and why not.

    The text is TEXT, or standard input. Each line with something to say is printed redacted, with ^ under what was found and
    ~ under what was judged and left alone. No value that was judged is printed: those left
    alone are masked here too, so that the output can be shown to others. Columns are those of the
    bytes in the line as it was given, from 1, the last one included.

    A secret given as TEXT stays in the history of your shell; standard input does not.
    """
    data = " ".join(words).encode("utf-8", "surrogateescape") if words and tuple(words) != ("-",) else _read()
    redactor = settings.redactor()
    remarks = sorted((*_found(redactor, data), *_left_alone(redactor, data)))
    with OpenFile() as output:
        colours = output.has_colours()
        if not remarks:
            output.write(b"nothing here looks like a secret or is named like one\n")
        for text in _paragraphs(data, remarks):
            output.write((text if colours else click.unstyle(text)).encode("utf-8", "backslashreplace"))
    return exits.DONE


def _read() -> bytes:
    data = b""
    with Source("-") as source:
        for block in source.blocks():
            data += block
            if len(data) > _LARGEST:
                raise SourceError(f"-: more than {_LARGEST} bytes, expected a line or a short text")
    return data


def _found(redactor: Redactor, data: bytes) -> Iterator[_Remark]:
    replacer = redactor.replacer
    index = {rule.id: number for number, rule in enumerate(redactor.ruleset.rules)}
    for rule, start, end in redactor.matches(data):
        shown = replacer.replacement(index[rule], data[start:end]).decode("ascii")
        yield _Remark(start, end, shown, "^", f"redacted by rule {click.style(rule, fg='red')}")


def _left_alone(redactor: Redactor, data: bytes) -> Iterator[_Remark]:
    """Yield what was judged and left alone, each place once, outside of what was found."""
    found = [(start, end) for _, start, end in redactor.matches(data)]
    reasons: dict[int, dict[str, None]] = {}
    for decision in redactor.explain(data):
        if not any(start <= decision.start < end for start, end in found):
            reasons.setdefault(decision.start, {})[_reason(redactor, decision)] = None
    starts = sorted({*reasons, *(start for start, _ in found), len(data)})
    following = dict(pairwise(starts))
    for start, said in reasons.items():
        end = min(_value_end(data, start), following.get(start, len(data)))
        yield _Remark(start, end, "*" * (end - start), "~", f"left alone: {'; '.join(said)}")


def _value_end(data: bytes, start: int) -> int:
    """Return where a value that was left alone ends: its quote, else a delimiter. Rather too far than too near."""
    quote = data[start - 1 : start]
    if quote in (b'"', b"'"):
        line_end = data.find(b"\n", start)
        close = data.find(quote, start, line_end if line_end >= 0 else len(data))
        if close >= 0:
            return close
    value = _VALUE.match(data, start)
    return value.end() if value else start


def _reason(redactor: Redactor, decision: Decision) -> str:
    reason = decision.reason or "on the allowlist"
    rule = redactor.ruleset.rules[decision.rule].id if decision.rule >= 0 else ""
    about = [f"rule {rule}"] if rule else []
    if decision.name:
        about.append(f"name {decision.name}")
    return f"{reason} ({', '.join(about)})" if about else reason


def _paragraphs(data: bytes, remarks: Sequence[_Remark]) -> Iterator[str]:
    """Yield, for each line with remarks, the line redacted, the marks under it and the remarks."""
    start = covered = 0
    waiting = list(reversed(remarks))
    for number, line in enumerate(data.split(b"\n"), 1):
        end = start + len(line)
        here = []
        while waiting and waiting[-1].start <= end:
            here.append(waiting.pop())
        if here:
            # A value may go on in the line after a soft line break: that part is not shown.
            text, marks = _marked(data, max(start, covered), end, here)
            yield _paragraph(f"{number}: ", text, marks, [_said(remark, start, end) for remark in here])
            covered = here[-1].end
        start = end + 1


def _marked(data: bytes, position: int, line_end: int, remarks: Iterable[_Remark]) -> tuple[str, str]:
    """Return the line from ``position`` on with what the remarks show, and the marks under it."""
    text, marks = "", ""
    for remark in remarks:
        text += _printable(data[position : remark.start])
        # What a policy removes without a trace is marked by where it was.
        marks = marks.ljust(len(text)) + remark.mark * max(1, len(remark.shown))
        text += remark.shown
        position = remark.end
    return text + _printable(data[position:line_end].removesuffix(b"\r")), marks


def _said(remark: _Remark, line_start: int, line_end: int) -> str:
    goes_on = " and on" if remark.end > line_end else ""
    return f"columns {remark.start - line_start + 1}-{min(remark.end, line_end) - line_start}{goes_on}: {remark.said}"


def _paragraph(label: str, text: str, marks: str, said: Iterable[str]) -> str:
    under = " " * len(label) + click.style(marks, fg="red")
    return "".join(f"{line}\n" for line in (label + text, under, *(f"  {line}" for line in said)))


def _printable(data: bytes) -> str:
    """Return text for a terminal; what could disturb the line is escaped."""
    text = data.decode("utf-8", "backslashreplace").replace("\t", " ")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
