"""Looking after a cache from outside: bounds, pins, pruning, repair, by the library and by commands."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import imgfetch
from bounded import writes
from command import LOCAL, Ran
from configured import of_user
from imgfetch import Cache, CachingTransport, Client, InputError
from imgfetch.store import layout
from origin import Origin, status, whole
from pictures import encoded

WEBP = [encoded("webp", 60 + number, 40) for number in range(6)]
DAY = 86_400


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def urls(origin: Origin) -> list[str]:
    return [origin.route(f"/{number}.webp", whole(data)) for number, data in enumerate(WEBP)]


def grow_older(days: float) -> None:
    """Everything in the cache was last used so much earlier."""
    with closing(sqlite3.connect(Path("cache") / layout.INDEX)) as connection, connection:
        connection.execute("UPDATE object SET used_at = used_at - ?", (int(days * DAY),))


def fill(urls: list[str]) -> list[Path]:
    """Fetch them, one a day."""
    paths: list[Path] = []
    for url in urls:
        if paths:
            grow_older(1)
        paths.append(imgfetch.fetch(url, allow_hosts=["127.0.0.1"]).path)
    grow_older(1)
    return paths


def there(paths: list[Path]) -> list[bool]:
    return [path.exists() for path in paths]


# By the library


@pytest.mark.anyio
async def test_a_client_keeps_its_cache_below_what_it_may_hold(urls: list[str]) -> None:
    async with Client("cache", allow_hosts=["127.0.0.1"]) as client:
        old = [(await client.get(url)).path for url in urls[:4]]
    grow_older(2)
    limit = sum(map(len, WEBP[2:6]))
    async with Client("cache", allow_hosts=["127.0.0.1"], max_cache=limit) as client:
        again = (await client.get(urls[0])).path
        new = [(await client.get(url)).path for url in urls[4:]]
    with closing(Cache("cache")) as cache:
        assert cache.stats().bytes <= limit
    assert again.exists()
    assert there(new) == [True, True]
    assert not all(there(old))


@pytest.mark.anyio
async def test_a_caching_transport_keeps_its_cache_below_what_it_may_hold(urls: list[str]) -> None:
    for number, url in enumerate(urls):
        transport = CachingTransport("cache", allow_hosts=["127.0.0.1"], max_age=3.5 * DAY, max_cache=10**9)
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get(url)).status_code == 200
        if number < 5:
            grow_older(1)
    with closing(Cache("cache")) as cache:
        assert [entry.key for entry in cache.entries()] == urls[2:]


def test_bounds_that_bound_nothing_are_refused() -> None:
    for name in ("max_cache", "max_age"):
        for value in (-1, float("inf"), float("nan")):
            with pytest.raises(InputError, match="is not a bound"):
                Client("cache", **{name: value})  # type: ignore[arg-type]
    assert not Path("cache").exists()


def test_a_cache_can_be_pruned_and_pinned(urls: list[str]) -> None:
    paths = fill(urls)
    with closing(Cache("cache")) as cache:
        assert cache.pin(urls[0])
        assert not cache.pin("https://elsewhere.example/")
        assert not cache.pin("nonsense")
        assert cache.pins() == {urls[0]}
        pruned = cache.prune(max_age=3.5 * DAY, dry_run=True)
        assert (pruned.evicted.files, all(there(paths))) == (2, True)
        pruned = cache.prune(max_age=3.5 * DAY)
        assert (pruned.evicted.files, pruned.left.files) == (2, 4)
        assert there(paths) == [True, False, False, True, True, True]
        cache.unpin(urls[0])
        assert cache.prune(max_bytes=len(WEBP[5])).left.files == 1
        assert there(paths) == [False] * 5 + [True]
        assert cache.prune(max_bytes=0).left.files == 0
        assert cache.stats()[:3] == (0, 0, 0)


def test_a_client_on_another_directory_repairs_nothing(urls: list[str]) -> None:
    with closing(Cache("cache")) as cache, pytest.raises(InputError, match="cannot repair"):
        list(cache.verify(repair=Client("elsewhere")))


@pytest.mark.anyio
async def test_repairing_blocks_and_says_so() -> None:
    with closing(Cache("cache")) as cache, pytest.raises(InputError, match="use a thread"):
        list(cache.verify(repair=Client("cache")))


# By the command line


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401 (what JSON is)
    ran = Ran(capsys, "cache", *arguments, "--json")
    assert (ran.code, ran.err) == (0, "")
    return [json.loads(line) for line in ran.lines]


def test_get_leaves_the_cache_below_its_bounds(urls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    paths = fill(urls[:5])
    limit = str(sum(map(len, WEBP[3:])))
    ran = Ran(capsys, "get", urls[5], "--max-cache", limit, *LOCAL)
    assert (ran.code, ran.err) == (0, "")
    assert there(paths)[:3] == [False] * 3
    assert there([Path(ran.lines[0])]) == [True]
    crowded = Ran(capsys, "get", *urls, "--max-cache", "100", "--max-age", "1d", *LOCAL)
    assert crowded.code == 0
    assert "more than its bound: the rest is pinned, or was used by this run" in crowded.err
    assert all(there([Path(line) for line in crowded.lines]))
    assert len(crowded.lines) == 6


def test_bounds_can_be_set_in_a_file_and_in_variables(
    urls: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = fill(urls)
    of_user('[tool.imgfetch]\nmax-age = "4.5d"\n')
    assert run(capsys, "prune")[0]["left"]["files"] == 4
    monkeypatch.setenv("IMGFETCH_MAX_CACHE", str(len(WEBP[5])))
    assert run(capsys, "prune")[0]["left"]["files"] == 1
    assert there(paths) == [False] * 5 + [True]
    assert Ran(capsys, "cache", "prune", "--max-cache", "much").code == 2


def test_prune_says_what_went(urls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    fill(urls)
    (dry,) = run(capsys, "prune", "--max-age", "2.5d", "--dry-run")
    assert (dry["evicted"]["files"], dry["dry_run"]) == (4, True)
    (pruned,) = run(capsys, "prune", "--max-age", "2.5d")
    assert pruned == dry | {"dry_run": False}
    shown = Ran(capsys, "cache", "prune")
    assert [line.split()[0] for line in shown.lines] == [
        "evicted",
        "not",
        "scratch",
        "quarantine",
        "of",
        "left",
    ]
    assert shown.lines[-1].split()[1:] == ["2", f"{len(WEBP[4]) + len(WEBP[5]):,}", "bytes"]
    assert Ran(capsys, "get", urls[0], *LOCAL).code == 0
    spared = Ran(capsys, "cache", "prune", "--max-cache", "1")
    assert spared.code == 0
    assert f"{len(WEBP[0]) - 1:,} bytes above the limit are left" in spared.err
    assert run(capsys, "prune", "--max-cache", "1", "--grace", "0")[0]["left"]["files"] == 0


def test_urls_can_be_pinned_and_removed(urls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    paths = fill(urls[:3])
    assert run(capsys, "pin", urls[0], urls[1]) == [{"url": url, "pinned": True} for url in urls[:2]]
    assert [line["pinned"] for line in run(capsys, "ls")] == [True, True, False]
    assert Ran(capsys, "cache", "ls").out.count("(pinned)") == 2
    (info,) = run(capsys, "info")
    assert info["pinned"] == 2
    assert info["oldest_use"] is not None
    assert "pinned          2" in Ran(capsys, "cache", "info").out
    assert Ran(capsys, "cache", "unpin", urls[0]).code == 0
    pruned = Ran(capsys, "cache", "prune", "--max-cache", "1")
    assert f"{len(WEBP[1]) - 1:,} bytes above the limit are left" in pruned.err
    assert there(paths) == [False, True, False]
    gone = Ran(capsys, "cache", "rm", urls[1], urls[2])
    assert (gone.code, gone.out) == (1, "")
    assert f"{urls[2]}: not in the cache" in gone.err
    assert there(paths) == [False] * 3
    for action in ("pin", "unpin", "rm"):
        assert Ran(capsys, "cache", action, urls[0]).code == 1
        assert Ran(capsys, "cache", action).code == 2


def test_a_warm_get_is_put_on_record_once_an_hour(
    urls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(urls[:1])

    def used_at() -> int:
        return int(run(capsys, "info")[0]["oldest_use"])

    before = used_at()
    assert Ran(capsys, "get", urls[0]).code == 0
    after = used_at()
    assert after - before >= DAY - 1
    with closing(sqlite3.connect(Path("cache") / layout.INDEX)) as other:
        other.execute("SELECT * FROM entry").fetchone()  # so that the log stays where it is
        size = writes(Path("cache"))
        assert Ran(capsys, "get", urls[0]).code == 0
        assert writes(Path("cache")) == size
    assert used_at() == after


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 255
    path.write_bytes(data)


def test_what_verify_finds_damaged_is_fetched_again(
    urls: list[str], origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = fill(urls)
    damage(paths[0])
    paths[1].unlink()
    damage(paths[2])
    origin.route("/2.webp", status(404))
    damage(paths[3])
    assert Ran(capsys, "cache", "rm", urls[3]).code == 0
    misnamed = paths[4].with_suffix(".png")
    paths[4].rename(misnamed)
    asked = origin.asked()
    ran = Ran(capsys, "cache", "verify", "--repair", *LOCAL)
    assert ran.code == 4
    assert origin.asked() == asked + 4
    told = [json.loads(line) for line in Ran(capsys, "cache", "verify", "--json").lines]
    assert [line["problem"] for line in told] == [None] * 4
    assert there(paths) == [True, True, False, False, True, True]
    assert (
        f"not repaired: {urls[2]}: HTTP 404; if its URL was signed, fetch it again from the page" in ran.out
    )
    for number in (0, 1, 4):
        assert f"repaired: {urls[number]} is {paths[number]}" in ran.out
    assert ran.err.rstrip().endswith("5 files checked by name and structure: 4 damaged")
    assert "it is of format webp" in ran.out or "the index has it as webp" in ran.out
    aside = Path("cache/quarantine-v1")
    assert {path.name for path in aside.glob("*[!t]")} == {paths[0].name, paths[2].name, misnamed.name}
    assert Ran(capsys, "cache", "verify", "--repair", *LOCAL).code == 0


def test_what_cannot_be_asked_for_is_not_repaired(
    urls: list[str], origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = fill(urls[:1])
    damage(paths[0])
    ran = Ran(capsys, "cache", "verify", "--repair", "--json")  # without --allow-host
    assert ran.code == 4
    (verdict,) = map(json.loads, ran.lines)
    assert (verdict["urls"], verdict["repaired"][0]["error"]) == (urls[:1], "blocked")


def test_a_url_whose_key_leaves_something_out_is_pinned_and_removed_by_any_of_its_spellings(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ignoring = ["--key-ignore", "utm_*"]
    first = origin.route("/a.webp?utm_source=a", whole(WEBP[0]))
    assert Ran(capsys, "get", first, *ignoring, *LOCAL).code == 0
    other = f"{origin.url}/a.webp?utm_source=b"
    assert Ran(capsys, "cache", "pin", other).code == 1
    assert run(capsys, "pin", other, *ignoring) == [{"url": other, "pinned": True}]
    assert [line["pinned"] for line in run(capsys, "ls")] == [True]
    of_user('[tool.imgfetch]\nkey-ignore = ["utm_*"]\n')
    assert run(capsys, "unpin", other) == [{"url": other, "unpinned": True}]
    assert run(capsys, "rm", other) == [{"url": other, "removed": True}]
    assert run(capsys, "ls") == []


def test_what_is_repaired_is_kept_under_the_key_that_a_get_would_ask_for(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.webp?utm_source=a", whole(WEBP[0]))
    assert Ran(capsys, "get", url, *LOCAL).code == 0
    (path,) = Path("cache").glob("objects-v1/**/*.webp")
    damage(path)
    ignoring = ["--key-ignore", "utm_*"]
    assert Ran(capsys, "cache", "verify", "--repair", *ignoring, *LOCAL).code == 4
    assert [line["url"] for line in run(capsys, "ls")] == [f"{origin.url}/a.webp"]
    assert Ran(capsys, "get", url, *ignoring, "--offline").code == 0


def test_an_image_that_is_refused_without_its_signature_is_said_to_want_one(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = origin.route("/a.webp?ex=65d903de&is=65c68ede&hm=" + "0" * 64, whole(WEBP[0]))
    origin.route("/a.webp", status(403))
    assert Ran(capsys, "get", signed, *LOCAL).code == 0
    damage(next(Path("cache").glob("objects-v1/**/*.webp")))
    ran = Ran(capsys, "cache", "verify", "--repair", "--json", *LOCAL)
    (told,) = json.loads(ran.lines[0])["repaired"]
    assert told["error"] == "http_status"
    assert told["hint"] == "if its URL was signed, fetch it again from the page it is on"
    assert Ran(capsys, "get", signed, *LOCAL).code == 0
    damage(next(Path("cache").glob("objects-v1/**/*.webp")))
    origin.route("/a.webp", status(410))
    ran = Ran(capsys, "cache", "verify", "--repair", *LOCAL)
    assert "HTTP 410" in ran.out
    assert "signed" not in ran.out


def test_an_object_that_the_index_does_not_know_is_no_damage(
    urls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = fill(urls[:2])
    with closing(sqlite3.connect(Path("cache") / layout.INDEX)) as connection, connection:
        for table in ("entry", "object"):
            connection.execute(f"DELETE FROM {table} WHERE sha256 = ?", (paths[0].stem,))
    ran = Ran(capsys, "cache", "verify")
    assert ran.code == 0
    assert "1 of them not in the index" in ran.err
    os.utime(paths[0], (0, 0))
    assert run(capsys, "prune")[0]["strays"]["files"] == 1
    assert there(paths) == [False, True]


def test_a_row_that_tells_another_size_is_damage(urls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = fill(urls[:1])
    with closing(sqlite3.connect(Path("cache") / layout.INDEX)) as connection, connection:
        connection.execute("UPDATE object SET bytes = 7")
    ran = Ran(capsys, "cache", "verify", "--repair", *LOCAL)
    assert ran.code == 4
    assert f"it has {path.stat().st_size:,} bytes, and the index says 7" in ran.out
    assert Ran(capsys, "cache", "verify").code == 0


def test_the_kills_find_nothing_that_lies() -> None:
    script = Path(__file__).with_name("kills.py")
    ran = subprocess.run(
        ["python", str(script), "--rounds", "4", "--objects", "400"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(script.parents[1])},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "4 rounds in" in ran.stdout
