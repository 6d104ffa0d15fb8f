"""The fast path prints what the program would print, or leaves the answer to it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configured import of_user
from imgfetch.cli import dispatch, main
from imgfetch.cli.fast_path import answer
from imgfetch.engine.lookup import refresh
from imgfetch.model.image import Entry, Verified
from imgfetch.model.request import Head
from imgfetch.model.values import Key
from imgfetch.rules.image.placeholders import MOST_BYTES
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.layout import INDEX
from imgfetch.store.lookup_sql import lookup_paths
from keeping import facts, keep_proved, written

CAT = "https://photos.example/cat.webp"
DOG = "https://photos.example/dog.webp?w=480"
LASTING = (("cache-control", "max-age=86400"),)


@pytest.fixture(autouse=True)
def home(home: Path) -> Path:
    """A directory whose cache has a cat and a dog, and an index that was written a while ago."""
    with closing(DiskStore("cache")) as store:
        store_image(store, CAT, b"a cat")
        store_image(store, DOG, b"a dog")
    rest()
    return home


def store_image(
    store: DiskStore,
    url: str,
    data: bytes,
    headers: tuple[tuple[str, str], ...] = LASTING,
    *,
    response_time: float = 0,
    selected: tuple[tuple[str, str], ...] = (),
    verified: tuple[str, ...] = ("length", "structure", "decode"),
) -> Entry:
    at = response_time or time() - 10
    proof = Verified(facts(data, verified=verified), written(store, data))
    head = Head(url, 200, headers)
    return keep_proved(store, proof, Key(url), head, request_time=at, response_time=at, selected=selected)


def rest(seconds: float = 10) -> None:
    """Make the last write to the index so many seconds old."""
    now = time()
    os.utime(f"cache/{INDEX}", (now - seconds, now - seconds))


def path_of(url: str) -> str:
    with closing(DiskStore("cache")) as store:
        entry = store.find(Key(url))
        assert entry is not None
        return str(store.path(entry))


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return what the fast path answers, which is what the program prints."""
    paths = answer(arguments)
    assert paths is not None
    capsys.readouterr()
    code = dispatch.run(arguments)
    assert (code, capsys.readouterr()) == (0, ("".join(f"{path}\n" for path in paths), ""))
    assert (main(arguments), capsys.readouterr().out.splitlines()) == (0, paths)
    return paths


# Cases that it answers


@pytest.mark.parametrize(
    "words",
    [
        [CAT],
        ["-w", "800", CAT],
        [CAT, "--width", "1"],
        ["--width=800", CAT, "-q"],
        [CAT, "--cache", "cache"],
        [f"--cache={Path('cache')}/../cache", CAT],
        ["--quiet", CAT, "--cache", "nowhere", "--cache", "./cache"],
    ],
    ids=" ".join,
)
def test_answers_a_plain_get(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys, "get", *words) == [path_of(CAT)]


def test_answers_several_if_no_summary_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys, "get", "-q", CAT, DOG, CAT) == [path_of(CAT), path_of(DOG), path_of(CAT)]
    assert answer(["get", CAT, DOG]) is None


def test_takes_the_cache_from_a_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    path = path_of(CAT)
    monkeypatch.setenv("IMGFETCH_CACHE", f"{home}/cache")
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert check(capsys, "get", CAT) == [path]


def test_reads_an_index_that_another_process_has_open(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(DiskStore("cache")) as other:
        store_image(other, "https://photos.example/bird.webp", b"a bird")
        assert Path(f"cache/{INDEX}-wal").exists()
        assert check(capsys, "get", "https://photos.example/bird.webp") == [
            path_of("https://photos.example/bird.webp")
        ]


def test_writes_nothing() -> None:
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    assert answer(["get", CAT]) is not None
    assert answer(["get", "https://photos.example/none.webp"]) is None
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_answers_after_a_304() -> None:
    with closing(DiskStore("cache")) as store:
        old = store_image(
            store, CAT, b"a cat", (("cache-control", "max-age=60"),), response_time=time() - 100
        )
        rest()
        assert answer(["get", CAT]) is None
        now = time()
        refresh(old, Head(CAT, 304, LASTING), store, request_time=now, response_time=now)
    rest()
    assert answer(["get", CAT]) is not None


# Cases that it leaves to the program


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["pick", CAT],
        ["--version"],
        ["get"],
        ["get", "-q"],
        ["get", CAT, "-w"],
        ["get", CAT, "-w", "0"],
        ["get", CAT, "-w", "³"],
        ["get", CAT, "-w", "1" * 10],
        ["get", CAT, "--width="],
        ["get", CAT, "--cache", "-q"],
        ["get", CAT, "--cache", "nowhere"],
        ["get", CAT, "-q", DOG],
        ["get", CAT, "-qw", "8"],
        ["get", CAT, "--quiet=yes"],
        ["get", CAT, "--json"],
        ["get", CAT, "--refresh"],
        ["get", CAT, "--offline"],
        ["get", CAT, "--verify", "full"],
        ["get", CAT, "-d", "copies"],
        ["get", CAT, "--"],
        ["get", "-", CAT],
        ["get", f"{CAT} 480w"],
        ["get", f"{CAT}#top"],
        ["get", "HTTPS://photos.example/cat.webp"],
        ["get", f" {CAT}"],
        ["get", "cat.webp"],
        ["get", "https://photos.example/\udcff.webp"],
        ["get", "-q", CAT, "https://photos.example/none.webp"],
    ],
    ids=lambda words: ascii(" ".join(words)),
)
def test_leaves_other_arguments(words: list[str]) -> None:
    assert answer(words) is None


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ((("cache-control", "max-age=60"),), 60),
        ((("cache-control", "max-age=60, stale-while-revalidate=600"),), 61),
        ((("cache-control", "no-cache, max-age=86400"),), 0),
        ((("cache-control", "no-store"),), 0),
        ((("vary", "accept-language"),), 0),
        ((("vary", "*"),), 0),
        (LASTING, -5),
    ],
)
def test_leaves_a_response_that_is_not_fresh_for_any_request(
    headers: tuple[tuple[str, str], ...], age: float
) -> None:
    with closing(DiskStore("cache")) as store:
        store_image(store, CAT, b"a cat", headers, response_time=time() - age)
    rest()
    assert answer(["get", CAT]) is None


def test_leaves_variants() -> None:
    with closing(DiskStore("cache")) as store:
        for language in ("be", "de"):
            chosen = (("accept-language", language),)
            store_image(
                store, CAT, language.encode(), (*LASTING, ("vary", "accept-language")), selected=chosen
            )
    rest()
    assert answer(["get", CAT]) is None


@pytest.mark.parametrize(("files", "size", "plain"), [(4, 9, True), (5, 9, False), (5, MOST_BYTES + 1, True)])
def test_leaves_a_possible_placeholder(
    files: int, size: int, plain: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = [f"https://h.example/{number}.webp" for number in range(files)]
    with closing(DiskStore("cache")) as store:
        for url in urls:
            store_image(store, url, b"x" * size)
    rest()
    assert (answer(["get", urls[0]]) is not None) is plain
    main(["get", urls[0]])
    assert ("repeated" in capsys.readouterr().err) is not plain


def test_leaves_an_access_that_has_to_be_persisted() -> None:
    for ago, plain in ((3500, True), (3700, False), (-3700, False)):
        with closing(sqlite3.connect(f"cache/{INDEX}")) as connection:
            connection.execute("UPDATE object SET used_at = ?", (int(time() - ago),))
            connection.commit()
        rest()
        assert (answer(["get", CAT]) is not None) is plain


def test_leaves_what_was_verified_less() -> None:
    with closing(DiskStore("cache")) as store:
        store_image(store, CAT, b"a cat", verified=("length", "structure"))
    rest()
    assert answer(["get", CAT]) is None


@pytest.mark.parametrize("character", ["\\", "^", "{", '"', "?'"])
def test_leaves_a_url_that_a_browser_spells_otherwise(character: str) -> None:
    url = f"https://photos.example/a{character}cat.webp"
    with closing(DiskStore("cache")) as store:
        store_image(store, url, b"a cat")
    rest()
    assert answer(["get", url]) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [("imgfetch.toml", ""), ("pyproject.toml", "[tool.imgfetch]\n"), ("pyproject.toml", "# tool.imgfetch")],
)
def test_leaves_a_configuration(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")
    assert answer(["get", CAT]) is None


def test_leaves_a_configuration_of_the_user() -> None:
    assert answer(["get", CAT]) is not None
    of_user("")
    assert answer(["get", CAT]) is None


def test_answers_beside_a_configuration_of_other_tools(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text("[project]\n", encoding="utf-8")
    check(capsys, "get", CAT)


def test_leaves_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGFETCH_REFRESH", "yes")
    assert answer(["get", CAT]) is None


def test_does_not_read_a_file_named_like_a_url(capsys: pytest.CaptureFixture[str]) -> None:
    Path(CAT).parent.mkdir(parents=True)
    Path(CAT).write_text("https://photos.example/other.webp 480w", encoding="utf-8")
    assert answer(["get", CAT]) is not None
    check(capsys, "get", CAT)


def test_leaves_a_path_that_is_not_printable() -> None:
    Path("cache").rename("ca\nche")
    assert answer(["get", CAT, "--cache", "ca\nche"]) is None


@pytest.mark.parametrize("damage", ["gone", "shorter", "touched", "same size"])
def test_leaves_an_object_that_has_changed(damage: str) -> None:
    path = Path(path_of(CAT))
    match damage:
        case "gone":
            path.unlink()
        case "shorter":
            path.write_bytes(b"a ca")
        case "touched":
            os.utime(path, (1, 1))
        case _:
            path.write_bytes(b"a rat")
    assert answer(["get", CAT]) is None


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 3",
        "PRAGMA application_id = 7",
        "UPDATE entry SET sha256 = '../../../../etc/passwd'",
        "UPDATE entry SET fresh_until = 'for ever'",
        "DROP TABLE object",
    ],
)
def test_leaves_an_index_that_is_not_ours(statement: str) -> None:
    with closing(sqlite3.connect(f"cache/{INDEX}", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
    rest()
    assert answer(["get", CAT]) is None


def test_leaves_an_index_that_may_be_written_to_now() -> None:
    rest(0)
    assert answer(["get", CAT]) is None
    rest()
    Path(f"cache/{INDEX}-journal").touch()
    assert answer(["get", CAT]) is None


def test_leaves_an_index_that_is_written_to_meanwhile() -> None:
    class Keys(list[str]):
        """Keys during whose lookup another process stores something."""

        def __len__(self) -> int:
            with closing(DiskStore("cache")) as other:
                store_image(other, CAT, b"another cat")
            return super().__len__()

    assert lookup_paths("cache", [CAT], now=time()) == [path_of(CAT)]
    assert lookup_paths("cache", Keys([CAT]), now=time()) is None


@pytest.mark.parametrize("content", [b"", b"no index at all" * 100])
def test_leaves_a_damaged_index(content: bytes) -> None:
    Path(f"cache/{INDEX}").write_bytes(content)
    rest()
    assert answer(["get", CAT]) is None


# Any arguments

WORDS = st.sampled_from(
    [
        "get",
        "-q",
        "-w",
        "800",
        "--width=5",
        "--cache",
        "cache",
        "--cache=cache",
        CAT,
        DOG,
        "--",
        "-v",
        f"{CAT}/",
    ]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(words=st.lists(WORDS, min_size=1, max_size=5))
def test_answers_any_arguments_as_the_program_does_or_not_at_all(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if answer(["get", *words]) is not None:
        check(capsys, "get", *words)


# Costs


def test_imports_next_to_nothing_for_a_hit() -> None:
    program = (
        "import sys; before = set(sys.modules); from imgfetch.cli import main; code = main(sys.argv[1:]);"
        "print(code, *sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "get", CAT, "-w", "800"], capture_output=True, text=True, check=True
    )
    code, *modules = ran.stderr.split()
    assert (code, ran.stdout) == ("0", f"{path_of(CAT)}\n")
    ours = {name for name in modules if name.partition(".")[0] == "imgfetch"}
    assert ours == {
        "imgfetch",
        "imgfetch.store",
        "imgfetch.model",
        "imgfetch.model.thresholds",
        "imgfetch.system",
        "imgfetch.system.clock",
        "imgfetch.store.lookup_sql",
        "imgfetch.cli",
        "imgfetch.cli.fast_path",
        "imgfetch.cli.config_file",
    }
    # functools, and what it stands on, is imported by SQLite's own module.
    of_functools = {"collections", "functools", "itertools", "keyword", "operator", "reprlib", "types"}
    written_in_python = {name for name in modules if name[0] != "_"} - ours - {*sys.builtin_module_names}
    assert written_in_python <= of_functools


def test_a_closed_pipe_causes_no_traceback() -> None:
    command = f"{sys.executable} -m imgfetch get {CAT} >&-; {sys.executable} -m imgfetch get {CAT} >/dev/full"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert "standard output: No space left on device" in ran.stderr
