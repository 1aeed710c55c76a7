"""What the compressed formats have in common: members one after another, decoded as one content.

A *member* is what a format puts end to end: a gzip member, a bzip2 or xz stream, a zstd or
LZ4 frame. What stands between members and holds no content (padding, a skippable frame) is
a member too, one without a form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final, NoReturn, Protocol

from redactor.archive.content import BLOCK, Meter, RefusedError, Sink, Work
from redactor.model import Found
from redactor.redactor import Redactor

__all__ = [
    "HEAVY",
    "LARGEST_WINDOW",
    "Coded",
    "CodedEncoder",
    "Coder",
    "Decoded",
    "Decoder",
    "Encoder",
    "Form",
    "Format",
    "Input",
    "Member",
    "Padding",
    "Place",
    "Skipped",
    "Tracker",
    "check_window",
    "needed",
    "refuse_secrets",
]

LARGEST_WINDOW: Final = 64 * 1024 * 1024
"""How many bytes back a decoder may have to remember: as many as ``xz -9`` asks for."""

HEAVY: Final = 16 * 1024 * 1024
"""From how large a window on there is no second decoder beside the first."""

_FIRST_STEP: Final = 2048
"""How many bytes a decoder is given first: what it does not need is copied, and members may be tiny."""

_LARGEST_STEP: Final = 65536


class Input:
    """The bytes of members: looked at before they are taken, and taken back without copying."""

    def __init__(self, read: Callable[[], bytes], position: int = 0) -> None:
        self._read = read
        self._data = b""
        self._at = 0
        self._before = position

    @property
    def position(self) -> int:
        """How many bytes have been taken, from the start of the content."""
        return self._before + self._at

    def view(self, most: int) -> memoryview:
        """Return some of the next bytes, at most ``most``; none at the end."""
        if self._at == len(self._data):
            self._before += self._at
            self._data, self._at = self._read(), 0
        return memoryview(self._data)[self._at : self._at + most]

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or all there are."""
        while len(self._data) - self._at < size and (more := self._read()):
            self._before += self._at
            self._data, self._at = self._data[self._at :] + more, 0
        return self._data[self._at : self._at + size]

    def skip(self, size: int) -> None:
        """Take ``size`` bytes that were seen."""
        self._at += size

    def back(self, size: int) -> None:
        """Give back ``size`` bytes, at most as many as the last view had."""
        self._at -= size


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member is, for refusals: the content, what the member is called, its first byte."""

    name: str
    what: str
    start: int

    def refuse(self, problem: str) -> NoReturn:
        """Refuse the content because of this member."""
        raise RefusedError(f"{self.name}: the {self.what} at byte {self.start} {problem}")

    def cut(self) -> NoReturn:
        """Refuse the content because it ends before this member does."""
        raise RefusedError(f"{self.name}: ends inside the {self.what} at byte {self.start}, expected all of it")


# --- what a format provides ---------------------------------------------------------------


class Encoder(Protocol):
    """Writes one member."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take the next bytes of the member's content."""

    def finish(self) -> None:
        """Write the end of the member."""


class Form(Protocol):
    """How a member was written, to write it anew; kept for every member on its way."""

    @property
    def window(self) -> int:
        """How many bytes back its decoder has to remember."""

    @property
    def size(self) -> int:
        """About how many bytes the form itself takes."""

    def encoder(self, sink: Sink) -> Encoder:
        """Return an encoder that writes a member of this form to ``sink``."""


class Member(Protocol):
    """A member that is being decoded.

    ``form`` is None if it holds no content; such a member is ``stale``, and left out, once
    another member is written anew, if it tells about the members' sizes.
    """

    @property
    def form(self) -> Form | None:
        """How it is written."""

    @property
    def stale(self) -> bool:
        """Whether it is wrong once another member is written anew."""

    @property
    def done(self) -> bool:
        """Whether it is at its end."""

    def decode(self, data: Input, most: int) -> bytes:
        """Return the next bytes of content, at most ``most``; none says nothing of the end.

        Is ``done`` once all of the member was taken from ``data`` and found in order.
        Raises ``RefusedError``.
        """


@dataclass(frozen=True)
class Format:
    """A compressed format.

    ``begin`` reads the beginning of the member that is next and is given where it is; it
    returns None at the end of the content. ``suffixes`` are those of file names, by what
    they become once the content is decompressed.
    """

    name: str
    member: str
    suffixes: Mapping[str, str]
    recognises: Callable[[bytes], bool]
    begin: Callable[[Place, Input, Redactor], Member | None]


# --- parts of formats -----------------------------------------------------------------------


class Coder(Protocol):
    """A compressor of the standard library's kind."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """Take the next bytes."""

    def flush(self) -> bytes:
        """End the stream."""


class Decoder(Protocol):
    """A decompressor of the standard library's kind: of ``bz2``, ``lzma`` and ``compression.zstd``."""

    @property
    def eof(self) -> bool:
        """Whether the end has been reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without more input."""

    @property
    def unused_data(self) -> bytes | None:
        """What was given and comes after the end."""

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        """Return at most ``max_length`` bytes that come out after ``data``."""


class Coded:
    """A member that a decoder of the standard library's kind takes apart."""

    stale = False

    def __init__(self, place: Place, form: Form, decoder: Decoder, errors: type[Exception]) -> None:
        self.form = form
        self.done = False
        self._place = place
        self._decoder = decoder
        self._errors = errors
        self._step = _FIRST_STEP

    def decode(self, data: Input, most: int) -> bytes:
        decoder = self._decoder
        chunk: bytes | memoryview = b""
        starved = decoder.needs_input
        if starved:
            chunk = data.view(self._step)
            data.skip(len(chunk))
            self._step = min(4 * self._step, _LARGEST_STEP)
        problem, made = "", b""
        try:
            made = decoder.decompress(chunk, most)
        except self._errors as error:
            # Refused further down: the frames that the error came from hold the input.
            problem = "needs too much memory" if "emory" in str(error) else "is broken"
        if problem:
            self._place.refuse(f"{problem}, expected data that can be decoded")
        if decoder.eof:
            self.done = True
            data.back(len(decoder.unused_data or b""))
        elif starved and not chunk and not made:
            self._place.cut()
        return made


class CodedEncoder:
    """Writes one member with a compressor of the standard library's kind."""

    def __init__(self, sink: Sink, coder: Coder) -> None:
        self._sink = sink
        self._coder = coder

    def write(self, data: bytes | memoryview, /) -> None:
        self._sink.write(self._coder.compress(data))

    def finish(self) -> None:
        self._sink.write(self._coder.flush())


class Padding:
    """Zero bytes after a member, up to something else, in a multiple of ``unit`` bytes."""

    form = None
    stale = False

    def __init__(self, place: Place, unit: int = 1) -> None:
        self.done = False
        self._place = place
        self._unit = unit

    def decode(self, data: Input, most: int) -> bytes:  # noqa: ARG002
        view = bytes(data.view(BLOCK))
        zeros = len(view) - len(view.lstrip(b"\0"))
        data.skip(zeros)
        self.done = zeros < len(view) or not view
        if self.done and (data.position - self._place.start) % self._unit:
            size = data.position - self._place.start
            raise RefusedError(
                f"{self._place.name}: {size} bytes of padding at byte {self._place.start}, "
                f"expected a multiple of {self._unit}"
            )
        return b""


class Skipped:
    """``size`` bytes of somebody's own, which a decoder skips; refused if a secret is in them."""

    form = None

    def __init__(self, place: Place, size: int, redactor: Redactor, *, stale: bool) -> None:
        self.done = False
        self.stale = stale
        self._place = place
        self._left = size
        self._stream = redactor.open_stream(observer=_Refusing(place))

    def decode(self, data: Input, most: int) -> bytes:  # noqa: ARG002
        view = data.view(min(self._left, BLOCK))
        if self._left and not view:
            self._place.cut()
        self._stream.feed(bytes(view))
        self._left -= len(view)
        data.skip(len(view))
        if not self._left:
            self._stream.finish()
            self.done = True
        return b""


class _Refusing:
    """The observer of a stream in which no secret may be."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:  # noqa: ARG002
        self._place.refuse("has a secret beside its content, expected none")

    def prolonged(self, end: int) -> None:
        """Nothing goes on: the first secret ended it."""


def needed(place: Place, module: str, distribution: str) -> ModuleType:
    """Return a module that can be missing; refuse the content if it is."""
    try:
        return import_module(module)
    except ImportError:
        place.refuse(f"cannot be read, expected {distribution} to be installed")


def check_window(place: Place, window: int) -> None:
    """Refuse a member of which the decoder would have to remember too much."""
    if window > LARGEST_WINDOW:
        place.refuse(f"needs a window of {window} bytes to decode, expected at most {LARGEST_WINDOW}")


def refuse_secrets(place: Place, data: bytes, redactor: Redactor) -> None:
    """Refuse the content if there is a secret in ``data``, which is in a member's header."""
    if redactor.matches(data):
        place.refuse("has a secret in its header, expected none")


# --- all members as one content -------------------------------------------------------------


class Tracker(Protocol):
    """Is told which bytes of the content, and of what comes out of it, are a member's."""

    def begins(self, start: int, begin: int, member: Member) -> None:
        """Take note that ``member`` starts at byte ``start`` and its content at offset ``begin``."""

    def goes_on(self, position: int) -> None:
        """Take note that the content was read up to byte ``position``."""

    def ends(self, stop: int, end: int) -> None:
        """Take note that the member goes to byte ``stop`` and its content to offset ``end``."""


class Decoded:
    """The members of a content, decoded one after another; ``read`` is for a ``Source``."""

    def __init__(
        self,
        kind: Format,
        name: str,
        work: Work,
        data: Input,
        *,
        meter: Meter | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        self._kind = kind
        self._name = name
        self._redactor = work.redactor
        self._data = data
        self._meter = meter
        self._tracker = tracker
        self._member: Member | None = None
        self._made = 0
        self.start = 0
        """The first byte of the member that was begun last."""
        self.begin = 0
        """The offset of its content."""

    def read(self, size: int = BLOCK) -> bytes:
        """Return the next bytes of content, ``size`` of them or fewer; none at the end."""
        pieces: list[bytes] = []
        while size:
            member = self._member or self._next()
            if member is None:
                break
            piece = self._step(member, size)
            if piece:
                pieces.append(piece)
                size -= len(piece)
        return b"".join(pieces)

    def _next(self) -> Member | None:
        start = self._data.position
        self._member = member = self._kind.begin(
            Place(self._name, self._kind.member, start), self._data, self._redactor
        )
        if member is None:
            self._refuse_rest()
            return None
        self.start, self.begin = start, self._made
        if self._tracker is not None:
            self._tracker.begins(start, self._made, member)
        return member

    def _step(self, member: Member, most: int) -> bytes:
        before = self._data.position
        piece = member.decode(self._data, most)
        self._made += len(piece)
        position = self._data.position
        if self._meter is not None:
            self._meter.weigh(position - before, len(piece))
        if self._tracker is not None:
            self._tracker.goes_on(position)
        if member.done:
            self._member = None
            if self._tracker is not None:
                self._tracker.ends(position, self._made)
        return piece

    def _refuse_rest(self) -> None:
        """Refuse what no format begins with: everything up to the end is counted, nothing shown."""
        start = self._data.position
        while view := self._data.view(BLOCK):
            self._data.skip(len(view))
        rest = self._data.position - start
        if rest:
            raise RefusedError(
                f"{self._name}: {rest} bytes after the last {self._kind.member} at byte {start}, expected none"
            )
