"""The directory of a cache: what may be in its place, and what may not."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from disks import (
    fails,
    tree,
)
from imgfetch.model.result import ErrorKind
from imgfetch.store.disk_store import DiskStore
from keeping import CAT, keep

if TYPE_CHECKING:
    from pathlib import Path


def check_refused(path: Path, *, seen: str) -> None:
    """The path is no cache: neither reading nor writing changes what stands there."""
    with closing(DiskStore(path)) as store:
        assert seen in fails(ErrorKind.NOT_A_CACHE, lambda: store.find(CAT), path)
        for work in (
            store.staging.open,
            store.stats,
            lambda: store.remove(CAT),
            lambda: list(store.entries()),
            lambda: list(store.verify(deep=True)),
        ):
            assert seen in fails(ErrorKind.NOT_A_CACHE, work, path)


def test_refuses_a_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"
    path.write_bytes(b"a cat")
    check_refused(path, seen="is a file, not a directory")
    check_refused(path / "below", seen="a part of its path is a file")
    assert path.read_bytes() == b"a cat"


@pytest.mark.parametrize("name", ["thesis.tex", ".hidden", "objects", "CACHEDIR.TAG"])
def test_refuses_a_directory_with_other_things(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Signature: 8a477f597d28d172789f06886806bc55\n# of another program\n")
    before = tree(tmp_path)
    check_refused(tmp_path, seen="other things in it")
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    [
        "lost+found",
        ".nfs000000000008a1b2",
        ".DS_Store",
        ".snapshot",
        "System Volume Information",
        ".Trash-1000",
    ],
)
def test_a_directory_with_only_files_of_the_system_becomes_a_cache(
    store: DiskStore, root: Path, name: str
) -> None:
    (root / name).mkdir(parents=True)
    assert not store.exists()
    assert store.find(CAT) is None
    assert store.find(keep(store, CAT, b"a cat").key) is not None
    assert store.exists()
    assert (root / name).is_dir()


def test_files_of_the_system_do_not_hide_other_things(tmp_path: Path) -> None:
    for name in ("lost+found", ".DS_Store", "thesis.tex"):
        (tmp_path / name).write_text("a cat")
    check_refused(tmp_path, seen="other things in it")


def test_an_empty_directory_becomes_a_cache(store: DiskStore, root: Path) -> None:
    root.mkdir()
    assert store.find(CAT) is None
    assert store.find(keep(store, CAT, b"a cat").key) is not None


def test_a_link_to_a_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with closing(DiskStore(tmp_path / "link")) as store:
        keep(store, CAT, b"a cat")
    with closing(DiskStore(tmp_path / "real")) as store:
        assert store.find(CAT) is not None


def test_refuses_a_link_that_leads_nowhere_or_round_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to("absent")
    (tmp_path / "circle").symlink_to("circle")
    check_refused(tmp_path / "nowhere", seen="leads nowhere")
    check_refused(tmp_path / "circle", seen="round in a circle")
    assert not (tmp_path / "absent").exists()


def test_takes_odd_names(tmp_path: Path) -> None:
    for name in ("a b", "100%", "what?mode=ro", "#1", "naïve 猫", "new\nline", "byte\udcff"):
        with closing(DiskStore(tmp_path / name)) as store:
            entry = keep(store, CAT, b"a cat")
            assert store.find(CAT) == entry
            assert store.path(entry).read_bytes() == b"a cat"


def test_a_relative_cache_stays_when_the_program_changes_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(DiskStore("cache")) as store:
        entry = keep(store, CAT, b"a cat")
        monkeypatch.chdir("/")
        assert store.find(CAT) == entry
        assert store.path(entry).is_file()
