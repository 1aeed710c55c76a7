"""From paths to tasks: which files are found, in which order, and where they are written."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from file_scrubbing import CLEAN, names, new_file

from redactor.archive import walk
from redactor.archive.tasks import Outcome, Task
from redactor.archive.walk import Selection, find_tasks, read_filelist
from redactor.errors import SourceError

TEMPORARY = ".redactor-0123456789abcdef"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*paths: str, sweeping: bool = False, **wanted) -> tuple[list[Task], list[tuple[Outcome, str]]]:
    """Return the tasks of a selection and what was reported."""
    reported = []
    wanted = {"in_place": "directory" not in wanted} | wanted
    tasks = list(find_tasks(Selection(paths, **wanted), reported.append, sweeping=sweeping))
    return tasks, [(result.outcome, result.problem) for result in reported]


def sources(*paths: str, **wanted) -> list[str]:
    """Return the sources of a selection in which there is nothing to report."""
    tasks, reported = found(*paths, **wanted)
    assert reported == []
    return [task.source for task in tasks]


def tree(*files: str) -> None:
    for name in files:
        new_file(Path(name), CLEAN)


# --- which files, in which order ------------------------------------------------------------


def test_trees_are_gone_through_in_order():
    """The files of a folder come in the order of their names' bytes, then its folders likewise."""
    tree("t/b", "t/a", "t/B", "t/.h", "t/a.d/z", "t/a.d/x/y", "t/Z.d/q", "t/é", "t/a-b")
    assert sources("t") == ["t/.h", "t/B", "t/a", "t/a-b", "t/b", "t/é", "t/Z.d/q", "t/a.d/z", "t/a.d/x/y"]
    assert sources("t/") == sources("t")


def test_paths_come_in_the_order_in_which_they_are_given():
    """Files and trees are done as they were named."""
    tree("b.log", "t/c", "a.log")
    assert sources("b.log", "t", "a.log") == ["b.log", "t/c", "a.log"]


@pytest.mark.parametrize(
    "paths", [("t", "t"), ("t/x/a", "t"), ("t", "t/x/a", "./t/x/../x"), ("t/x", "t"), ("t/x/a", "./t/x/a", "t/x")]
)
def test_nothing_is_done_twice(paths):
    """A file or folder that is reached twice, by whatever path, is one task."""
    tree("t/x/a")
    assert [Path(path).resolve() for path in sources(*paths)] == [Path("t/x/a").resolve()]


def test_no_link_in_a_tree_is_followed():
    """Links to files, to folders and to the tree itself are passed over, and so is all that is no file."""
    tree("t/a", "outside/b")
    Path("t/file").symlink_to("../outside/b")
    Path("t/folder").symlink_to("../outside")
    Path("t/loop").symlink_to(".")
    Path("t/nowhere").symlink_to("nope")
    os.mkfifo("t/pipe")
    assert sources("t") == ["t/a"]


def test_a_link_that_is_named_is_a_task_of_its_own():
    """What is named is not passed over: scrubbing a link says why it is not scrubbed."""
    tree("t/a")
    Path("link").symlink_to("t")
    assert sources("link") == ["link"]
    assert sources("link/") == ["link/a"]


def test_empty_trees_have_no_tasks():
    """Folders without files are no error."""
    Path("t/a/b").mkdir(parents=True)
    assert sources("t") == []


def test_deep_trees(here):
    """A tree may be deeper than Python can call itself."""
    folders = [Path("/".join(["t"] + ["d"] * depth)) for depth in range(1300)]
    for folder in folders:
        folder.mkdir()
    try:
        tree(f"{folders[-1]}/a")
        assert sources("t") == [f"{folders[-1]}/a"]
    finally:
        for path in (folders[-1] / "a", *reversed(folders)):
            with suppress(FileNotFoundError):
                path.rmdir() if path.is_dir() else path.unlink()


def test_own_files_are_passed_over():
    """In a tree, temporaries are no sources, nor are backups if backups are made; named, a backup is one."""
    tree("t/a", "t/a.bak", f"t/{TEMPORARY}")
    assert sources("t") == ["t/a", "t/a.bak"]
    assert sources("t", backup=".bak") == ["t/a"]
    assert sources("t/a.bak", backup=".bak") == ["t/a.bak"]


# --- patterns -------------------------------------------------------------------------------


def test_patterns_that_the_shell_left():
    """A pattern that is no file's name stands for what it matches, in order."""
    tree("t/b.log", "t/a.log", "t/c.txt", "t/x/d.log")
    assert sources("t/*.log") == ["t/a.log", "t/b.log"]
    assert sources("t/**/*.log") == ["t/a.log", "t/b.log", "t/x/d.log"]
    assert sources("[t]") == ["t/a.log", "t/b.log", "t/c.txt", "t/x/d.log"]


def test_a_name_goes_before_a_pattern():
    """A file whose name looks like a pattern is that file."""
    tree("app[1].log", "app1.log")
    assert sources("app[1].log") == ["app[1].log"]
    assert sources("app[12].log") == ["app1.log"]


def test_a_pattern_without_matches_is_reported():
    """A pattern that matches nothing is like a file that is not there."""
    problem = "*.log: No such file or directory, expected a file or folder"
    assert found("*.log") == ([], [(Outcome.FAILED, problem)])


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (["*.gz"], ["t/a", "t/x/b", "t/x/y/a"]),
        (["a"], ["t/z.gz", "t/x/b"]),
        (["x"], ["t/a", "t/z.gz"]),
        (["x/"], ["t/a", "t/z.gz"]),
        (["x/*"], ["t/a", "t/z.gz"]),
        (["x/y"], ["t/a", "t/z.gz", "t/x/b"]),
        (["y/a"], ["t/a", "t/z.gz", "t/x/b", "t/x/y/a"]),
        (["A"], ["t/a", "t/z.gz", "t/x/b", "t/x/y/a"]),
        (["a", "b", "[z]*"], []),
        (["t"], []),
    ],
)
def test_excluded(exclude, left):
    """--exclude matches names, and paths below the root; a folder that matches is left out with all in it."""
    tree("t/a", "t/z.gz", "t/x/b", "t/x/y/a")
    assert sources("t", exclude=exclude) == left


def test_named_files_can_be_excluded():
    """What is named can be excluded too, as a shell's pattern names it."""
    tree("a.log", "a.log.gz")
    assert sources("a.log", "a.log.gz", exclude=["*.gz"]) == ["a.log"]


# --- where to -------------------------------------------------------------------------------


def test_in_place_and_nowhere():
    """In place a task's destination is its source; counting has none."""
    tree("a.log")
    assert found("a.log", backup=".bak")[0] == [Task("a.log", "a.log", ".bak")]
    assert found("a.log", in_place=False)[0] == [Task("a.log", "")]


def test_names_are_mirrored_below_a_folder():
    """Files keep their name, and those of a tree their path below its root."""
    tree("t/a", "t/x/b", "s/c")
    assert found("t", "s/c", directory="out")[0] == [
        Task("t/a", "out/a"),
        Task("t/x/b", "out/x/b"),
        Task("s/c", "out/c"),
    ]


def test_one_destination_has_one_source():
    """A second source for a destination is refused."""
    tree("t/a", "s/a")
    tasks, reported = found("t", "s", directory="out")
    assert tasks == [Task("t/a", "out/a")]
    problem = "s/a: would be written to out/a, as t/a is, expected one source for it"
    assert reported == [(Outcome.REFUSED, problem)]


def test_results_are_no_sources():
    """A destination inside the tree is passed over; what is named inside the destination is refused."""
    tree("t/a", "t/out/a", "t/out/x/b")
    assert sources("t", directory="t/out") == ["t/a"]
    for path in ("t/out", "t/out/x", "t/out/a"):
        problem = f"{path}: is below t/out, expected a source elsewhere"
        assert found(path, directory="t/out") == ([], [(Outcome.REFUSED, problem)])


# --- what goes wrong ------------------------------------------------------------------------


def test_one_bad_path_does_not_stop_the_others():
    """Every path that cannot be used is reported; the rest is found."""
    tree("a.log", "b.log")
    tasks, reported = found("nope", "a.log", "nul\0", "n" * 256, "a.log/x", "b.log")
    assert [task.source for task in tasks] == ["a.log", "b.log"]
    assert reported == [
        (Outcome.FAILED, "nope: No such file or directory, expected a file or folder"),
        (Outcome.FAILED, "nul\\x00: is no name a file can have, expected a file or folder"),
        (Outcome.FAILED, f"{'n' * 256}: File name too long, expected a file or folder"),
        (Outcome.FAILED, "a.log/x: Not a directory, expected a file or folder"),
    ]


def test_folders_that_cannot_be_read(monkeypatch):
    """A folder that may not be read is reported; its neighbours are found."""
    tree("t/a/x", "t/b/x", "t/c/x")
    really = os.scandir

    def scandir(path):
        if path == "t/b":
            raise PermissionError(13, "Permission denied")
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    tasks, reported = found("t")
    assert [task.source for task in tasks] == ["t/a/x", "t/c/x"]
    assert reported == [(Outcome.FAILED, "t/b: Permission denied, expected a readable folder")]


def test_a_folder_that_becomes_a_link_is_not_entered(monkeypatch):
    """A folder that was swapped for a link since it was listed is passed over."""
    tree("t/a/x", "outside/y")
    really = walk.os.scandir

    def scandir(path):
        listed = list(really(path))
        Path("t/a").rename("moved")
        Path("t/a").symlink_to("../outside")

        class Scan(list):
            __enter__ = lambda self: self  # noqa: E731
            __exit__ = lambda *_: None  # noqa: E731

        return Scan(listed)

    monkeypatch.setattr(os, "scandir", scandir)
    assert sources("t") == []


# --- sweeping -------------------------------------------------------------------------------


def test_folders_that_are_written_to_are_swept(here):
    """In place every folder of a tree and of a named file is swept, elsewhere that of the destination."""
    tree(f"t/{TEMPORARY}", "t/x/a", f"t/x/{TEMPORARY}", "s/a", f"s/{TEMPORARY}", f"out/{TEMPORARY}")
    before = names(here)
    found("t", "s/a")
    assert names(here) == before
    found("t/x", directory="out", sweeping=True)
    assert before - names(here) == {f"out/{TEMPORARY}"}
    found("t", "s/a", sweeping=True)
    assert names(here) == {"t", "t/x", "t/x/a", "s", "s/a", "out"}


# --- lists of files -------------------------------------------------------------------------


def test_lists_of_files():
    """A list has one path a line, or with --null one before each NUL; any bytes but these are part of it."""
    listing = new_file(Path("list"), b"a b\n\n\xff.log\r\nlast")
    assert read_filelist(str(listing), null=False) == ["a b", os.fsdecode(b"\xff.log\r"), "last"]
    listing.write_bytes(b"a\nb\0\0c\0")
    assert read_filelist(str(listing), null=True) == ["a\nb", "c"]


def test_lists_on_standard_input(monkeypatch):
    """- is standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    assert read_filelist("-", null=False) == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [("nope", "No such file or directory"), (".", "Is a directory"), ("nul\0", "cannot be read")],
)
def test_lists_that_cannot_be_read(path, problem):
    """A list that cannot be read ends the run before it begins."""
    with pytest.raises(SourceError) as caught:
        read_filelist(path, null=False)
    assert str(caught.value) == f"{path}: {problem}, expected a list of files"
