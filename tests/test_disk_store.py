"""The disk store: where the bytes of an object are, and what can be listed, removed and forgotten."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

from disks import (
    fails,
    index_of,
    open_descriptors,
    tree,
)
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from imgfetch.store import directory
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.maintenance import Stats
from imgfetch.store.staged_body import IN_MEMORY
from keeping import CAT, DOG, digest, keep, written

CACHE_IN_REPOSITORY = Path(__file__).parent.parent / "cache"


def test_an_object_is_named_by_its_bytes_and_found_in_a_folder_of_its_first_digits(
    store: DiskStore, root: Path
) -> None:
    name = digest(b"a cat")
    assert store.path(keep(store, CAT, b"a cat")) == root / "objects-v1" / name[:2] / f"{name}.webp"
    store.close()
    assert sorted(path.name for path in root.iterdir()) == [
        ".gitignore",
        "CACHEDIR.TAG",
        "index-v1.sqlite",
        "leases-v1",
        "objects-v1",
        "scratch-v1",
    ]
    assert list((root / "scratch-v1").iterdir()) == []


def test_bytes_are_found_by_their_digest_under_any_key(store: DiskStore, root: Path) -> None:
    entry = keep(store, CAT, b"a cat")
    path, name = store.path(entry), digest(b"a cat")
    assert store.holding(name) == (path, entry)
    other = keep(store, DOG, b"a cat")
    assert store.holding(name) == (path, other)
    for key in (CAT, DOG):
        keep(store, key, b"a dog")
    assert store.holding(name) == (path, None)
    index_of(root).unlink()
    assert store.holding(name) == (path, None)
    path.write_bytes(b"a cut")
    assert store.holding(name) is None
    assert store.holding(digest(b"a cow")) is None


def test_makes_nothing_before_the_first_body_is_opened(store: DiskStore, tmp_path: Path) -> None:
    assert store.find(CAT) is None
    assert list(store.entries()) == []
    assert list(store.verify(deep=True)) == []
    assert store.stats() == Stats(0, 0, 0, 0, 0, 0)
    assert store.remove(CAT) is False
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_read_a_cache_under_any_umask(store: DiskStore, root: Path) -> None:
    before = os.umask(0)
    try:
        entry = keep(store, CAT, b"a cat")
        written(store, b"a dog")
        store.quarantine(store.path(keep(store, DOG, b"a bad dog")), "it barks")
    finally:
        os.umask(before)
    assert store.find(CAT) == entry
    for path in (root, *root.rglob("*")):  # the index is open: its companions are seen too
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert (root / "index-v1.sqlite-wal").exists()


def test_the_cache_in_the_repository_is_one_of_ours(tmp_path: Path) -> None:
    assert (CACHE_IN_REPOSITORY / "CACHEDIR.TAG").read_text() == directory.TAG
    assert (CACHE_IN_REPOSITORY / ".gitignore").read_text() == directory.IGNORED
    root = tmp_path / "cache"
    root.mkdir()
    for name in ("CACHEDIR.TAG", ".gitignore", "README.md"):
        shutil.copy(CACHE_IN_REPOSITORY / name, root)
    before = tree(root)
    with closing(DiskStore(root)) as store:
        assert store.find(CAT) is None
        keep(store, CAT, b"a cat")
    assert before.items() <= tree(root).items()


def test_the_page_on_the_format_is_right(store: DiskStore, root: Path) -> None:
    page = (CACHE_IN_REPOSITORY / "README.md").read_text()
    path = store.path(keep(store, CAT, b"a cat"))
    (query,) = re.findall(r"^    SELECT .*?;$", page, re.DOTALL | re.MULTILINE)
    with closing(sqlite3.connect(index_of(root))) as connection:
        found = connection.execute(query.replace("https://example.org/cat.webp", CAT)).fetchall()
        columns = [
            row[1]
            for table in ("object", "entry")
            for row in connection.execute(f"PRAGMA table_info({table})")
        ]
        numbers = [
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        ]
    assert [root / row[0] for row in found] == [path]
    assert all(f"`{column}`" in page for column in columns)
    assert f"`PRAGMA application_id` is {numbers[0]} " in page
    assert f"`PRAGMA user_version` is {numbers[1]}." in page
    (check,) = re.findall(r"^    cd objects-v1 .*?--quiet$", page, re.DOTALL | re.MULTILINE)
    assert subprocess.run(["sh", "-c", check], cwd=root, check=False).returncode == 0
    path.write_bytes(b"a dog")
    worse = subprocess.run(["sh", "-c", check], cwd=root, check=False, capture_output=True)
    assert worse.returncode != 0


def test_leaves_no_descriptor_open(root: Path) -> None:
    before = open_descriptors()
    store = DiskStore(root)
    for number in range(5):
        keep(store, CAT, b"%d" % number)
        store.staging.discard(written(store, b"a dog"))
        with store.staging.read(written(store, b"a bird")):
            pass
    store.find(CAT)
    store.close()
    assert open_descriptors() == before


def test_lists_and_counts_what_is_stored(store: DiskStore) -> None:
    kept = [
        keep(store, Key(f"https://photos.example/{number}"), b"%d" % (number % 900)) for number in range(1200)
    ]
    written(store, b"half a cat")
    assert list(store.entries()) == kept
    assert store.stats()[:6] == (1200, 900, 10 + 2 * 90 + 3 * 800, 0, 0, 0)
    written(store, bytes(IN_MEMORY), b"and some more")
    assert store.stats()[3:5] == (1, IN_MEMORY + 13)


def test_verify_names_every_problem(store: DiskStore, root: Path) -> None:
    whole, cut, gone = (
        store.path(keep(store, Key(f"/{data!r}"), data)) for data in (b"a cat", b"a dog", b"a fly")
    )
    os.truncate(cut, 3)
    gone.unlink()
    stray = root / "objects-v1" / "notes.txt"
    stray.write_text("mine")
    misplaced = root / "objects-v1" / "00" / whole.name
    misplaced.parent.mkdir(exist_ok=True)
    shutil.copy(whole, misplaced)
    folder = misplaced.parent / f"{'0' * 64}.webp"
    folder.mkdir()
    for deep in (False, True):
        found = {checked.path: checked for checked in store.verify(deep=deep)}
        assert len(found) == 6
        assert found[whole] == (whole, digest(b"a cat"), digest(b"a cat") if deep else None, None, True)
        assert found[cut].actual == digest(b"a d")
        assert "not those it is named after" in str(found[cut].problem)
        assert found[gone] == (gone, digest(b"a fly"), None, "missing, though the index has it", True)
        assert found[folder].problem == "not a file"
        assert found[stray].problem == found[misplaced].problem == "not the name of an object"
    store.quarantine(misplaced, "not where it belongs")
    assert store.find(Key("/b'a cat'")) is not None


def test_moves_a_damaged_object_to_quarantine(store: DiskStore, root: Path) -> None:
    path = store.path(keep(store, CAT, b"a cat"))
    keep(store, DOG, b"a cat")
    path.write_bytes(b"a bat")
    aside = store.quarantine(path, "it flies ☂ \ud800")
    assert aside == root / "quarantine-v1" / path.name
    assert (aside.read_bytes(), path.exists()) == (b"a bat", False)
    assert (root / "quarantine-v1" / f"{path.name}.txt").read_text() == "it flies ☂ \\ud800\n"
    assert (store.find(CAT), store.find(DOG)) == (None, None)
    assert list(store.verify(deep=True)) == []
    assert store.stats() == Stats(0, 0, 0, 0, 0, 1)
    store.quarantine(store.path(keep(store, CAT, b"a cat")), "again")
    assert store.stats().quarantined == 1
    fails(ErrorKind.IO, lambda: store.quarantine(path, "it is gone"), path)


def test_removing_a_key_deletes_bytes_that_no_other_key_has(store: DiskStore) -> None:
    shared, alone = store.path(keep(store, CAT, b"a pet")), store.path(keep(store, Key("/bird"), b"a bird"))
    keep(store, DOG, b"a pet")
    assert store.remove(CAT)
    assert store.remove(Key("/bird"))
    assert not store.remove(CAT)
    assert (shared.exists(), alone.exists()) == (True, False)
    assert (store.find(CAT), store.find(DOG) is not None) == (None, True)
    assert store.remove(DOG)
    assert store.stats() == Stats(0, 0, 0, 0, 0, 0)


def test_forgets_an_object_that_is_gone(store: DiskStore) -> None:
    store.path(keep(store, CAT, b"a cat")).unlink()
    store.forget(digest(b"a cat"))
    store.forget(digest(b"a cat"))
    assert list(store.verify(deep=True)) == []
    assert list(store.entries()) == []


def test_hashes_are_of_the_bytes_that_were_written(store: DiskStore) -> None:
    content = random.Random(1).randbytes(300_001)
    staging_id = written(store, *(content[at : at + 1013] for at in range(0, len(content), 1013)))
    with store.staging.read(staging_id) as (data, found):
        assert found == hashlib.sha256(data).hexdigest() == digest(content)
        assert data[-1] == content[-1]
