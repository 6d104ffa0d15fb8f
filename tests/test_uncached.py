"""`Client(cache=None)`: the same fetch without a folder; the bytes belong to the image alone."""

from __future__ import annotations

import asyncio
import base64
import gc
import pickle
import re
import subprocess
import sys
import threading
import tracemalloc
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import imgfetch
from imgfetch import CacheError, Client, Failure, Image, ImgfetchError, InputError, Limits, Lock
from imgfetch.store.memory.transient_store import TransientStore
from origin import Origin, chunked, gzip, ranged, redirect, reset, slowly, stall, status, until_close, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgfetch.model.image import Entry, PendingEntry
    from origin import Answer

pytestmark = pytest.mark.anyio

WEBP = encoded("webp", 96, 54)
PNG = encoded("png", 20, 20)
LARGE = encoded("bmp", 400, 300)  # 360 kB: more than a disk store would hold in memory
FLIPPED = PNG[:-30] + bytes([PNG[-30] ^ 1]) + PNG[-29:]
QUICK = Limits(retries=2, backoff_base=0.01, connect_timeout=2, read_timeout=0.4, total_timeout=3)


@pytest.fixture
async def client(home: Path) -> AsyncIterator[Client]:
    """A client without a cache, in an empty folder that stays empty."""
    async with Client(cache=None, limits=QUICK, allow_hosts=["127.0.0.1"]) as running:
        yield running
    assert [*home.iterdir()] == []


@pytest.mark.parametrize(
    "answer",
    [
        whole(WEBP, content_type="image/webp"),
        whole(WEBP, vary="*", cache_control="no-store"),
        chunked(WEBP),
        until_close(WEBP),
        gzip(WEBP),
    ],
)
async def test_an_image_arrives_whole_in_memory(origin: Origin, client: Client, answer: Answer) -> None:
    image = await client.get(origin.route("/a.webp", answer))
    assert image.read() == WEBP
    assert (image.format, image.width, image.bytes, image.origin) == ("webp", 96, len(WEBP), "fetched")
    assert "decode" in image.verified
    assert client.cache is None
    with image.open() as picture:
        picture.load()
        assert picture.size == (96, 54)


async def test_read_gives_the_bytes_with_a_cache_too(origin: Origin, cache: Path) -> None:
    url = origin.route("/a.webp", whole(WEBP))
    async with Client(cache, limits=QUICK, allow_hosts=["127.0.0.1"]) as client:
        image = await client.get(url)
        assert image.read() == (await client.get(url)).read() == WEBP


async def test_read_refuses_a_file_that_is_gone_or_changed(origin: Origin, cache: Path) -> None:
    async with Client(cache, limits=QUICK, allow_hosts=["127.0.0.1"]) as client:
        image = await client.get(origin.route("/a.webp", whole(WEBP)))
    for data in (WEBP + b"!", WEBP[:-1] + b"!"):
        image.path.write_bytes(data)
        with pytest.raises(CacheError, match="has changed; fetch the image again") as caught:
            image.read()
        assert caught.value.kind == "cache_corrupt"
    image.path.unlink()
    with pytest.raises(CacheError, match="No such file") as caught:
        image.read()
    assert caught.value.kind == "io"


async def test_a_path_without_a_cache_is_an_error_that_says_so(origin: Origin, client: Client) -> None:
    image = await client.get(origin.route("/a.webp", whole(WEBP)))
    with pytest.raises(InputError, match=r"this image was fetched with cache=None; read\(\) gives its bytes"):
        _ = image.path
    assert repr(WEBP)[2:12] not in repr(image)
    assert len(repr(image)) < 4000


async def test_what_a_caller_keeps_can_be_pickled(origin: Origin, client: Client) -> None:
    image = await client.get(origin.route("/a.webp", whole(WEBP)))
    copy = pickle.loads(pickle.dumps(image))
    assert (copy, copy.read()) == (image, WEBP)


async def test_every_get_asks_the_origin(origin: Origin, client: Client) -> None:
    url = origin.route("/a.webp", whole(WEBP, cache_control="max-age=1000", etag='"1"'))
    assert [(await client.get(url)).origin for _ in range(3)] == ["fetched"] * 3
    assert origin.asked() == 3
    assert all("if-none-match" not in request.headers for request in origin.requests)


async def test_those_who_ask_at_once_share_one_request(origin: Origin, client: Client) -> None:
    url = origin.route("/a.webp", slowly(WEBP, pause=0.1))
    images = await asyncio.gather(*(client.get(url) for _ in range(20)))
    rows = [outcome async for outcome in client.get_many([url] * 20)]
    assert {image.read() for image in (*images, *rows) if isinstance(image, Image)} == {WEBP}
    assert origin.asked() == 2


async def test_a_list_a_page_and_embedded_images_come_as_ever(origin: Origin, client: Client) -> None:
    origin.route("/a.webp", whole(WEBP))
    origin.route("/large.bmp", whole(LARGE))
    embedded = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    markup = f'<!doctype html><img src=a.webp><img src=large.bmp><img src="{embedded}">'
    page = origin.route("/page", whole(markup.encode(), content_type="text/html"))
    sources = [page, "a.webp 96w, b.webp 192w", origin.route("/gone.webp", status(404))]
    outcomes = [each async for each in client.get_many(sources, width=90, base_url=origin.url)]
    images = sorted((each.index, each.position, each.read()) for each in outcomes if isinstance(each, Image))
    assert images == [(0, 0, WEBP), (0, 1, LARGE), (0, 2, PNG), (1, 0, WEBP)]
    (failed,) = (each for each in outcomes if isinstance(each, Failure))
    assert (failed.index, failed.http_status) == (2, 404)


async def test_redirects_retries_and_alternatives_work(origin: Origin, client: Client) -> None:
    origin.route("/b.webp", reset(), status(503), whole(WEBP))
    image = await client.get(origin.route("/a.webp", redirect("/b.webp")))
    assert (image.read(), image.entry.head.url, image.attempts) == (WEBP, origin.url + "/b.webp", 2)
    origin.route("/bad.png", whole(FLIPPED))
    image = await client.get("bad.png 20w, b.webp 96w", width=20, base_url=origin.url)
    assert (image.read(), [failed.kind for failed in image.tried]) == (WEBP, ["corrupt"])
    with pytest.raises(ImgfetchError, match="sha256"):
        await client.get(origin.url + "/b.webp", sha256="ab" * 32)


async def test_a_body_that_breaks_off_is_resumed_within_the_download(origin: Origin, client: Client) -> None:
    url = origin.route("/a.bmp", ranged(LARGE, at=200_000), ranged(LARGE))
    image = await client.get(url)
    assert image.read() == LARGE
    assert origin.requests[1].headers["range"] == "bytes=200000-"


async def test_nothing_is_left_of_a_body_that_never_came(origin: Origin, client: Client) -> None:
    url = origin.route("/a.bmp", ranged(LARGE, at=200_000), status(404))
    with pytest.raises(ImgfetchError, match="404"):
        await client.get(url)
    origin.route("/a.bmp", whole(LARGE))
    assert (await client.get(url)).read() == LARGE
    assert "range" not in origin.requests[2].headers


async def test_memory_does_not_grow_with_the_images(origin: Origin, client: Client) -> None:
    urls = [origin.route(f"/{number}.bmp", whole(LARGE)) for number in range(20)]
    broken = [origin.route(f"/{number}.cut", ranged(LARGE, at=200_000), status(404)) for number in range(20)]
    kept: Image | None = None

    async def all_of_them() -> None:
        nonlocal kept
        async with aclosing(client.get_many(iter([*urls, *broken]))) as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome, Image):
                    kept = outcome

    await all_of_them()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(3):
            await all_of_them()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * len(LARGE)
    assert kept is not None
    assert kept.read() == LARGE


async def test_an_image_outlives_its_client(origin: Origin, home: Path) -> None:
    async with Client(cache=None, allow_hosts=["127.0.0.1"]) as client:
        image = await client.get(origin.route("/a.webp", whole(WEBP)))
    assert image.read() == WEBP


@pytest.mark.parametrize(
    ("name", "value"),
    [("offline", True), ("reuse", True), ("max_cache", 10), ("max_age", 1.0), ("check_age", 0.0)],
)
def test_what_is_about_a_cache_is_refused_at_once(name: str, value: object) -> None:
    keyword: dict[str, Any] = {name: value}
    with pytest.raises(InputError, match=f"{name}: needs a cache, and with cache=None there is none"):
        Client(cache=None, **keyword)


async def test_refresh_robots_and_key_ignore_work(origin: Origin, home: Path) -> None:
    origin.route("/robots.txt", whole(b"User-agent: *\nDisallow: /secret"))
    url = origin.route("/a.webp?utm_x=1", whole(WEBP))
    options: dict[str, Any] = {"refresh": True, "robots": True, "key_ignore": ["utm_*"]}
    async with Client(cache=None, allow_hosts=["127.0.0.1"], **options) as client:
        assert (await client.get(url)).read() == WEBP
        with pytest.raises(ImgfetchError) as caught:
            await client.get(origin.route("/secret/a.webp", whole(WEBP)))
        assert caught.value.kind == "opted_out"


async def test_a_lock_is_written_and_held_to(origin: Origin, home: Path) -> None:
    url, lock = origin.route("/a.webp", whole(WEBP)), Lock()
    async with Client(cache=None, allow_hosts=["127.0.0.1"], lock=lock) as client:
        await client.get(url)
    async with Client(cache=None, allow_hosts=["127.0.0.1"], lock=lock, locked=True) as client:
        assert (await client.get(url)).read() == WEBP
        origin.route("/a.webp", whole(PNG))
        with pytest.raises(ImgfetchError) as caught:
            await client.get(url)
        assert caught.value.kind == "integrity"


async def test_closing_ends_what_is_under_way(origin: Origin, home: Path) -> None:
    client = Client(cache=None, limits=QUICK, allow_hosts=["127.0.0.1"])
    waiting = asyncio.ensure_future(client.get(origin.route("/a.webp", stall())))
    while not origin.asked():
        await asyncio.sleep(0.01)
    await client.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_fetch_gives_bytes_without_a_cache(origin: Origin, home: Path) -> None:
    image = imgfetch.fetch(origin.route("/a.webp", whole(WEBP)), cache=None, allow_hosts=["127.0.0.1"])
    assert image.read() == WEBP
    assert [*home.iterdir()] == []


_IN_A_FOLDER = """
import sys, imgfetch
(url,) = sys.argv[1:]
image = imgfetch.fetch(url, cache=None, allow_hosts=["127.0.0.1"])
assert image.read().startswith(b"RIFF"), image
for module in ("sqlite3", "_sqlite3"):
    assert module not in sys.modules, module
print(image.sha256)
"""


def test_the_example_of_the_documentation_runs(origin: Origin, home: Path) -> None:
    origin.route("/a.webp", whole(WEBP))
    text = (Path(__file__).parents[1] / "docs/caching.md").read_text(encoding="utf-8")
    (snippet,) = (
        each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "cache=None" in each
    )
    snippet = snippet.replace("cache=None", 'cache=None, allow_hosts=["127.0.0.1"]')
    snippet = snippet.replace("https://example.org", origin.url)
    ran = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == (f"96 54 {len(WEBP)}\n", "")
    assert [*home.iterdir()] == []


def test_a_folder_that_cannot_be_written_does_not_matter(origin: Origin, tmp_path: Path) -> None:
    """Nothing is written anywhere: every call of the program that opens a file for writing is refused."""
    url = origin.route("/a.webp", whole(WEBP))
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o555)
    refuse = """
import sys, os
def refuse(event, arguments):
    if event == "open" and arguments[2] is not None and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        if not str(arguments[0]).startswith("/dev/"):
            raise PermissionError(arguments[0])
    if event in ("os.mkdir", "os.rename", "os.link", "os.symlink", "tempfile.mkstemp", "tempfile.mkdtemp"):
        raise PermissionError(event)
sys.dont_write_bytecode = True
sys.addaudithook(refuse)
"""
    done = subprocess.run(
        [sys.executable, "-c", refuse + _IN_A_FOLDER, url],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"[0-9a-f]{64}\n", done.stdout)
    assert [*folder.iterdir()] == []


async def test_no_thread_waits_for_a_disk(
    origin: Origin, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies are committed by the thread of the event loop."""
    threads: list[threading.Thread] = []
    commit = TransientStore.commit

    def recorded(self: TransientStore, pending: list[PendingEntry]) -> list[Entry | CacheError]:
        threads.append(threading.current_thread())
        return commit(self, pending)

    monkeypatch.setattr(TransientStore, "commit", recorded)
    async with Client(cache=None, allow_hosts=["127.0.0.1"]) as client:
        await client.get(origin.route("/a.webp", whole(WEBP)))
    assert threads == [threading.current_thread()]
