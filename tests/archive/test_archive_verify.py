"""Verification: what was scrubbed is proven, and any tampering is found and told by its place."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import threading
import tracemalloc
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from file_scrubbing import CLEAN, DIRTY, DONE, SECRET, new_file, redactor, scrub
from hypothesis import given
from hypothesis import strategies as st

from redactor.archive.content import Edit, Limits
from redactor.archive.manifest import Entry
from redactor.archive.verify import verify_file
from redactor.rulefiles import load_rules

EXAMPLES = [each.text.encode() for rule in load_rules() for each in rule.examples]


def tarred(content: bytes, name: str = "app.log") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number, data in enumerate((CLEAN, content)):
            member = tarfile.TarInfo(f"{number}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("clean.log", CLEAN), ("logs/app.log", content)):
            archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


FORMS = {
    "app.log": (bytes, ""),
    "app.log.gz": (partial(gzip.compress, mtime=0), "app.log"),
    "app.log.bz2": (bz2.compress, "app.log"),
    "app.log.xz": (lzma.compress, "app.log"),
    "a.tar": (tarred, "1/app.log"),
    "a.zip": (zipped, "logs/app.log"),
    "a.tgz": (lambda data: gzip.compress(tarred(data), mtime=0), "a.tar!1/app.log"),
    "b.zip": (lambda data: zipped(gzip.compress(data, mtime=0)), "logs/app.log!app.log"),
}
"""How to pack a content, and how the member with it is called."""


class Pair:
    """An original, its scrubbed file, and the entry of a manifest for them."""

    def __init__(self, folder: Path, name: str = "app.log", content: bytes = DIRTY) -> None:
        self.original = new_file(folder / "before" / name, content)
        self.scrubbed = folder / "after" / name
        result = scrub(self.original, self.scrubbed, receipt=True)
        assert result.problem == ""
        self.entry = Entry.of(result)

    def verify(self, *, manifest: bool = False, **options) -> tuple[str, int]:
        """Return what is said, without the path, and how many redactions were seen."""
        entry = options.pop("entry", self.entry if manifest else None)
        proof = verify_file(str(self.original), str(self.scrubbed), redactor(), entry, **options)
        assert SECRET.decode() not in repr(proof)
        assert proof.path == str(self.original)
        assert proof.problem == "" or proof.problem.startswith(proof.path)
        return proof.problem.removeprefix(proof.path), proof.redactions

    def rewrite(self, old: bytes, new: bytes) -> None:
        """Put ``new`` in the place of ``old`` in the scrubbed file."""
        content = self.scrubbed.read_bytes()
        assert content.count(old) == 1
        self.scrubbed.write_bytes(content.replace(old, new))


manifest = pytest.mark.parametrize("manifest", [False, True], ids=["scan", "manifest"])


# --- what is proven -------------------------------------------------------------------------


@manifest
@pytest.mark.parametrize("name", FORMS)
def test_scrubbed_files_are_proven(tmp_path, name, manifest):
    """What scrubbing made of a text, compressed or in archives, is proven with and without a manifest."""
    pack, _ = FORMS[name]
    pair = Pair(tmp_path, name, pack((CLEAN + DIRTY) * 3))
    assert pair.verify(manifest=manifest) == ("", 3)


@manifest
@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"", 0),
        (CLEAN, 0),
        (b"x", 0),
        (DIRTY.rstrip(), 1),
        (DIRTY.replace(b"\n", b"\r\n") * 2, 2),
        (b"\0\xff" + DIRTY, 1),
        (("\u00fc\U0001f600 " + DIRTY.decode()).encode("utf-16"), 1),
        (DIRTY.decode().encode("utf-16-be").join([b"\xfe\xff", b"A"]), 1),
        (json.dumps({"cookies": [{"name": "sid", "value": SECRET.decode()}], "otp": 492817}).encode(), 2),
        (b'{"sid":"%s","a":1}\n{"b":2}\nno json\n{"sid":"%s"}\n' % (SECRET, SECRET), 2),
        (b"example.com\tFALSE\t/\tTRUE\t0\tsid\t%s\n" % SECRET, 1),
        (b"sid=" + b"aB3" * 40_000 + b" ok\n", 1),
        (b"X" * 300_000 + b" " + DIRTY, 1),
        ((CLEAN * 2000 + DIRTY) * 90, 90),
        (b"token=" + b"aB3" * 700_000, 1),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_contents_of_every_kind_are_proven(tmp_path, content, count, manifest):
    """Texts of any encoding, size and form are proven with as many redactions as there are secrets."""
    assert Pair(tmp_path, content=content).verify(manifest=manifest) == ("", count)


@given(st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=4), st.data())
def test_any_changed_byte_outside_placeholders_is_found(tmp_path_factory, texts, data):
    """Examples of all rules, scrubbed, are proven; with any one byte changed outside the ranges they are not."""
    pair = Pair(tmp_path_factory.mktemp("law"), content=b"\n".join(texts))
    assert pair.verify() == ("", len(pair.entry.edits))
    assert pair.verify(manifest=True) == ("", len(pair.entry.edits))
    inside = set()
    grown = 0
    for edit in pair.entry.edits:
        inside |= set(range(edit.start + grown, edit.start + grown + edit.length))
        grown += edit.length - (edit.end - edit.start)
    content = bytearray(pair.scrubbed.read_bytes())
    outside = [at for at in range(len(content)) if at not in inside]
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or not outside:
        return
    at = data.draw(st.sampled_from(outside))
    content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    pair.scrubbed.write_bytes(content)
    found = {pair.verify()[0], pair.verify(manifest=True)[0]}
    assert "" not in found
    if not any("begins a secret" in problem for problem in found) and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        assert found == {f": byte {at} outside the redacted ranges differs"}


# --- tampering ------------------------------------------------------------------------------


@manifest
@pytest.mark.parametrize("name", FORMS)
def test_a_flipped_byte_is_found_in_its_member(tmp_path, name, manifest):
    """One other byte is told by its offset in the decoded content and the name of its member."""
    pack, member = FORMS[name]
    pair = Pair(tmp_path, name, pack(CLEAN + DIRTY))
    pair.scrubbed.write_bytes(pack((CLEAN + DONE).replace(b" ok", b" no")))
    at = (CLEAN + DONE).index(b" ok") + 1
    place = f"!{member}: " if member else ": "
    assert pair.verify(manifest=manifest)[0] == f"{place}byte {at} outside the redacted ranges differs"


@manifest
def test_a_dropped_line_is_found(tmp_path, manifest):
    """A line that is missing in the middle is told by the first byte that differs, at the end by the end."""
    pair = Pair(tmp_path, content=DIRTY + b"one\n" + b"two\n")
    whole = pair.scrubbed.read_bytes()
    pair.rewrite(b"one\n", b"")
    assert pair.verify(manifest=manifest)[0] == f": byte {len(DONE)} outside the redacted ranges differs"
    pair.scrubbed.write_bytes(whole.removesuffix(b"two\n"))
    assert pair.verify(manifest=manifest)[0] == f": ends at byte {len(DONE) + 4}, expected it to go on"
    pair.scrubbed.write_bytes(whole + b"more\n")
    assert pair.verify(manifest=manifest)[0] == f": goes on at byte {len(whole)}, expected its end"


@manifest
def test_a_secret_that_is_put_back_is_found(tmp_path, manifest):
    """A secret in the scrubbed file is told before anything else, by rule and place."""
    pair = Pair(tmp_path, content=CLEAN + DIRTY)
    pair.rewrite(b"[REDACTED:session]", SECRET)
    at = (CLEAN + DIRTY).index(SECRET)
    assert pair.verify(manifest=manifest)[0] == f": byte {at} begins a secret of session, expected none to be left"
    pair = Pair(tmp_path / "zip", "a.zip", zipped(DIRTY))
    pair.scrubbed.write_bytes(pair.original.read_bytes())
    place = f"!logs/app.log: byte {DIRTY.index(SECRET)}"
    assert pair.verify(manifest=manifest)[0] == f"{place} begins a secret of session, expected none to be left"


@manifest
def test_a_line_end_in_a_placeholder_is_found(tmp_path, manifest):
    """A range that has another number of line ends than before is told by its place."""
    pair = Pair(tmp_path)
    pair.rewrite(b"[REDACTED:session]", b"[REDACTED:sessio\n]")
    said = f": the redacted range at byte {DIRTY.index(SECRET)} has 1 line ends, expected 0"
    assert pair.verify(manifest=manifest)[0] == said


@manifest
def test_json_that_no_longer_parses_is_found(tmp_path, manifest):
    """A placeholder that breaks JSON, or one line of JSON Lines, is told; what was broken before is not."""
    said = ": is no valid JSON any more, expected it to parse as the original does"
    for content in (b'{"a": {"otp": 492817}}', b'{"a":1}\n{"otp":492817}\n', b'{"a":1}\n{broken\n{"otp":492817}\n'):
        pair = Pair(tmp_path, content=content)
        assert pair.verify(manifest=manifest)[0] == ""
        pair.rewrite(b'"[REDACTED:otp]"', b" [REDACTED:otp] ")
        assert pair.verify(manifest=manifest)[0] == said


@manifest
def test_swapped_files_are_found(tmp_path, manifest):
    """Two scrubbed files in each other's place are told by the first byte that differs."""
    one = Pair(tmp_path, "one.log", b"one " + DIRTY)
    two = Pair(tmp_path, "two.log", b"two " + DIRTY)
    one.scrubbed, two.scrubbed = two.scrubbed, one.scrubbed
    for pair in (one, two):
        assert pair.verify(manifest=manifest)[0] == ": byte 0 outside the redacted ranges differs"


def test_a_range_of_another_length_is_found(tmp_path):
    """An edit of the manifest that is moved, longer, shorter or missing does not fit the files any more."""
    pair = Pair(tmp_path)
    edit = pair.entry.edits[0]
    at = DIRTY.index(SECRET)
    for changed, place in (
        (edit._replace(length=edit.length - 1), at + 17),
        (edit._replace(length=edit.length + 1), at + 19),
        (edit._replace(end=edit.end - 1), at + 18),
        (edit._replace(start=edit.start + 1), at),
    ):
        said, _ = pair.verify(entry=replace(pair.entry, edits=(changed,)))
        assert said == f": byte {place} outside the redacted ranges differs"
    assert pair.verify(entry=replace(pair.entry, edits=()))[0] == f": byte {at} outside the redacted ranges differs"
    more = (edit, Edit("b.log", 0, 0, 0, "session", ""))
    said, _ = pair.verify(entry=replace(pair.entry, edits=more))
    assert said == ": has fewer contents than the manifest has edits for, expected all of them"


def test_digests_of_the_manifest_must_hold(tmp_path):
    """A manifest of another original is told so, and one of another scrubbed file, where only a digest can tell."""
    pair = Pair(tmp_path)
    pair.rewrite(b"[REDACTED:session]", b"[REDACTED:sessiom]")
    assert pair.verify() == ("", 1)
    said = ": differs from the scrubbed file of the manifest, expected its SHA-256"
    assert pair.verify(manifest=True)[0] == said
    other = Pair(tmp_path / "other", content=CLEAN).entry
    assert pair.verify(entry=other)[0] == ": is not the file of the manifest, expected one with its SHA-256"
    refused = replace(pair.entry, outcome="refused")
    said = ": was refused, as the manifest says, expected it to be scrubbed"
    assert pair.verify(entry=refused)[0] == said


@manifest
def test_members_must_be_the_same(tmp_path, manifest):
    """A member that is missing, renamed or added in the scrubbed archive is told by its name."""
    pair = Pair(tmp_path, "a.tar", tarred(DIRTY))
    pair.scrubbed.write_bytes(tarred(DONE, "other.log"))
    missing = "!0/app.log: is not in its place in the scrubbed file, expected the same members"
    assert pair.verify(manifest=manifest)[0] == missing
    with tarfile.open(pair.scrubbed, "w") as archive:
        for name, data in (("0/app.log", CLEAN), ("1/app.log", DONE), ("more", b"x")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    said = "!more: is in the scrubbed file only, expected the same members"
    assert pair.verify(manifest=manifest)[0] == said


# --- what cannot be read --------------------------------------------------------------------


def test_files_that_cannot_be_read_are_told(tmp_path):
    """A file that is missing, no regular one, or broken is not proven, and neither is one that differs."""
    pair = Pair(tmp_path, "a.gz", gzip.compress(DIRTY))
    pair.scrubbed.write_bytes(pair.scrubbed.read_bytes()[:-3])
    proof = verify_file(str(pair.original), str(pair.scrubbed), redactor())
    assert (
        proof.problem == f"{pair.original}: {pair.scrubbed}: ends inside the gzip member at byte 0, expected all of it"
    )
    assert not proof.read
    for path, said in ((tmp_path / "nope", "No such file or directory, expected a readable file"),):
        proof = verify_file(str(path), str(pair.scrubbed), redactor())
        assert (proof.problem, proof.read) == (f"{path}: {said}", False)
    proof = verify_file(str(tmp_path), str(pair.scrubbed), redactor())
    assert (proof.problem, proof.read) == (f"{tmp_path}: is no regular file, expected one", False)


def test_limits_hold(tmp_path):
    """What unfolds too far is refused on both sides."""
    pair = Pair(tmp_path, "a.tgz", gzip.compress(tarred(DIRTY)))
    said, _ = pair.verify(limits=Limits(depth=1))
    assert said == "!a.tar: more than 1 containers in one another, expected fewer (--max-depth)"


def test_no_thread_is_left(tmp_path):
    """Whatever was found, no thread goes on afterwards, and nothing was written."""
    pair = Pair(tmp_path, content=(CLEAN * 3000 + DIRTY) * 80)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    pair.original.write_bytes(b"x" + pair.original.read_bytes())
    assert pair.verify()[0] == ": byte 0 outside the redacted ranges differs"
    pair.original.write_bytes(gzip.compress(b"x" * 9_000_000)[:-5])
    assert pair.verify()[0] == "!app.log: is not in its place in the scrubbed file, expected the same members"
    assert not [thread for thread in threading.enumerate() if thread.name == "redactor-verify"]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(files)


@pytest.mark.parametrize(
    "content", [(CLEAN * 200 + DIRTY) * 12_000, b"sid=" + b"aB3" * 22_000_000], ids=["lines", "line"]
)
def test_memory_is_bounded(tmp_path, content):
    """A file of 66 MB, of lines or of one secret, takes a few of its megabytes."""
    original = new_file(tmp_path / "before.log", content)
    result = scrub(original, tmp_path / "after.log")
    count = result.counts["session"]
    del content
    tracemalloc.start()
    try:
        proof = verify_file(str(original), str(tmp_path / "after.log"), redactor())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (proof.problem, proof.redactions) == ("", count)
    assert peak < 32_000_000
