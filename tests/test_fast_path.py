"""The doorstep says what the program would say, or nothing."""

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
    """A directory whose cache holds a cat and a dog, and which nobody has written to for a while."""
    with closing(DiskStore("cache")) as store:
        keep(store, CAT, b"a cat")
        keep(store, DOG, b"a dog")
    rest()
    return home


def keep(
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
    """Let the index lie still for so long."""
    now = time()
    os.utime(f"cache/{INDEX}", (now - seconds, now - seconds))


def place(url: str) -> str:
    with closing(DiskStore("cache")) as store:
        entry = store.find(Key(url))
        assert entry is not None
        return str(store.path(entry))


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """What the doorstep answers, which is what the program says."""
    paths = answer(arguments)
    assert paths is not None
    capsys.readouterr()
    code = dispatch.run(arguments)
    assert (code, capsys.readouterr()) == (0, ("".join(f"{path}\n" for path in paths), ""))
    assert (main(arguments), capsys.readouterr().out.splitlines()) == (0, paths)
    return paths


# What it answers


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
def test_a_plain_get_is_answered_at_the_doorstep(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(capsys, "get", *words) == [place(CAT)]


def test_several_are_answered_where_nobody_wants_them_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys, "get", "-q", CAT, DOG, CAT) == [place(CAT), place(DOG), place(CAT)]
    assert answer(["get", CAT, DOG]) is None


def test_a_variable_may_name_the_cache(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    path = place(CAT)
    monkeypatch.setenv("IMGFETCH_CACHE", f"{home}/cache")
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert check(capsys, "get", CAT) == [path]


def test_an_index_that_others_have_open_is_read_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(DiskStore("cache")) as other:
        keep(other, "https://photos.example/bird.webp", b"a bird")
        assert Path(f"cache/{INDEX}-wal").exists()
        assert check(capsys, "get", "https://photos.example/bird.webp") == [
            place("https://photos.example/bird.webp")
        ]


def test_nothing_is_written() -> None:
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    assert answer(["get", CAT]) is not None
    assert answer(["get", "https://photos.example/none.webp"]) is None
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_a_304_is_heard_of() -> None:
    with closing(DiskStore("cache")) as store:
        old = keep(store, CAT, b"a cat", (("cache-control", "max-age=60"),), response_time=time() - 100)
        rest()
        assert answer(["get", CAT]) is None
        now = time()
        refresh(old, Head(CAT, 304, LASTING), store, request_time=now, response_time=now)
    rest()
    assert answer(["get", CAT]) is not None


# What it leaves to the program


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
def test_other_words_are_left_to_the_program(words: list[str]) -> None:
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
def test_what_is_not_fresh_for_everybody_is_left_to_the_program(
    headers: tuple[tuple[str, str], ...], age: float
) -> None:
    with closing(DiskStore("cache")) as store:
        keep(store, CAT, b"a cat", headers, response_time=time() - age)
    rest()
    assert answer(["get", CAT]) is None


def test_variants_are_left_to_the_program() -> None:
    with closing(DiskStore("cache")) as store:
        for language in ("be", "de"):
            chosen = (("accept-language", language),)
            keep(store, CAT, language.encode(), (*LASTING, ("vary", "accept-language")), selected=chosen)
    rest()
    assert answer(["get", CAT]) is None


@pytest.mark.parametrize(("files", "size", "plain"), [(4, 9, True), (5, 9, False), (5, MOST_BYTES + 1, True)])
def test_what_may_be_a_picture_of_no_picture_is_left_to_the_program(
    files: int, size: int, plain: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = [f"https://h.example/{number}.webp" for number in range(files)]
    with closing(DiskStore("cache")) as store:
        for url in urls:
            keep(store, url, b"x" * size)
    rest()
    assert (answer(["get", urls[0]]) is not None) is plain
    main(["get", urls[0]])
    assert ("repeated" in capsys.readouterr().err) is not plain


def test_a_use_that_is_to_be_written_down_is_left_to_the_program() -> None:
    for ago, plain in ((3500, True), (3700, False), (-3700, False)):
        with closing(sqlite3.connect(f"cache/{INDEX}")) as connection:
            connection.execute("UPDATE object SET used_at = ?", (int(time() - ago),))
            connection.commit()
        rest()
        assert (answer(["get", CAT]) is not None) is plain


def test_what_was_proved_less_far_is_left_to_the_program() -> None:
    with closing(DiskStore("cache")) as store:
        keep(store, CAT, b"a cat", verified=("length", "structure"))
    rest()
    assert answer(["get", CAT]) is None


@pytest.mark.parametrize("character", ["\\", "^", "{", '"', "?'"])
def test_what_a_browser_would_spell_otherwise_is_left_to_the_program(character: str) -> None:
    url = f"https://photos.example/a{character}cat.webp"
    with closing(DiskStore("cache")) as store:
        keep(store, url, b"a cat")
    rest()
    assert answer(["get", url]) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [("imgfetch.toml", ""), ("pyproject.toml", "[tool.imgfetch]\n"), ("pyproject.toml", "# tool.imgfetch")],
)
def test_a_configuration_is_left_to_the_program(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")
    assert answer(["get", CAT]) is None


def test_a_configuration_of_the_user_is_left_to_the_program() -> None:
    assert answer(["get", CAT]) is not None
    of_user("")
    assert answer(["get", CAT]) is None


def test_a_configuration_of_others_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text("[project]\n", encoding="utf-8")
    check(capsys, "get", CAT)


def test_variables_are_left_to_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGFETCH_REFRESH", "yes")
    assert answer(["get", CAT]) is None


def test_a_file_named_like_a_url_does_not_stand_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path(CAT).parent.mkdir(parents=True)
    Path(CAT).write_text("https://photos.example/other.webp 480w", encoding="utf-8")
    assert answer(["get", CAT]) is not None
    check(capsys, "get", CAT)


def test_a_name_no_terminal_should_see_is_left_to_the_program() -> None:
    Path("cache").rename("ca\nche")
    assert answer(["get", CAT, "--cache", "ca\nche"]) is None


@pytest.mark.parametrize("damage", ["gone", "shorter", "touched", "same size"])
def test_an_object_that_is_not_as_it_was_is_left_to_the_program(damage: str) -> None:
    path = Path(place(CAT))
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
def test_an_index_that_makes_no_sense_is_left_to_the_program(statement: str) -> None:
    with closing(sqlite3.connect(f"cache/{INDEX}", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
    rest()
    assert answer(["get", CAT]) is None


def test_an_index_that_may_be_being_written_to_is_left_to_the_program() -> None:
    rest(0)
    assert answer(["get", CAT]) is None
    rest()
    Path(f"cache/{INDEX}-journal").touch()
    assert answer(["get", CAT]) is None


def test_an_index_that_is_written_to_meanwhile_is_left_to_the_program() -> None:
    class Keys(list[str]):
        """Keys during whose lookup another process stores something."""

        def __len__(self) -> int:
            with closing(DiskStore("cache")) as other:
                keep(other, CAT, b"another cat")
            return super().__len__()

    assert lookup_paths("cache", [CAT], now=time()) == [place(CAT)]
    assert lookup_paths("cache", Keys([CAT]), now=time()) is None


@pytest.mark.parametrize("content", [b"", b"no index at all" * 100])
def test_a_damaged_index_is_left_to_the_program(content: bytes) -> None:
    Path(f"cache/{INDEX}").write_bytes(content)
    rest()
    assert answer(["get", CAT]) is None


# Both ways, for any words

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
def test_any_words_are_answered_as_the_program_does_or_not_at_all(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if answer(["get", *words]) is not None:
        check(capsys, "get", *words)


# What it costs


def test_a_warm_hit_imports_next_to_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); from imgfetch.cli import main; code = main(sys.argv[1:]);"
        "print(code, *sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "get", CAT, "-w", "800"], capture_output=True, text=True, check=True
    )
    code, *modules = ran.stderr.split()
    assert (code, ran.stdout) == ("0", f"{place(CAT)}\n")
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
