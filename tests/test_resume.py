"""Going on with what broke off: when, with which request, and after which answers."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from children import running
from fakes import FakeClock
from imgfetch import Client, Limits
from imgfetch.engine.events import BytesReceived
from imgfetch.errors import CacheError
from imgfetch.model.request import Fetch, Head, Partial, Request
from imgfetch.model.values import Key, StagingId
from imgfetch.rules.http import resume
from imgfetch.rules.http.stored_headers import completed
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.staged_body import IN_MEMORY
from keeping import CAT, DOG, HEAD, written
from origin import Origin, cut, head, ranged, redirect, stall, whole
from pictures import encoded

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

URL = "http://h.example/a.webp"
IMAGE = encoded("webp", 96, 54)
LARGE = encoded("png", 480, 320)
BEGUN = IN_MEMORY + 900
"""Bytes of it that have come, and are in a file."""


def began(status: int = 200, /, **fields: str) -> Head:
    """The head of a file of 1,000 bytes that could be gone on with, but for what is given."""
    given = {"content_length": "1000", "etag": '"1"', **fields}
    return Head(URL, status, tuple((name.replace("_", "-"), value) for name, value in given.items()))


@pytest.mark.parametrize(
    ("received", "answer", "worth"),
    [
        (1, began(), True),
        (999, began(), True),
        (0, began(), False),
        (1000, began(), False),
        (1001, began(), False),
        (500, began(206), False),
        (500, began(etag='W/"1"'), False),
        (500, began(etag='w/"1"'), False),
        (500, began(etag='""'), False),
        (500, began(etag="1"), False),
        (500, began(etag='"1", "2"'), False),
        (500, began(etag='"\xe9"'), False),
        (500, began(etag='"a b"'), False),
        (500, began(content_length="many"), False),
        (500, began(transfer_encoding="chunked"), False),
        (500, began(content_encoding="gzip"), False),
        (500, began(accept_ranges="bytes"), True),
        (500, began(accept_ranges="none"), False),
        (500, began(cache_control="max-age=9, No-Store"), False),
        (500, Head(URL, 200), False),
    ],
)
def test_only_a_file_of_known_length_and_strong_tag_is_kept_for_another_time(
    received: int, answer: Head, worth: bool
) -> None:
    assert resume.is_worth_keeping(answer, received) is worth


def test_the_rest_is_asked_for_on_condition_that_it_is_unchanged() -> None:
    fetch = Fetch(Key(URL), Request(URL, (("x", "y"),)), partial=Partial(StagingId("s"), 400, began()))
    part = resume.requested_part(fetch)
    assert resume.ranged(fetch.request, part).headers == (
        ("x", "y"),
        ("range", "bytes=400-"),
        ("if-range", '"1"'),
    )


@pytest.mark.parametrize(
    "partial",
    [
        None,
        Partial(StagingId("s"), 400, Head("http://h.example/b.webp", 200, began().headers)),
        Partial(StagingId("s"), 0, began()),
        Partial(StagingId("s"), 1000, began()),
        Partial(StagingId("s"), 400, began(etag='W/"1"')),
    ],
)
def test_the_whole_is_asked_for_where_there_is_no_rest_of_it(partial: Partial | None) -> None:
    fetch = Fetch(Key(URL), Request(URL, ()), partial=partial)
    assert resume.ranged(fetch.request, resume.requested_part(fetch)) is fetch.request
    assert resume.requested_part(fetch) is None


def answered(content_range: str = "bytes 400-999/1000", **fields: str) -> str | None:
    """Why a 206 is not the rest of the 600 bytes that are missing."""
    given = {"content_length": "600", "content_range": content_range, **fields}
    return resume.mismatch(Partial(StagingId("s"), 400, began()), began(206, **given))


def test_a_206_must_match_in_all_it_says() -> None:
    assert answered() is None
    assert answered("BYTES  400-999/1000") is None
    for wrong in (
        "",
        "bytes",
        "bytes 400-999",
        "bytes 400-999/*",
        "bytes */1000",
        "bytes 0-999/1000",
        "bytes 400-998/1000",
        "bytes 401-999/1000",
        "bytes 400-999/1001",
        "bytes 400-1000/1001",
        "bytes 400-999/1000, bytes 0-1/1000",
        "bytes 4e2-999/1000",
        "bytes -400-999/1000",
        f"bytes 400-999/{'9' * 5000}",
        "bytes \u0664-9/10",
    ):
        assert answered(wrong) is not None, wrong
    for fields in (
        {"etag": '"2"'},
        {"etag": 'W/"1"'},
        {"content_length": "601"},
        {"content_encoding": "gzip"},
    ):
        assert answered(**fields) is not None, fields


@given(st.text(), st.text(), st.text(), st.text())
def test_no_field_is_too_strange(length: str, etag: str, content_range: str, control: str) -> None:
    answer = began(206, content_length=length, etag=etag, content_range=content_range, cache_control=control)
    resume.is_worth_keeping(answer, 1)
    resume.mismatch(Partial(StagingId("s"), 400, answer), answer)


def test_the_head_of_the_whole_takes_from_the_last_part_what_is_not_of_the_bytes() -> None:
    first = began(age="1", repr_digest="sha-256=:…:", content_type="image/webp")
    last = began(206, content_length="600", content_range="bytes 400-999/1000", age="2", repr_digest="other")
    assert completed(first, last) == Head(
        URL,
        200,
        (
            ("content-length", "1000"),
            ("repr-digest", "sha-256=:…:"),
            ("content-type", "image/webp"),
            ("etag", '"1"'),
            ("age", "2"),
        ),
    )


# ---------------------------------------------------------------------------------------------------
# On disk


def begin(store: DiskStore, data: bytes) -> StagingId:
    ticket = written(store, data)
    store.staging.make_resumable(ticket, CAT, HEAD)
    return ticket


def test_a_beginning_whose_writer_lives_is_not_to_be_had(tmp_path: Path) -> None:
    clock = FakeClock()
    with (
        closing(DiskStore(tmp_path / "cache")) as one,
        closing(DiskStore(tmp_path / "cache", clock=clock)) as other,
    ):
        ticket = begin(one, bytes(IN_MEMORY + 1))
        assert len(list(tmp_path.glob("cache/scratch-v1/*"))) == 2
        assert other.staging.resume(CAT) is None
        one.staging.suspend(ticket)
        clock.time += 1  # until then it may rely on what it has seen
        partial = other.staging.resume(CAT)
        assert partial is not None
        assert one.staging.resume(CAT) is other.staging.resume(DOG) is None
        other.staging.write(partial.staging_id, b"at")
        other.close()
        again = one.staging.resume(CAT)
        assert again is not None
        assert again.length == IN_MEMORY + 3


def test_the_longest_of_several_beginnings_is_gone_on_with(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path / "cache")) as store:
        tickets = [begin(store, data) for data in (b"a", b"a ca", b"a c")]
        for ticket in tickets:
            store.staging.suspend(ticket)
        lengths = [
            partial.length for partial in (store.staging.resume(CAT), store.staging.resume(CAT)) if partial
        ]
        assert lengths == [4, 3]


@pytest.mark.parametrize(
    "note",
    ["", "{}", "[]", "null", '{"boot": "another", "key": "K"}', '{"boot": "B", "key": "another"}', "\0"],
)
def test_a_beginning_without_a_note_of_this_run_of_the_machine_is_left(tmp_path: Path, note: str) -> None:
    with closing(DiskStore(tmp_path / "cache")) as store:
        store.staging.suspend(begin(store, b"a c"))
        (path,) = tmp_path.glob("cache/scratch-v1/*.json")
        text = path.read_text()
        assert f'"key": "{CAT}"' in text
        boot = text.partition('"boot": "')[2].partition('"')[0]
        path.write_text(note.replace("K", CAT).replace("B", boot))
        assert store.staging.resume(CAT) is None
        path.write_text(text)
        assert store.staging.resume(CAT) is not None


def test_what_is_kept_or_discarded_leaves_no_note(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path / "cache")) as store:
        store.staging.discard(begin(store, b"a c"))
        assert list(tmp_path.glob("cache/scratch-v1/*")) == []


def test_a_note_for_which_there_was_no_room_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, data: memoryview) -> int:
        if bytes(data[:1]) == b"{":
            monkeypatch.setattr(os, "write", write)
            raise OSError(errno.ENOSPC, "the disk is full")
        return write(descriptor, data)

    with closing(DiskStore(tmp_path / "cache")) as store:
        store.staging.discard(store.staging.open())
        monkeypatch.setattr(os, "write", full)
        store.staging.suspend(begin(store, bytes(BEGUN)))
        partial = store.staging.resume(CAT)
        assert partial is not None
        assert partial.length == BEGUN
        store.staging.discard(partial.staging_id)
        assert list(tmp_path.glob("cache/scratch-v1/*")) == []


def test_a_beginning_of_long_ago_is_swept_away_with_its_note(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path / "cache")) as store:
        store.staging.suspend(begin(store, b"a c"))
    for path in tmp_path.glob("cache/scratch-v1/*"):
        os.utime(path, (0, 0))
    with closing(DiskStore(tmp_path / "cache")) as store:
        store.staging.discard(store.staging.open())
        assert store.staging.resume(CAT) is None
    assert list(tmp_path.glob("cache/scratch-v1/*")) == []


def test_a_cache_that_cannot_be_written_has_no_beginnings(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path / "cache")) as store:
        store.staging.suspend(begin(store, b"a c"))
    with closing(sqlite3.connect(tmp_path / "cache" / "index-v1.sqlite")) as index:
        index.execute("PRAGMA user_version = 99")
    with closing(DiskStore(tmp_path / "cache")) as store:
        assert store.staging.resume(CAT) is None
        with pytest.raises(CacheError, match="version 99"):
            store.staging.open()
    assert len(list(tmp_path.glob("cache/scratch-v1/*"))) == 2


def test_looking_for_a_beginning_makes_nothing(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path / "cache")) as store:
        assert store.staging.resume(CAT) is None
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------
# From end to end


def ranges(origin: Origin, path: str) -> list[str]:
    return [request.headers.get("range", "") for request in origin.requests if request.path == path]


def get(url: str, cache: Path, *, retries: int = 1) -> bytes:
    async def go() -> bytes:
        limits = Limits(retries=retries, backoff_base=0.01)
        async with Client(cache, limits=limits, allow_hosts=["127.0.0.1"]) as client:
            return (await client.get(url)).path.read_bytes()

    return asyncio.run(go())


def test_the_rest_is_asked_for_where_redirects_led_to_the_beginning(tmp_path: Path) -> None:
    with Origin() as origin:
        url = origin.route("/a", redirect("/b"))
        origin.route("/b", cut(IMAGE, at=700, etag='"1"'), ranged(IMAGE))
        assert get(url, tmp_path / "cache") == IMAGE
        assert (ranges(origin, "/a"), ranges(origin, "/b")) == (["", ""], ["", "bytes=700-"])


def test_the_whole_is_asked_for_where_redirects_lead_elsewhere_now(tmp_path: Path) -> None:
    with Origin() as origin:
        url = origin.route("/a", redirect("/b"), redirect("/c"))
        origin.route("/b", cut(IMAGE, at=700, etag='"1"'))
        origin.route("/c", ranged(IMAGE))
        assert get(url, tmp_path / "cache") == IMAGE
        assert ranges(origin, "/c") == [""]


@contextmanager
def begun_in_another_process(url: str, cache: Path, size: int) -> Iterator[subprocess.Popen[str]]:
    """A process that has received so many bytes, and waits for more."""
    with running("get", "--allow-host", "127.0.0.1", "--cache", str(cache), url) as process:
        while [path.stat().st_size for path in cache.glob("scratch-v1/*.partial")] != [size]:
            assert process.poll() is None
            time.sleep(0.01)
        yield process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_after_a_kill_only_the_rest_is_asked_for(tmp_path: Path, number: int) -> None:
    cache = tmp_path / "cache"
    with Origin() as origin:
        broken = stall(head(content_length=len(LARGE), etag='"1"') + LARGE[:BEGUN], 60)
        url = origin.route("/a", broken, ranged(LARGE))
        with begun_in_another_process(url, cache, BEGUN) as process:
            process.send_signal(number)
            process.communicate(timeout=4)
        assert not list(cache.rglob("*.png"))
        assert get(url, cache) == LARGE
        assert ranges(origin, "/a") == ["", f"bytes={BEGUN}-"]
    assert list(cache.glob("scratch-v1/*")) == []


def test_what_is_in_memory_is_written_down_when_the_request_is_cancelled(tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    async def begin_and_cancel(url: str) -> None:
        begun = asyncio.Event()

        def observe(event: object) -> None:
            if isinstance(event, BytesReceived):
                begun.set()

        async with Client(cache, allow_hosts=["127.0.0.1"], observe=observe) as client:
            task = asyncio.create_task(client.get(url))
            await begun.wait()
            assert list(cache.glob("scratch-v1/*")) == []
            task.cancel()
            await asyncio.wait([task])

    with Origin() as origin:
        broken = stall(head(content_length=len(IMAGE), etag='"1"') + IMAGE[:900], 60)
        url = origin.route("/a", broken, ranged(IMAGE))
        asyncio.run(begin_and_cancel(url))
        assert [path.stat().st_size for path in cache.glob("scratch-v1/*.partial")] == [900]
        assert get(url, cache) == IMAGE
        assert ranges(origin, "/a") == ["", "bytes=900-"]


def test_two_processes_never_write_to_one_file(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with Origin() as origin:
        first = head(content_length=len(LARGE), etag='"1"') + LARGE[:BEGUN]
        url = origin.route("/a", stall(first, 60), whole(LARGE, etag='"1"'), ranged(LARGE))
        with begun_in_another_process(url, cache, BEGUN):
            assert get(url, cache) == LARGE
            assert ranges(origin, "/a") == ["", ""]
            assert [path.read_bytes() for path in cache.glob("scratch-v1/*.partial")] == [LARGE[:BEGUN]]
