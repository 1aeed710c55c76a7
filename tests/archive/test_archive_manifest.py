"""Manifests: whole or not at all, read one entry at a time, and only if they are what they should be."""

from __future__ import annotations

import json
import os
import stat
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from file_scrubbing import CLEAN, DIRTY, SECRET, new_file, redactor, scrub

from redactor import HmacKey, Policy, Redactor
from redactor.archive.atomic import DestinationError
from redactor.archive.content import Edit
from redactor.archive.manifest import Entry, ManifestError, ManifestIndex, ManifestWriter, read_manifest

KEY = b"0123456789abcdef0123456789abcdef"


def write(path: Path, *results, by: Redactor | None = None) -> Path:
    with ManifestWriter(str(path), by or redactor()) as manifest:
        for result in results:
            manifest.add(result)
        manifest.commit()
    return path


@pytest.fixture
def result(tmp_path):
    """What became of one file with one secret."""
    return scrub(new_file(tmp_path / "app.log"), tmp_path / "out.log", receipt=True)


def test_what_is_written_is_read(tmp_path, result):
    """Every field of a result, also those with edits and names that are no UTF-8, comes back as it was."""
    odd = replace(result, task=replace(result.task, source=os.fsdecode(b"a\xff\nb.log")))
    clean = scrub(new_file(tmp_path / "clean.log", CLEAN), tmp_path / "clean.out", receipt=True)
    path = write(tmp_path / "run.jsonl", result, odd, clean)
    assert list(read_manifest(str(path))) == [Entry.of(result), Entry.of(odd), Entry.of(clean)]
    assert Entry.of(result).edits == (Edit("", 21, 53, 18, "session", ""),)


def test_first_and_last_line(tmp_path, result):
    """The first line says by what files were scrubbed, the last one how many there are."""
    keyed = Redactor(policy=Policy(hmac_key=HmacKey(KEY, "k1")))
    for by, key in ((redactor(), None), (keyed, "k1"), (Redactor(policy=Policy(hmac_key=HmacKey(KEY))), "")):
        lines = write(tmp_path / "run.jsonl", result, by=by).read_text().splitlines()
        first = json.loads(lines[0])
        assert (first["format"], first["version"], first["key"]) == ("redactor-manifest", 1, key)
        assert first["rules"] == by.ruleset.digest
        assert lines[2:] == ['{"files":1}']


def test_no_secret_is_in_a_manifest(tmp_path):
    """With a key, the fingerprint stands for the secret; the secret itself is nowhere."""
    keyed = Redactor(policy=Policy(hmac_key=HmacKey(KEY)))
    result = scrub(new_file(tmp_path / "app.log"), tmp_path / "out.log", receipt=True, by=keyed)
    content = write(tmp_path / "run.jsonl", result, by=keyed).read_bytes()
    assert SECRET not in content
    assert result.edits[0].fingerprint.encode() in content
    assert KEY not in content


def test_nothing_is_left_without_a_commit(tmp_path, result):
    """A run that ends early leaves the old manifest, and no temporary."""
    path = new_file(tmp_path / "run.jsonl", b"old\n")
    before = set(tmp_path.iterdir())
    with ManifestWriter(str(path), redactor()) as manifest:
        manifest.add(result)
    assert path.read_bytes() == b"old\n"
    assert set(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_only_its_owner_can_read_it(tmp_path, result):
    """A manifest has mode 0600, also in the place of a file that others could read."""
    path = new_file(tmp_path / "run.jsonl", b"old\n")
    path.chmod(0o644)
    assert stat.S_IMODE(write(path, result).stat().st_mode) == 0o600


def test_a_place_that_cannot_be_written_to(tmp_path):
    """A folder that is not there is told before the work begins."""
    path = str(tmp_path / "nope" / "run.jsonl")
    with pytest.raises(DestinationError) as caught, ManifestWriter(path, redactor()):
        pytest.fail("entered")
    assert str(caught.value) == f"{path}: No such file or directory, expected to be able to write"


def test_many_files_are_not_held_in_memory(tmp_path, result):
    """Writing and reading take as much memory for 3,000 files as for a few, and the index some bytes for each."""
    path = tmp_path / "run.jsonl"
    many = replace(result, edits=result.edits * 20)
    tracemalloc.start()
    try:
        write(path, *(many for _ in range(3_000)))
        assert sum(1 for _ in read_manifest(str(path))) == 3_000
        with ManifestIndex(str(path)) as index:
            assert index.find(result.digest_before) == Entry.of(many)
            assert not list(index.missed())
        assert path.stat().st_size > 2_000_000
        assert tracemalloc.get_traced_memory()[1] < 1_500_000
    finally:
        tracemalloc.stop()


def test_index_finds_by_content_and_tells_what_it_missed(tmp_path, result):
    """An entry is found by the digest of the original, and those that nobody asked for are told."""
    clean = scrub(new_file(tmp_path / "clean.log", CLEAN), tmp_path / "clean.out", receipt=True)
    refused = scrub(tmp_path / "nope.log", tmp_path / "nope.out", receipt=True)
    path = write(tmp_path / "run.jsonl", clean, refused, result)
    with ManifestIndex(str(path)) as index:
        assert index.find(result.digest_before) == Entry.of(result)
        assert index.find("0" * 64) is None
        assert list(index.missed()) == [Entry.of(clean)]


# --- what is refused ------------------------------------------------------------------------


def problem(path: Path) -> str:
    """Return why a manifest is refused, by both readers, without its path."""
    with pytest.raises(ManifestError) as one:
        list(read_manifest(str(path)))
    with pytest.raises(ManifestError) as other:
        ManifestIndex(str(path))
    assert str(one.value) == str(other.value)
    assert SECRET.decode() not in str(one.value)
    return str(one.value).removeprefix(f"{path}: ")


NO_MANIFEST = "is no manifest, expected one that redactor scrub --manifest wrote"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", NO_MANIFEST),
        (DIRTY, NO_MANIFEST),
        (b"{}\n", NO_MANIFEST),
        (b"[" * 4000, NO_MANIFEST),
        (b'{"redactor-journal":1}\n', NO_MANIFEST),
        (b'{"format":"redactor-manifest","version":1}\n', NO_MANIFEST),
        (b'{"format":"redactor-manifest","version":2}\n', "is a manifest of another version, expected version 1"),
        (b'{"format":"redactor-manifest"}\n', "is a manifest of another version, expected version 1"),
        (b'{"format":"redactor-manifest","version":true}\n', "is a manifest of another version, expected version 1"),
    ],
)
def test_foreign_files_are_refused(tmp_path, content, said):
    """What is no manifest of this version is refused in one line, with none of its content."""
    assert problem(new_file(tmp_path / "run.jsonl", content)) == said


def test_files_that_cannot_be_read_are_refused(tmp_path):
    """A manifest that is not there, or is a folder, is refused in one line."""
    assert problem(tmp_path / "nope") == "No such file or directory, expected a manifest"
    assert problem(tmp_path) == "Is a directory, expected a manifest"


def test_every_truncation_is_refused(tmp_path, result):
    """A manifest of which any number of bytes is missing at its end is refused."""
    whole = write(tmp_path / "run.jsonl", result).read_bytes()
    places = [at for at, byte in enumerate(whole) if byte == 10]
    said = {
        places[0] - 5: NO_MANIFEST,
        places[0] + 1: "is truncated, expected a last line with the number of files",
        places[1] - 5: "line 2 is no entry, expected one file with its edits in order",
        places[1] + 1: "is truncated, expected a last line with the number of files",
        places[2] - 3: "line 3 is no entry, expected one file with its edits in order",
        places[2]: "line 3 is no entry, expected one file with its edits in order",
    }
    for size, expected in said.items():
        assert problem(new_file(tmp_path / "cut.jsonl", whole[:size])) == expected


def test_missing_and_additional_lines_are_refused(tmp_path, result):
    """A manifest with fewer or more files than it says, or that goes on, is refused."""
    first, entry, last = write(tmp_path / "run.jsonl", result).read_bytes().splitlines(keepends=True)
    for lines, files in (([first, last], 0), ([first, entry, entry, last], 2), ([first, entry, last, entry], 1)):
        said = problem(new_file(tmp_path / "cut.jsonl", b"".join(lines)))
        assert said == f"has {files} files and not as many as it says, or goes on, expected a whole manifest"


@pytest.mark.parametrize(
    "change",
    [
        {"source": 1},
        {"size": [1]},
        {"size": [1, -1]},
        {"size": [1, True]},
        {"sha256": ["x" * 64, ""]},
        {"sha256": ["0" * 63, ""]},
        {"edits": [["", 5, 4, 0, "session", ""]]},
        {"edits": [["", 5, 6, -1, "session", ""]]},
        {"edits": [["", 5, 6, 1, "session"]]},
        {"edits": [["", 5, 6, 1, 7, ""]]},
        {"edits": {"a": 1}},
        {"counts": []},
        {"edits": None},
    ],
    ids=str,
)
def test_entries_of_another_form_are_refused(tmp_path, result, change):
    """An entry with a field of another type or range is refused by its line."""
    first, entry, last = write(tmp_path / "run.jsonl", result).read_bytes().splitlines(keepends=True)
    changed = json.dumps(json.loads(entry) | change).encode() + b"\n"
    said = problem(new_file(tmp_path / "odd.jsonl", first + changed + last))
    assert said == "line 2 is no entry, expected one file with its edits in order"
