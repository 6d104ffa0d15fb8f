"""The disk store among crashes, damage, full disks, strangers and other processes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakes import FakeClock
from imgfetch.errors import CacheError
from imgfetch.model.image import Verified
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from imgfetch.store import directory, layout
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.maintenance import Stats
from imgfetch.store.staged_body import IN_MEMORY
from imgfetch.system import atomic_files
from imgfetch.system.clock import SystemClock
from keeping import CAT, DOG, HEAD, digest, facts, keep, keep_proved, pending_entry, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = int(os.environ.get("IMGFETCH_CRASH_ROUNDS", "20"))
"""How often a writer is killed; more make the search for a bad instant longer."""

HERE = Path(__file__).parent
CACHE_IN_REPOSITORY = HERE.parent / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(root: Path) -> Iterator[DiskStore]:
    with closing(DiskStore(root, busy_timeout=0.05)) as store:
        yield store


def fails(reason: ErrorKind, work: Callable[[], object], *named: object) -> str:
    """`work` fails for that reason, in one line that names these things."""
    with pytest.raises(CacheError) as caught:
        work()
    text = str(caught.value)
    assert caught.value.kind is reason, text
    assert text.isprintable()
    for thing in named:
        assert str(thing) in text
    return text


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, and the bytes of its files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def all_whole(store: DiskStore) -> bool:
    return all(checked.problem is None for checked in store.verify(deep=True))


def open_descriptors() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/fd").iterdir() if path.exists()}


def index_of(root: Path) -> Path:
    return root / layout.INDEX


# ---------------------------------------------------------------------------------------------------
# What lies where


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


def test_bytes_are_found_by_their_digest_whatever_they_were_kept_under(store: DiskStore, root: Path) -> None:
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


def test_nothing_is_made_before_something_is_begun(store: DiskStore, tmp_path: Path) -> None:
    assert store.find(CAT) is None
    assert list(store.entries()) == []
    assert list(store.verify(deep=True)) == []
    assert store.stats() == Stats(0, 0, 0, 0, 0, 0)
    assert store.remove(CAT) is False
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_look_into_a_cache_whatever_the_umask(store: DiskStore, root: Path) -> None:
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


def test_the_page_on_the_format_is_true(store: DiskStore, root: Path) -> None:
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


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = open_descriptors()
    store = DiskStore(root)
    for number in range(5):
        keep(store, CAT, b"%d" % number)
        store.discard(written(store, b"a dog"))
        with store.read(written(store, b"a bird")):
            pass
    store.find(CAT)
    store.close()
    assert open_descriptors() == before


# ---------------------------------------------------------------------------------------------------
# Other things in the cache's place


def check_refused(path: Path, *, seen: str) -> None:
    """The path is no cache: neither reading nor writing changes what stands there."""
    with closing(DiskStore(path)) as store:
        assert seen in fails(ErrorKind.NOT_A_CACHE, lambda: store.find(CAT), path)
        for work in (
            store.open,
            store.stats,
            lambda: store.remove(CAT),
            lambda: list(store.entries()),
            lambda: list(store.verify(deep=True)),
        ):
            assert seen in fails(ErrorKind.NOT_A_CACHE, work, path)


def test_a_file_is_no_cache(tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"
    path.write_bytes(b"a cat")
    check_refused(path, seen="is a file, not a directory")
    check_refused(path / "below", seen="a part of its path is a file")
    assert path.read_bytes() == b"a cat"


@pytest.mark.parametrize("name", ["thesis.tex", ".hidden", "objects", "CACHEDIR.TAG"])
def test_a_directory_with_other_things_is_no_cache(tmp_path: Path, name: str) -> None:
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
def test_a_directory_with_nothing_but_what_systems_leave_becomes_a_cache(
    store: DiskStore, root: Path, name: str
) -> None:
    (root / name).mkdir(parents=True)
    assert not store.exists()
    assert store.find(CAT) is None
    assert store.find(keep(store, CAT, b"a cat").key) is not None
    assert store.exists()
    assert (root / name).is_dir()


def test_what_systems_leave_does_not_hide_other_things(tmp_path: Path) -> None:
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


def test_a_link_that_leads_nowhere_or_round_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to("absent")
    (tmp_path / "circle").symlink_to("circle")
    check_refused(tmp_path / "nowhere", seen="leads nowhere")
    check_refused(tmp_path / "circle", seen="round in a circle")
    assert not (tmp_path / "absent").exists()


def test_odd_names_are_no_trouble(tmp_path: Path) -> None:
    for name in ("a b", "100%", "what?mode=ro", "#1", "naïve 猫", "new\nline", "byte\udcff"):
        with closing(DiskStore(tmp_path / name)) as store:
            entry = keep(store, CAT, b"a cat")
            assert store.find(CAT) == entry
            assert store.path(entry).read_bytes() == b"a cat"


def test_a_relative_cache_stays_where_it_was_when_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(DiskStore("cache")) as store:
        entry = keep(store, CAT, b"a cat")
        monkeypatch.chdir("/")
        assert store.find(CAT) == entry
        assert store.path(entry).is_file()


# ---------------------------------------------------------------------------------------------------
# Damage to objects


def check_healed(store: DiskStore, damage: Callable[[Path], object]) -> None:
    """A damaged object is never handed out, and keeping its bytes again puts it right."""
    path = store.path(keep(store, CAT, b"a cat " * 1000))
    damage(path)
    assert store.find(CAT) is None
    keep(store, DOG, b"a cat " * 1000)
    assert path.read_bytes() == b"a cat " * 1000
    assert store.find(CAT) is not None
    assert store.find(DOG) is not None
    assert all_whole(store)
    assert len(list(path.parent.iterdir())) == 1


def overwrite(path: Path, data: bytes, at: int = 0) -> None:
    """Change some bytes of a file, at a later time than it was written by the clock of any file system."""
    before = path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    os.utime(path, ns=(before, before + 1))


def put_in_place(path: Path, work: Callable[[], None]) -> None:
    path.unlink()
    work()


def test_damaged_objects_are_asked_for_again(store: DiskStore) -> None:
    check_healed(store, lambda path: path.unlink())
    check_healed(store, lambda path: shutil.rmtree(path.parent))
    check_healed(store, lambda path: shutil.rmtree(path.parent.parent))
    check_healed(store, lambda path: os.truncate(path, 0))
    check_healed(store, lambda path: os.truncate(path, 5999))
    check_healed(store, lambda path: path.write_bytes(b"a cat " * 1001))
    check_healed(store, lambda path: overwrite(path, bytes(4096)))
    check_healed(store, lambda path: overwrite(path, b"b", at=5994))
    check_healed(store, lambda path: put_in_place(path, lambda: path.symlink_to("nowhere")))
    check_healed(store, lambda path: put_in_place(path, lambda: path.symlink_to("/dev/zero")))
    check_healed(store, lambda path: put_in_place(path, lambda: os.mkfifo(path)))


def test_a_bit_that_flips_without_trace_is_found_by_a_deep_look(store: DiskStore) -> None:
    path = store.path(keep(store, CAT, b"a cat"))
    before = path.stat().st_mtime_ns
    path.write_bytes(b"a bat")
    os.utime(path, ns=(before, before))
    assert [checked.problem for checked in store.verify(deep=False)] == [None]
    (checked,) = store.verify(deep=True)
    assert (checked.path, checked.expected, checked.actual) == (path, digest(b"a cat"), digest(b"a bat"))
    assert digest(b"a bat") in str(checked.problem)
    keep(store, DOG, b"a cat")
    assert all_whole(store)


def test_a_new_time_alone_costs_one_hashing(store: DiskStore) -> None:
    entry = keep(store, CAT, b"a cat")
    os.utime(store.path(entry), ns=(1, 1))
    assert [checked.actual for checked in store.verify(deep=False)] == [entry.facts.sha256]
    assert store.find(CAT) == entry
    assert [checked.actual for checked in store.verify(deep=False)] == [None]


# ---------------------------------------------------------------------------------------------------
# Damage to the index


def check_begun_anew(root: Path, damage: Callable[[Path], object]) -> None:
    """A damaged index is moved aside as it is, said so, and costs a download of what is already there."""
    with closing(DiskStore(root)) as store:
        path = store.path(keep(store, CAT, b"a cat"))
        kept = path.stat()
    damage(index_of(root))
    as_found = index_of(root).read_bytes()
    with closing(DiskStore(root)) as store:
        assert store.find(CAT) is None
        assert len(store.notices) == 1
        assert store.notices[0].isprintable()
        (aside,) = root.glob("*.damaged-*")
        assert str(aside) in store.notices[0]
        assert aside.read_bytes() == as_found
        assert all_whole(store)
        entry = keep(store, CAT, b"a cat")
        assert store.find(CAT) == entry
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)
        assert len(store.notices) == 1
    shutil.rmtree(root)


def another_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entry (key)")


def test_a_damaged_index_is_moved_aside_and_begun_anew(root: Path) -> None:
    noise = random.Random(0).randbytes(50_000)
    check_begun_anew(root, lambda path: path.write_bytes(noise))
    check_begun_anew(root, lambda path: path.write_bytes(b"x"))
    check_begun_anew(root, lambda path: path.write_bytes(b""))
    check_begun_anew(root, lambda path: os.truncate(path, 50))
    check_begun_anew(root, lambda path: os.truncate(path, 4096))
    check_begun_anew(root, lambda path: overwrite(path, noise[:4096], at=4096 * 2))
    check_begun_anew(root, lambda path: overwrite(path, bytes(20_000), at=100))
    check_begun_anew(root, another_database)


@pytest.mark.parametrize("page", range(14))
def test_no_bad_page_of_the_index_brings_more_than_a_notice(root: Path, page: int) -> None:
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
        keep(store, DOG, b"a dog")
    for damage in (bytes(4096), b"\xff" * 4096, random.Random(page).randbytes(4096)):
        overwrite(index_of(root), damage, at=4096 * page)
        with closing(DiskStore(root)) as store:
            for _ in range(2):
                entry = keep(store, CAT, b"a cat")
                assert store.find(CAT) == entry
                assert store.find(DOG) in (None, keep(store, DOG, b"a dog"))
                assert {found.key for found in store.entries()} <= {CAT, DOG}


def test_a_second_damaged_index_does_not_take_the_place_of_the_first(store: DiskStore, root: Path) -> None:
    for number in (1, 2, 3):
        keep(store, CAT, b"a cat")
        store.close()
        index_of(root).write_bytes(b"%d" % number)
        assert store.find(CAT) is None
        assert (root / f"index-v1.sqlite.damaged-{number}").read_bytes() == b"%d" % number


def test_a_damaged_index_can_be_met_first_by_a_writer(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    ticket = written(store, b"a dog")
    for path in root.glob("index-v1*"):
        path.unlink()
    index_of(root).write_bytes(b"noise")
    entry = keep_proved(store, Verified(facts(b"a dog"), ticket), DOG, HEAD, request_time=0, response_time=0)
    assert store.find(DOG) == entry
    assert len(store.notices) == 1


def test_rows_that_make_no_sense_are_passed_over(store: DiskStore, root: Path) -> None:
    entry = keep(store, CAT, b"a cat")
    nonsense = (
        "UPDATE object SET format = 'tiff'",
        "UPDATE object SET sha256 = '../../../etc/passwd'; UPDATE entry SET sha256 = '../../../etc/passwd'",
        "UPDATE entry SET headers = '\\'",
        "UPDATE entry SET headers = 'é\\'",
        "UPDATE entry SET headers = 7",
    )
    for statements in nonsense:
        with closing(sqlite3.connect(index_of(root))) as connection:
            connection.executescript(statements)
        assert store.find(CAT) is None, statements
        assert list(store.entries()) == []
        assert keep(store, CAT, b"a cat") == store.find(CAT) == entry


def test_text_that_is_no_text_is_damage(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    with closing(sqlite3.connect(index_of(root))) as connection, connection:
        connection.execute("UPDATE entry SET url = CAST(x'ff' AS TEXT)")
    assert store.find(CAT) is None
    assert len(store.notices) == 1


def test_an_index_of_the_future_is_left_alone(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    store.close()
    with closing(sqlite3.connect(index_of(root))) as connection:
        connection.execute("PRAGMA user_version = 3")
    shutil.rmtree(root / "scratch-v1")
    before = tree(root)
    with closing(DiskStore(root)) as later:
        fails(ErrorKind.CACHE_VERSION, lambda: later.find(CAT), index_of(root), "version 3")
        fails(ErrorKind.CACHE_VERSION, later.open, index_of(root), "version 3")
        fails(ErrorKind.CACHE_VERSION, lambda: list(later.entries()))
        assert later.notices == []
    assert tree(root) == before


def test_an_index_moved_aside_by_another_process_is_not_written_to(root: Path) -> None:
    with closing(DiskStore(root)) as ours, closing(DiskStore(root)) as theirs:
        keep(ours, CAT, b"a cat")
        assert ours.find(CAT) is not None
        index_of(root).rename(root / "index-v1.sqlite.damaged-1")
        keep(theirs, DOG, b"a dog")
        entry = keep(ours, CAT, b"a cat")
        assert theirs.find(CAT) == ours.find(CAT) == entry
        assert ours.find(DOG) is not None
        theirs.close()
        assert ours.find(DOG) is not None
    with closing(DiskStore(root)) as store:
        assert (store.find(CAT), store.find(DOG)) != (None, None)
        assert store.notices == []


def test_a_log_left_behind_by_a_deleted_index_is_not_read_into_a_new_one(root: Path) -> None:
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
        log = (root / "index-v1.sqlite-wal").read_bytes()
    index_of(root).unlink()
    (root / "index-v1.sqlite-wal").write_bytes(log)
    with closing(DiskStore(root)) as store:
        keep(store, DOG, b"a dog")
        assert [entry.key for entry in store.entries()] == [DOG]
        assert store.notices == []


def test_a_cache_deleted_under_us_is_made_again(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    shutil.rmtree(root)
    assert store.find(CAT) is None
    entry = keep(store, CAT, b"a cat")
    assert store.find(CAT) == entry
    in_memory = pending_entry(store, DOG, b"a dog")
    in_a_file = pending_entry(store, CAT, bytes(IN_MEMORY + 1))
    shutil.rmtree(root)
    dog, lost = store.commit([in_memory, in_a_file])
    assert store.find(DOG) == dog
    assert isinstance(lost, CacheError)
    assert lost.kind is ErrorKind.IO
    assert store.find(keep(store, CAT, b"a cat").key) is not None
    shutil.rmtree(root)
    assert store.find(keep(store, DOG, bytes(IN_MEMORY + 1)).key) is not None


# ---------------------------------------------------------------------------------------------------
# Several processes

_CHILD = """
    import random, sys
    sys.path.insert(0, {tests!r})
    from imgfetch.store.disk_store import DiskStore
    from keeping import *
    store = DiskStore(sys.argv[1])
"""


def child(code: str, *arguments: object, wrapped_in: tuple[str, ...] = ()) -> list[str]:
    """The command that runs `code` with `store` open on the cache named first."""
    program = textwrap.dedent(_CHILD).format(tests=str(HERE)) + textwrap.dedent(code)
    return [*wrapped_in, sys.executable, "-B", "-c", program, *map(str, arguments)]


def test_four_processes_may_keep_the_same_images_at_once(root: Path) -> None:
    code = """
        for number in range(200):
            key = Key(f"https://photos.example/{number}")
            assert store.find(key) in (None, keep(store, key, b"%d" % number * 999))
        store.close()
        assert not store.notices, store.notices
    """
    running = [subprocess.Popen(child(code, root)) for _ in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    with closing(DiskStore(root)) as store:
        assert all_whole(store)
        assert all(store.find(entry.key) == entry for entry in store.entries())
        assert store.stats()[:6] == (200, 200, (10 + 2 * 90 + 3 * 100) * 999, 0, 0, 0)
        assert store.notices == []


def test_what_was_cut_short_before_it_is_looked_at_is_an_error_of_the_cache(
    store: DiskStore, root: Path
) -> None:
    ticket = store.open()
    store.write(ticket, bytes(IN_MEMORY + 1))
    (path,) = root.rglob("*.part")
    os.truncate(path, 10)
    with pytest.raises(CacheError, match="cut short") as caught:
        store.read(ticket)
    assert caught.value.kind is ErrorKind.IO
    store.discard(ticket)


def test_a_store_made_before_a_fork_gives_no_name_twice(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    code = """
        import os
        child = os.fork()
        store.write(store.open(), bytes(300_000))
        assert not child or os.wait()
        os._exit(0)  # the file stays
    """
    subprocess.run(child(code, root), check=True, timeout=60)
    assert store.stats().scratch_files == 2


def test_a_writer_waits_for_another_and_says_so_when_it_takes_too_long(store: DiskStore, root: Path) -> None:
    entry = keep(store, CAT, b"a cat")
    with closing(sqlite3.connect(index_of(root), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert store.find(CAT) == entry
        fails(
            ErrorKind.CACHE_LOCKED, lambda: keep(store, DOG, b"a dog"), index_of(root), "0.05 s", "try again"
        )
        os.utime(store.path(entry), ns=(1, 1))
        assert store.find(CAT) == entry  # it could not be mended, and is served all the same
        other.execute("ROLLBACK")
    assert store.find(keep(store, DOG, b"a dog").key) is not None
    assert store.stats().scratch_files == 0
    assert store.notices == []


def test_where_memory_cannot_be_shared_a_rollback_journal_will_do(root: Path) -> None:
    code = """
        entry = keep(store, CAT, b"a cat")
        assert store.find(CAT) == entry
        (notice,) = store.notices
        assert "write-ahead log" in notice and notice.isprintable()
        store.close()
    """
    # The first file that SQLite cuts is the one it would share as memory.
    without_memory = strace(
        "-o", "/dev/null", "-e", "trace=ftruncate", "-e", "inject=ftruncate:error=EIO:when=1"
    )
    subprocess.run(child(code, root, wrapped_in=without_memory), check=True)
    with closing(sqlite3.connect(index_of(root))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    with closing(DiskStore(root)) as store:
        assert store.find(CAT) is not None
        assert store.find(keep(store, DOG, b"a dog").key) is not None


@pytest.mark.parametrize("leases", [True, False])
@pytest.mark.parametrize("time", [0.0, 1e10])
def test_litter_is_swept_away_after_an_hour_by_the_clock_that_files_are_dated_by(
    root: Path, leases: bool, time: float
) -> None:
    clock = FakeClock()
    clock.time = time
    with closing(DiskStore(root)) as busy:
        ticket = written(busy, b"a cat")
        if not leases:
            (root / layout.LEASES).unlink()
            (root / layout.LEASES).mkdir()
        old, young = root / "scratch-v1" / "old.part", root / "scratch-v1" / "young.part"
        for path, minutes in ((old, 61), (young, 59)):
            path.write_bytes(b"half a c")
            now = path.stat().st_mtime
            os.utime(path, (now, now - 60 * minutes))
        with closing(DiskStore(root, clock=clock)) as store:
            assert store.find(CAT) is None
            assert old.exists()
            store.open()
            assert (old.exists(), young.exists()) == (False, True)
        assert busy.write(ticket, b"!") == 6


# ---------------------------------------------------------------------------------------------------
# Crashes

_KEEP_ON = """
    first = int(sys.argv[2])
    print("go", flush=True)
    for number in range(first, first + 1000):
        content = random.Random(number).randbytes(number * 997 % 200_000)
        ticket = written(store, content[:70_000], content[70_000:])
        with store.read(ticket) as (data, found):
            proof = Verified(facts(bytes(data)), ticket)
        key = Key(f"https://photos.example/{number}")
        keep_proved(store, proof, key, HEAD, request_time=1, response_time=2)
"""


def content_of(key: Key) -> bytes:
    number = int(key.rpartition("/")[2])
    return random.Random(number).randbytes(number * 997 % 200_000)


def check_after_crash(root: Path) -> int:
    """Every visible object is whole, the index opens, its entries are whole; how many there are."""
    with closing(DiskStore(root)) as store:
        assert [checked for checked in store.verify(deep=True) if checked.problem] == []
        entries = list(store.entries())
        for entry in entries:
            assert store.find(entry.key) == entry
            assert store.path(entry).read_bytes() == content_of(entry.key)
        assert store.notices == []
        if index_of(root).exists():
            with closing(sqlite3.connect(index_of(root))) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        known = {
            ".gitignore",
            "CACHEDIR.TAG",
            "index-v1.sqlite",
            "index-v1.sqlite-wal",
            "index-v1.sqlite-shm",
            "leases-v1",
        }
        assert {path.name for path in root.glob("*")} <= known | {"objects-v1", "scratch-v1"}
        return len(entries)


def test_a_writer_may_be_killed_at_any_instant(root: Path) -> None:
    chance = random.Random()
    kept = 0
    for number in range(ROUNDS):
        if number % 4 == 0:
            shutil.rmtree(root, ignore_errors=True)  # so that the making of a cache is interrupted too
        with subprocess.Popen(
            child(_KEEP_ON, root, number * 5), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            try:
                process.wait(chance.uniform(0, 0.08))
            except subprocess.TimeoutExpired:
                process.kill()
            assert process.wait() == -signal.SIGKILL
        kept += check_after_crash(root)
    assert kept > 0
    for path in (root / "scratch-v1").iterdir():
        os.utime(path, (0, 0))
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
        assert store.stats().scratch_files == 0


def strace(*options: str) -> tuple[str, ...]:
    """What runs a command under strace; skips the test where that cannot be."""
    path = shutil.which("strace")
    works = path and subprocess.run([path, "-o", "/dev/null", "true"], check=False, capture_output=True)
    if not works or works.returncode != 0:
        reason = "install strace (apt-get install strace), and allow it to trace"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return (str(path), "-f", "-qq", *options)


_KEEP_TWO = """
    for number in (3, 4):
        key = Key(f"https://photos.example/{number}")
        keep(store, key, random.Random(number).randbytes(number * 997))
    store.close()
    print("done")
"""


@pytest.mark.parametrize("call", ["mkdir", "link", "rename", "fsync", "unlink", "ftruncate", "pwrite64"])
def test_a_writer_may_be_killed_at_any_call_that_changes_the_disk(tmp_path: Path, call: str) -> None:
    step = 1 if ROUNDS > 20 else 1 + 6 * (call in ("pwrite64", "unlink"))
    for turn in range(1, 1000, step):
        root = tmp_path / str(turn)
        kill = strace(
            "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={turn}"
        )
        ended = subprocess.run(
            child(_KEEP_TWO, root, wrapped_in=kill), check=False, stdout=subprocess.PIPE, text=True
        )
        kept = check_after_crash(root) if root.exists() else 0
        if ended.stdout:
            assert kept == 2
            assert turn > 1
            return
        with closing(DiskStore(root)) as store:
            entry = keep(store, Key("https://photos.example/3"), content_of(Key("/3")))
            assert store.find(entry.key) == entry
    raise AssertionError("it never ended")


def test_bytes_are_on_the_disk_before_their_name_and_the_name_before_the_row(
    root: Path, tmp_path: Path
) -> None:
    log = tmp_path / "calls"
    calls = strace("-y", "-o", str(log), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,pwrite64")
    subprocess.run(child(_KEEP_TWO, root, wrapped_in=calls), check=True, stdout=subprocess.PIPE)
    told = [line.split(" ", 1)[1].strip() for line in log.read_text().splitlines()]
    renames = [at for at, call in enumerate(told) if re.match(r"rename\(.*objects-v1.* = 0", call)]
    assert len(renames) == 2
    for at in renames:
        found = re.match(r'rename\("(.*)", "(.*)"\) += 0', told[at])
        assert found is not None
        source, target = found.groups()
        assert target.endswith(".webp")
        synced = [call for call in told[:at] if re.match(rf"fsync\(\d+<{re.escape(source)}>\) += 0", call)]
        assert synced, "the file was not synced before it was given its name"
        folder = target.rpartition("/")[0]
        then = next(n for n, call in enumerate(told) if n > at and f"<{folder}>" in call)
        assert re.match(r"fsync\(.* = 0", told[then])
        row = next(n for n, call in enumerate(told) if n > at and call.startswith("pwrite64"))
        assert "index-v1.sqlite-wal" in told[row]
        assert at < then < row
        assert any(re.match(r"fsync\(\d+<.*/objects-v1>\) += 0", call) for call in told[at:row])


_KEEP_MANY = """
    contents = [random.Random(number).randbytes(number * 997) for number in range(1, 13)]
    keys = [Key(f"https://photos.example/{number}") for number in range(1, 13)]
    store.commit([pending_entry(store, key, content) for key, content in zip(keys, contents)])
    store.close()
    print("done")
"""


def together(folder: Path) -> None:
    """Go on only where many files are synced by one call."""
    if not atomic_files.syncs_whole(str(folder)):
        pytest.skip("needs Linux 5.8, whose syncfs tells of errors, and a file system that heeds it")


def test_many_are_synced_together_before_their_names_and_those_before_the_rows(
    root: Path, tmp_path: Path
) -> None:
    together(tmp_path)
    log = tmp_path / "calls"
    calls = strace("-y", "-o", str(log), "-e", "trace=syncfs,rename,pwrite64")
    subprocess.run(child(_KEEP_MANY, root, wrapped_in=calls), check=True, stdout=subprocess.PIPE)
    told = [line.split(" ", 1)[1].strip() for line in log.read_text().splitlines()]
    renames = [at for at, call in enumerate(told) if re.match(r"rename\(.*objects-v1.* = 0", call)]
    syncs = [at for at, call in enumerate(told) if re.match(r"syncfs\(.* = 0", call)]
    assert len(renames) == 12
    (files_synced, names_synced) = syncs
    assert files_synced < renames[0] < renames[-1] < names_synced
    first_row = next(at for at, call in enumerate(told) if at > renames[0] and call.startswith("pwrite64"))
    assert names_synced < first_row
    assert check_after_crash(root) == 12


@pytest.mark.parametrize("call", ["syncfs", "rename", "pwrite64", "unlink"])
def test_who_keeps_many_may_be_killed_at_any_call(tmp_path: Path, call: str) -> None:
    together(tmp_path)
    step = 1 if ROUNDS > 20 else 5
    for turn in range(1, 1000, step):
        root = tmp_path / str(turn)
        kill = strace(
            "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={turn}"
        )
        ended = subprocess.run(
            child(_KEEP_MANY, root, wrapped_in=kill), check=False, stdout=subprocess.PIPE, text=True
        )
        kept = check_after_crash(root) if root.exists() else 0
        if ended.stdout:
            assert kept == 12
            return
        assert kept in (0, 12), "rows are written all or none"
    raise AssertionError("it never ended")


def test_a_disk_that_cannot_sync_keeps_nothing(root: Path, tmp_path: Path) -> None:
    together(tmp_path)
    code = """
        keys = [Key(f"https://photos.example/{number}") for number in range(5)]
        kept = store.commit([pending_entry(store, key, key.encode()) for key in keys])
        print(*(error.kind for error in kept))
        store.close()
    """
    failing = strace("-o", "/dev/null", "-e", "trace=syncfs", "-e", "inject=syncfs:error=EIO:when=1+")
    ran = subprocess.run(child(code, root, wrapped_in=failing), check=True, stdout=subprocess.PIPE, text=True)
    assert ran.stdout.split() == ["io"] * 5
    assert check_after_crash(root) == 0


_KEEP_TWO_IN_A_FOLDER = """
    one, two = (pending_entry(store, Key(f"https://photos.example/{text}"), text) for text in (b"1", b"12"))
    for batch in ([one, two],) if sys.argv[2] == "together" else ([one], [two]):
        print(*(type(kept).__name__ for kept in store.commit(batch)))
    store.close()
"""


def traced(
    code: str, *arguments: object, log: Path, injecting: tuple[str, ...] = ()
) -> tuple[str, list[str]]:
    """What a child says, and its calls that make names or make them durable."""
    calls = strace("-y", "-o", str(log), "-e", "trace=fsync,mkdir,rename,pwrite64", *injecting)
    ran = subprocess.run(
        child(code, *arguments, wrapped_in=calls), check=True, stdout=subprocess.PIPE, text=True
    )
    return ran.stdout, [line.split(" ", 1)[1].strip() for line in log.read_text().splitlines()]


def first_of(told: list[str], pattern: str, *, after: int = 0) -> int:
    return next(at for at in range(after, len(told)) if re.match(pattern, told[at]))


_A_FOLDER_IS_MADE = r'mkdir\(".*/objects-v1/..", .* = 0'
_ITS_NAME_IS_DURABLE = r"fsync\(\d+<.*/objects-v1>\) += 0"
_A_ROW_IS_WRITTEN = r"pwrite64\(\d+<.*-wal>"


@pytest.mark.parametrize(
    ("call", "batches"), [("rename", "together"), ("rename", "apart"), ("fsync", "apart")]
)
def test_a_folder_made_for_one_that_failed_is_on_the_disk_before_the_row_of_another(
    root: Path, tmp_path: Path, call: str, batches: str
) -> None:
    # The fourth rename is that into the new folder, and the fourth sync the first one of a folder of objects.
    injecting = ("-e", f"inject={call}:error=EIO:when=4")
    said, told = traced(_KEEP_TWO_IN_A_FOLDER, root, batches, log=tmp_path / "calls", injecting=injecting)
    assert said.split() == ["CacheError", "Entry"]
    made = first_of(told, _A_FOLDER_IS_MADE)
    durable = first_of(told, _ITS_NAME_IS_DURABLE, after=made)
    assert made < durable < first_of(told, _A_ROW_IS_WRITTEN, after=made)


def test_the_name_of_a_folder_is_made_durable_once(root: Path, tmp_path: Path) -> None:
    said, told = traced(_KEEP_TWO_IN_A_FOLDER, root, "apart", log=tmp_path / "calls")
    assert said.split() == ["Entry", "Entry"]
    assert len([call for call in told if re.match(_ITS_NAME_IS_DURABLE, call)]) == 1


def test_where_all_objects_were_deleted_under_us_their_folder_is_durable_too(
    root: Path, tmp_path: Path
) -> None:
    code = """
        import shutil
        ticket = pending_entry(store, CAT, b"a cat")
        shutil.rmtree(f"{sys.argv[1]}/objects-v1")
        print(*(type(kept).__name__ for kept in store.commit([ticket])))
        store.close()
    """
    said, told = traced(code, root, log=tmp_path / "calls")
    assert said.split() == ["Entry"]
    made = first_of(told, _A_FOLDER_IS_MADE)
    again = max(at for at in range(made) if re.match(r'mkdir\(".*/objects-v1", .* = 0', told[at]))
    assert again < first_of(told, rf"fsync\(\d+<{re.escape(str(root))}>\) += 0", after=again)
    durable = first_of(told, _ITS_NAME_IS_DURABLE, after=made)
    assert durable < first_of(told, _A_ROW_IS_WRITTEN, after=made)


class Meddling(SystemClock):
    """A clock that lets something happen when it is next looked at: between an object and its row."""

    def __init__(self) -> None:
        self.meddle: Callable[[], object] | None = None

    def elapsed(self) -> float:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        return super().elapsed()


def test_what_is_evicted_while_it_is_kept_anew_is_there_in_the_end(root: Path) -> None:
    clock = Meddling()
    with closing(DiskStore(root, clock=clock)) as store:
        path = store.path(keep(store, CAT, b"a cat"))
        anew = pending_entry(store, DOG, b"a cat")
        clock.meddle = path.unlink
        (kept,) = store.commit([anew])
        assert clock.meddle is None
        with closing(sqlite3.connect(index_of(root))) as connection:
            (mtime_ns,) = connection.execute("SELECT mtime_ns FROM object").fetchone()
        assert path.stat().st_mtime_ns == mtime_ns
        assert store.find(DOG) == kept


def test_who_failed_alone_is_told_so_though_all_fail_later(root: Path) -> None:
    clock = Meddling()

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with closing(DiskStore(root, clock=clock)) as store:
        spent, whole = pending_entry(store, CAT, b"a cat"), pending_entry(store, DOG, b"a dog")
        store.discard(spent.verified.staging_id)
        clock.meddle = fail
        one, other = store.commit([spent, whole])
        assert isinstance(one, CacheError)
        assert isinstance(other, CacheError)
        assert (one.kind, other.kind) == (ErrorKind.IO, ErrorKind.DISK_FULL)
        assert "needed 5 bytes" in other.message


# ---------------------------------------------------------------------------------------------------
# What is begun, and gone on with


def suspended(store: DiskStore) -> None:
    ticket = written(store, b"a c")
    store.make_resumable(ticket, CAT, HEAD)
    store.suspend(ticket)


def grow_older(root: Path, seconds: float) -> None:
    """All that lies in scratch."""
    for path in (root / layout.SCRATCH).iterdir():
        os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def sweep(root: Path) -> None:
    """As the first of all writers does in each process."""
    with closing(DiskStore(root)) as store:
        store.discard(store.open())


def test_a_note_lives_as_long_as_the_bytes_it_tells_of(store: DiskStore, root: Path) -> None:
    suspended(store)
    grow_older(root, 3000)
    partial = store.resume(CAT)
    assert partial is not None
    grow_older(root, 3000)
    store.write(partial.staging_id, b"a")  # slowly: the note has not been written to for long
    store.suspend(partial.staging_id)
    grow_older(root, 700)
    sweep(root)
    partial = store.resume(CAT)
    assert partial is not None
    assert partial.length == 4
    store.suspend(partial.staging_id)
    grow_older(root, 3700)
    sweep(root)
    assert list((root / layout.SCRATCH).iterdir()) == []


def test_a_note_whose_bytes_are_being_claimed_is_not_swept_away(store: DiskStore, root: Path) -> None:
    suspended(store)
    grow_older(root, 3590)
    partial = store.resume(CAT)
    assert partial is not None
    (note,) = (root / layout.SCRATCH).glob("*.json")
    assert note.stat().st_mtime > note.with_suffix(".partial").stat().st_mtime - 10


def test_bytes_that_cannot_be_read_back_are_an_error_of_the_cache(store: DiskStore) -> None:
    suspended(store)
    partial = store.resume(CAT)
    assert partial is not None
    unreadable = os.open(os.devnull, os.O_WRONLY)
    os.dup2(unreadable, store._staging._bodies[partial.staging_id].flush())
    os.close(unreadable)

    def look() -> None:
        with store.read(partial.staging_id):
            pass

    fails(ErrorKind.IO, look, "Bad file descriptor")
    verified = Verified(facts(b"a c"), partial.staging_id)
    fails(
        ErrorKind.IO,
        lambda: keep_proved(store, verified, CAT, HEAD, request_time=1, response_time=1),
        "Bad file descriptor",
    )


# ---------------------------------------------------------------------------------------------------
# Full disks, and disks that cannot be written to


@contextmanager
def mounted(where: Path, *options: str) -> Iterator[None]:
    """A file system of our own; skips the test where we may not mount one."""
    where.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(where)], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("only root may mount a file system to fill or to write-protect")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def test_a_full_disk_is_named_and_nothing_is_left_half_done(tmp_path: Path) -> None:
    disk_of_ours = tmp_path / "disk"
    with mounted(disk_of_ours, "-t", "tmpfs", "-o", "size=400k", "none"):
        root = disk_of_ours / "cache"
        with closing(DiskStore(root)) as store:
            entry = keep(store, CAT, b"a cat")
            ticket = store.open()
            chunk = bytes(50_000)

            def fill() -> None:
                for _ in range(20):
                    store.write(ticket, chunk)

            text = fails(ErrorKind.DISK_FULL, fill, root)
            assert re.search(r"needed \d+,\d{3} bytes", text)
            assert store.stats().scratch_files == 0
            assert store.find(CAT) == entry
            with (disk_of_ours / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
                while ballast.write(bytes(4096)):
                    pass
            fails(ErrorKind.DISK_FULL, lambda: keep(store, DOG, b"a dog" * 1000), root)
            assert store.find(CAT) == entry
            assert all_whole(store)
        with closing(DiskStore(root)) as store:
            assert store.find(CAT) == entry
            fails(ErrorKind.DISK_FULL, lambda: keep(store, DOG, b"a dog" * 1000), root)
            (disk_of_ours / "ballast").unlink()
            assert keep(store, DOG, b"a dog" * 1000) == store.find(DOG)
            assert store.find(CAT) == entry
            assert store.notices == []


def keep_four(store: DiskStore) -> ErrorKind | None:
    """What kept us from keeping four images."""
    try:
        for number in range(4):
            keep(store, Key(f"https://photos.example/{number}"), b"%d" % number * 9_999)
    except CacheError as error:
        return error.kind
    return None


def test_a_disk_may_be_full_at_any_point(tmp_path: Path) -> None:
    disk_of_ours = tmp_path / "disk"
    kept = []
    for size in range(4, 240, 8):
        with mounted(disk_of_ours, "-t", "tmpfs", "-o", f"size={size}k", "none"):
            for _ in range(2):
                with closing(DiskStore(disk_of_ours / "cache")) as store:
                    assert {keep_four(store) for _ in range(2)} <= {None, ErrorKind.DISK_FULL}
                    assert all_whole(store)
                    entries = list(store.entries())
                    assert all(store.find(entry.key) == entry for entry in entries)
                    assert all("write-ahead log" in notice for notice in store.notices), store.notices
            kept.append(len(entries))
    assert kept[0] == 0
    assert kept[-1] == 4


def test_a_file_larger_than_is_allowed_is_a_full_disk(root: Path) -> None:
    code = """
        import resource
        from imgfetch.errors import CacheError
        keep(store, CAT, b"a cat")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        for size in (150_000, 350_000):
            try:
                keep(store, DOG, bytes(size))
            except CacheError as error:
                print(error.kind, error)
            assert store.stats().scratch_files == 0
        store.close()
    """
    told = subprocess.run(child(code, root), check=True, stdout=subprocess.PIPE, text=True).stdout
    assert [line.partition(";")[0] for line in told.splitlines()] == [
        f"disk_full no space left on {root}: needed {size} bytes (File too large)"
        for size in ("150,000", "350,000")
    ]


def check_read_only(root: Path) -> None:
    with closing(DiskStore(root)) as store:
        entry = store.find(CAT)
        assert entry is not None
        assert store.path(entry).read_bytes() == b"a cat"
        fails(ErrorKind.PERMISSION, store.open, root)
        fails(ErrorKind.PERMISSION, lambda: store.refresh(entry, HEAD, request_time=3, response_time=4), root)
        fails(ErrorKind.PERMISSION, lambda: store.remove(CAT), root)
        assert store.find(CAT) == entry
        assert [found.key for found in store.entries()] == [CAT]
        assert all_whole(store)
        assert store.notices == []


def test_a_filled_cache_serves_hits_where_it_cannot_be_written(root: Path, tmp_path: Path) -> None:
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
    copy = tmp_path / "read-only"
    with mounted(copy, "-o", "bind,ro", str(root)):
        check_read_only(copy)
        with closing(DiskStore(root)) as writer:
            keep(writer, DOG, b"a dog")
            with closing(DiskStore(copy)) as reader:  # a log stands beside it now, and is read
                assert reader.find(DOG) is not None
        os.utime(root / "objects-v1" / digest(b"a cat")[:2] / f"{digest(b'a cat')}.webp", ns=(1, 1))
        with closing(DiskStore(copy)) as store:
            for _ in range(2):  # its new time cannot be noted, so it is hashed each time
                assert store.find(CAT) is not None
        index_of(root).write_bytes(b"noise")
        with closing(DiskStore(copy)) as store:
            fails(ErrorKind.CACHE_CORRUPT, lambda: store.find(CAT), index_of(copy), "make the cache writable")
        assert index_of(root).read_bytes() == b"noise"


@pytest.fixture
def for_everyone() -> Iterator[Path]:
    """A folder that another user may go into, as the one pytest makes is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(code: str, root: Path) -> None:
    """Run `code` as somebody to whom modes mean something, with all modules loaded that it may not read."""
    becoming = """
        from test_disk import *
        store = DiskStore(sys.argv[1])
        "".encode("unicode_escape")
        if os.getuid() == 0:
            os.setgroups([]), os.setgid(65534), os.setuid(65534)
    """
    subprocess.run(child(textwrap.dedent(becoming) + textwrap.dedent(code), root), check=True)


def test_modes_that_forbid_writing_are_respected(for_everyone: Path) -> None:
    root = for_everyone / "cache"
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    as_nobody("check_read_only(Path(sys.argv[1]))", root)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_cache_that_is_not_ours_to_see_is_named(for_everyone: Path) -> None:
    root = for_everyone / "cache"
    root.mkdir(mode=0o000)
    code = """
        fails(ErrorKind.PERMISSION, lambda: store.find(CAT), sys.argv[1])
        fails(ErrorKind.PERMISSION, store.open, sys.argv[1])
        store = DiskStore(sys.argv[1] + "-below-a-folder-of-others")
        assert store.find(CAT) is None
        fails(ErrorKind.PERMISSION, store.open, sys.argv[1])
    """
    for_everyone.chmod(0o555)
    as_nobody(code, root)
    for_everyone.chmod(0o755)
    root.chmod(0o700)


def test_what_a_file_system_says_of_a_file_as_it_is_closed_fails_nothing(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, DOG, b"a dog")
    before, close = open_descriptors(), os.close
    large = b"a large cat" * 50_000

    def late(descriptor: int) -> None:
        is_written = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
        close(descriptor)
        if is_written:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    filings = [pending_entry(store, CAT, large), pending_entry(store, DOG, b"another dog")]
    dropped, left = written(store, large), written(store, large)
    store.make_resumable(left, CAT, HEAD)
    monkeypatch.setattr(os, "close", late)
    kept = store.commit(filings)
    store.discard(dropped)
    store.suspend(left)
    monkeypatch.undo()
    assert kept == [store.find(CAT), store.find(DOG)]
    assert None not in kept
    assert open_descriptors() == before
    assert store.resume(CAT) is not None


def test_what_was_written_in_part_is_not_written_once_more_behind_that(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, DOG, b"a dog")
    large, write = b"a large cat" * 50_000, os.write
    filings = [pending_entry(store, CAT, b"a cat"), pending_entry(store, DOG, b"another dog")]
    ticket, failed = written(store, large), False

    def half(descriptor: int, data: bytes) -> int:
        nonlocal failed
        if failed:
            return write(descriptor, data)
        failed = True
        write(descriptor, data[: len(data) // 2])
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # as of a file on another machine

    monkeypatch.setattr(os, "write", half)
    cat, dog = store.commit(filings)
    assert isinstance(cat, CacheError)
    assert dog == store.find(DOG)
    failed = False
    fails(ErrorKind.IO, lambda: store.write(ticket, large))
    monkeypatch.undo()
    assert all_whole(store)
    assert list((root / "scratch-v1").iterdir()) == []


def test_too_many_open_files_fail_one_by_one(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    store.close()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    ended: list[ErrorKind | None] = []
    for allowed in range(8):
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + allowed, limits[1]))
        try:
            ended.append(keep_four(store))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert store.find(CAT) is not None
        assert store.notices == []
        assert all_whole(store)
        store.close()
    assert (ended[0], ended[-1]) == (ErrorKind.IO, None)
    assert set(ended) == {ErrorKind.IO, None}


# ---------------------------------------------------------------------------------------------------
# Looking after it


def test_what_is_held_can_be_listed_and_counted(store: DiskStore) -> None:
    kept = [
        keep(store, Key(f"https://photos.example/{number}"), b"%d" % (number % 900)) for number in range(1200)
    ]
    written(store, b"half a cat")
    assert list(store.entries()) == kept
    assert store.stats()[:6] == (1200, 900, 10 + 2 * 90 + 3 * 800, 0, 0, 0)
    written(store, bytes(IN_MEMORY), b"and some more")
    assert store.stats()[3:5] == (1, IN_MEMORY + 13)


def test_a_look_at_everything_tells_what_is_wrong(store: DiskStore, root: Path) -> None:
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


def test_a_damaged_object_can_be_put_in_quarantine(store: DiskStore, root: Path) -> None:
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


def test_removing_a_key_frees_bytes_that_no_other_key_stands_for(store: DiskStore) -> None:
    shared, alone = store.path(keep(store, CAT, b"a pet")), store.path(keep(store, Key("/bird"), b"a bird"))
    keep(store, DOG, b"a pet")
    assert store.remove(CAT)
    assert store.remove(Key("/bird"))
    assert not store.remove(CAT)
    assert (shared.exists(), alone.exists()) == (True, False)
    assert (store.find(CAT), store.find(DOG) is not None) == (None, True)
    assert store.remove(DOG)
    assert store.stats() == Stats(0, 0, 0, 0, 0, 0)


def test_what_is_gone_can_be_forgotten(store: DiskStore) -> None:
    store.path(keep(store, CAT, b"a cat")).unlink()
    store.forget(digest(b"a cat"))
    store.forget(digest(b"a cat"))
    assert list(store.verify(deep=True)) == []
    assert list(store.entries()) == []


def test_hashes_are_of_the_bytes_that_were_written(store: DiskStore) -> None:
    content = random.Random(1).randbytes(300_001)
    ticket = written(store, *(content[at : at + 1013] for at in range(0, len(content), 1013)))
    with store.read(ticket) as (data, found):
        assert found == hashlib.sha256(data).hexdigest() == digest(content)
        assert data[-1] == content[-1]
