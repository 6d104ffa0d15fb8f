"""Files that a run creates outside the cache: their names and modes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imgfetch import InputError, Lock
from imgfetch.system import atomic_files
from imgfetch.system.export import copy_to
from origin import Origin, status, whole
from pictures import encoded

LOCAL = ["--allow-host", "127.0.0.1", "-R", "0"]

pytestmark = pytest.mark.usefixtures("home")

OPENED = """
import json, os, sys
opened = []
sys.addaudithook(lambda event, given: opened.append([str(given[0]), given[2]]) if event == "open" else None)
os.umask(0)
from imgfetch.cli import main
code = 0
for words in json.loads(sys.argv[1]):
    code |= main(words)
print(json.dumps(["opened", opened]))
"""
"""Runs commands under umask 0, and prints each file that Python opened, with the flags."""


def everything(origin: Origin) -> list[list[str]]:
    """Return commands that together write every kind of file, each twice."""
    there, gone = origin.route("/a.webp", whole(encoded("webp", 64, 48))), origin.route("/b", status(404))
    origin.route("/robots.txt", status(404))
    Path("list").write_text(f"{there}\n{gone}\n")
    get = ["get", there, gone, "-d", "new/copies", "--lock", "lock", "--report", "report", *LOCAL]
    # The second rewrites the lock, and the second batch tidies the manifest.
    again = ["get", f"{there}?2", "--lock", "lock", "--report", "report", "-d", "new/copies", *LOCAL]
    batch = ["batch", "list", "--to", "other/images", *LOCAL]
    return [[*words, "--cache", "deep/cache"] for words in (get, again, batch, batch)]


def run(commands: list[list[str]]) -> list[tuple[str, int]]:
    ran = subprocess.run(
        [sys.executable, "-c", OPENED, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith('["opened"')]
    return [(path, flags) for path, flags in json.loads(line)[1] if not path.isdigit()]  # a descriptor


def test_no_file_is_writable_for_others_under_umask_0(origin: Origin) -> None:
    origin.route("/a.webp?2", whole(encoded("webp", 64, 49)))
    run(everything(origin))
    made = [path for path in Path().rglob("*") if path.name != "list"]
    assert {"copies", "images", "lock", "report", "manifest.jsonl"} <= {path.name for path in made}
    for path in made:
        assert not path.stat().st_mode & 0o022, path
    for name in ("lock", "report", "other/images/manifest.jsonl"):  # they have URLs in full
        assert Path(name).stat().st_mode & 0o777 == 0o600, name


def test_temporary_files_are_new_and_have_names_that_cannot_be_guessed(origin: Origin) -> None:
    origin.route("/a.webp?2", whole(encoded("webp", 64, 49)))
    made = [(path, flags) for path, flags in run(everything(origin)) if flags & os.O_CREAT]
    outside = [(path, flags) for path, flags in made if "deep/cache" not in path]
    assert {re.sub(r"[0-9a-f]{12,}", "…", Path(path).name) for path, _ in outside} == {
        ".a-….webp.….part",  # -d and --to
        "lock.….part",
        "report.….part",
        ".manifest.jsonl.….part",
        "manifest.jsonl",
    }
    for path, flags in made:
        assert flags & os.O_NOFOLLOW, path
        lasts = path.endswith(("manifest.jsonl", ".lease")) or "leases" in path
        assert lasts or flags & os.O_EXCL, path
        if path.endswith(".part"):
            assert re.search(r"[0-9a-f]{32}\.part$", path), path


def test_missing_folders_are_created_and_not_writable_for_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        atomic_files.make_folders(tmp_path / "a/b/c", 0o700)
        atomic_files.make_folders(tmp_path / "a/b/c", 0o755)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/b/c")]
    assert modes == [0o755, 0o755, 0o700]
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        atomic_files.make_folders(tmp_path / "file" / "a")
    with pytest.raises(FileExistsError):
        atomic_files.make_folders(tmp_path / "file")


def test_a_copy_is_readable_by_the_umask_and_leaves_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"bytes" * 9)
    for umask, mode in ((0o022, 0o644), (0o077, 0o600), (0, 0o644)):
        before = os.umask(umask)
        try:
            copy = copy_to(tmp_path / "object", tmp_path / "out", "name.webp")
        finally:
            os.umask(before)
        assert copy.read_bytes() == b"bytes" * 9
        assert copy.stat().st_mode & 0o777 == mode
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["name.webp"]


@pytest.mark.parametrize("text", ["mine\n", "", '{"imgfetch-lock": 2}\n', '{"a": 1}\n'])
def test_a_lock_never_replaces_another_file(text: str) -> None:
    Path("file").write_text(text)
    with pytest.raises(InputError, match="not a lock file, and so not replaced"):
        Lock().write("file")
    assert Path("file").read_text() == text
    Lock().write("new")
    Lock().write("new")
