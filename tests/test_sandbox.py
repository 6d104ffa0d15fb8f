"""Decoding in worker processes: the verdict is the same, and after a crash the next image is decoded."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from damage import DAMAGES, FORMS, picture
from imgfetch import Cache, CachingTransport, Client, Failure, Image, fetch
from imgfetch.cli import main
from imgfetch.decode.pillow import PillowDecoder
from imgfetch.decode.sandbox import SandboxedDecoder
from imgfetch.errors import CacheError
from imgfetch.formats import walk
from imgfetch.model.image import Defect, Format
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.ports import DecodingStopped
from imgfetch.system.cores import usable_cores
from origin import Origin, whole
from pictures import encoded, flat, samples, save

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

SMALL = Limits(max_pixels=1_000_000, max_bytes=1_000_000)


@contextmanager
def hostile(seconds: int = 60, budget: float = 60) -> Iterator[SandboxedDecoder]:
    with closing(SandboxedDecoder(SMALL, seconds=seconds, budget=budget, worker="hostile_worker")) as decoder:
        yield decoder


def defect_of(decoder: SandboxedDecoder, image: str) -> Defect:
    """Return the defect of an image that does this to its decoder; the next image is decoded."""
    defect = decoder.decode(image.encode(), Format.PNG, SMALL)
    assert defect is not None
    assert defect.message.isprintable()
    assert decoder.decode(b"nothing", Format.PNG, SMALL) is None
    return defect


def test_a_warning_of_the_worker_reaches_the_caller() -> None:
    data = encoded("jpeg", 24, 16)
    padded = data[:-2] + bytes(40) + data[-2:]
    heard: list[str] = []
    with closing(SandboxedDecoder(Limits())) as inside:
        assert inside.decode(padded, Format.JPEG, Limits(), warn=heard.append) is None
        assert inside.decode(data, Format.JPEG, Limits(), warn=heard.append) is None
    assert len(heard) == 1
    assert heard[0].startswith("padding: ")


@pytest.mark.parametrize("form", FORMS)
def test_the_verdict_is_the_same_as_without_a_sandbox(form: str) -> None:
    files = [damage(picture(form, seed), random.Random(seed)) for seed in range(2) for damage in DAMAGES]
    files += [sample.data for sample in samples(((24, 16),)) if sample.format == form.partition(" ")[0]]
    seen = 0
    with closing(SandboxedDecoder(Limits())) as inside:
        for data in files:
            structure = walk(data)
            if structure.format is None:
                continue
            for thorough in (False, True):
                outside = PillowDecoder().decode(data, structure.format, Limits(), thorough=thorough)
                assert inside.decode(data, structure.format, Limits(), thorough=thorough) == outside
                seen += outside is not None
    assert seen > 10


def test_a_worker_has_memory_for_the_largest_accepted_images(tmp_path: Path) -> None:
    limits = Limits(max_pixels=4_000_000)
    with closing(SandboxedDecoder(limits)) as inside:
        for form in ("jpeg", "png", "gif", "webp", "avif"):
            assert inside.decode(save(flat(2000, 2000), form), Format(form), limits) is None, form
        assert inside.decode(save(flat(2001, 2000), "png"), Format.PNG, limits) == Defect(
            ErrorKind.TOO_MANY_PIXELS, "2001 x 2000 pixels, the limit is 4,000,000"
        )


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGKILL])
def test_a_crash_is_a_defect_of_that_image_alone(number: signal.Signals) -> None:
    with hostile() as decoder:
        died = Defect(ErrorKind.CORRUPT, f"the decoder crashed ({number.name})")
        assert defect_of(decoder, f"die {number}") == died


def test_an_image_that_takes_too_long_is_a_defect() -> None:
    with hostile(seconds=1) as decoder:
        assert defect_of(decoder, "spin").message == "decoding it took more than 1 s on the processor"
    with hostile(budget=2) as decoder:
        assert defect_of(decoder, "sleep").message == "decoding it took more than 2 s"


def test_a_worker_is_killed_in_the_middle_of_an_image_when_no_caller_waits() -> None:
    def stop() -> None:
        raise DecodingStopped

    with hostile() as decoder:
        with pytest.raises(DecodingStopped):
            decoder.decode(b"sleep", Format.PNG, SMALL, checkpoint=stop)
        assert not children()
        assert defect_of(decoder, "eat 1000000").message == "1000000"


def test_memory_is_limited() -> None:
    with hostile() as decoder:
        assert defect_of(decoder, "eat 1000000").message == "1000000"
        much = defect_of(decoder, "eat 4000000000")
        assert much == Defect(ErrorKind.TOO_MANY_PIXELS, "not enough memory to decode it")


@pytest.mark.parametrize("response", ["say x" + "y" * 9_000, "say corrupt and no end"])
def test_an_invalid_response_is_a_defect(response: str) -> None:
    with hostile(budget=2) as decoder:
        assert defect_of(decoder, response).kind is ErrorKind.CORRUPT


def test_a_worker_can_only_report_a_defect_of_the_image_in_one_line() -> None:
    with hostile() as decoder:
        defect = defect_of(decoder, "blame")
        assert defect.kind is ErrorKind.CORRUPT
        assert len(defect.message) <= 310


def test_a_worker_has_few_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    with hostile() as decoder:
        assert defect_of(decoder, "tell files").message == "OSError"
        assert defect_of(decoder, "tell write").message == "OSError"
        assert defect_of(decoder, "tell socket").message in ("OSError", "ConnectionRefusedError")
        assert "SECRET" not in defect_of(decoder, "tell environment").message
        assert defect_of(decoder, "tell descriptors").message == "0,1,2,3,4"
        if os.getuid():  # the limit does not bind root
            assert defect_of(decoder, "tell fork").message == "BlockingIOError"


@pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")
def test_a_worker_does_not_raise_a_limit_of_its_parent() -> None:
    code = """if True:
        import resource
        from test_sandbox import *
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))
        resource.setrlimit(resource.RLIMIT_CPU, (50, 50))
        roomy = Limits(decode_memory=10**10, max_pixels=10**9)
        with closing(SandboxedDecoder(roomy, seconds=10**6)) as decoder:
            assert decoder.decode(encoded("webp", 12, 9), Format.WEBP, Limits()) is None
            print(Path(f"/proc/{children()[0]}/limits").read_text())
    """
    path = os.pathsep.join(filter(None, sys.path))
    limits = subprocess.check_output(
        [sys.executable, "-c", code], text=True, env={**os.environ, "PYTHONPATH": path}
    )
    hard = {line[:25].strip(): line[47:67].strip() for line in limits.splitlines()}
    limited = ("Max address space", "Max open files", "Max cpu time")
    assert [hard[name] for name in limited] == ["1000000000", "5", "50"]


def test_many_threads_share_two_workers_per_core() -> None:
    files = [encoded("webp", 64, 48, seed=seed) for seed in range(4)] * 5
    broken = [data[:-9] + bytes(9) for data in files]
    with closing(SandboxedDecoder(Limits())) as inside, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda data: inside.decode(data, Format.WEBP, Limits()), files)) == [None] * 20
        outside = [PillowDecoder().decode(data, Format.WEBP, Limits()) for data in broken]
        found = list(pool.map(lambda data: inside.decode(data, Format.WEBP, Limits()), broken))
        assert found == outside
        assert len(children()) <= 2 * usable_cores()
    assert children() == []


def test_a_missing_worker_is_not_reported_as_a_defect() -> None:
    with (
        closing(SandboxedDecoder(SMALL, worker="no_such_worker")) as decoder,
        pytest.raises(CacheError) as caught,
    ):
        decoder.decode(b"nothing", Format.PNG, SMALL)
    assert caught.value.kind is ErrorKind.IO
    assert children() == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends them")
@pytest.mark.parametrize("image", ["sleep", "spin"])
def test_a_worker_ends_with_its_parent_in_the_middle_of_an_image(image: str) -> None:
    code = f"""if True:
        from threading import Thread
        from test_sandbox import *
        decoder = SandboxedDecoder(SMALL, worker="hostile_worker")
        assert decoder.decode(b"nothing", Format.PNG, SMALL) is None
        print(children()[0], flush=True)
        decoder.decode(b"{image}", Format.PNG, SMALL)
    """
    path = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    with parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.kill()
    until = time.monotonic() + 20
    while alive(worker) and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive(worker)


def children() -> list[int]:
    """Return the child processes of this one, ended ones included."""
    threads = Path("/proc/self/task").iterdir()
    return [int(number) for thread in threads for number in (thread / "children").read_text().split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_client_with_a_sandbox_gets_the_same_images_and_leaves_no_process(tmp_path: Path) -> None:
    broken = encoded("png", 40, 30)
    with Origin() as origin:
        origin.route("/a.webp", whole(encoded("webp", 96, 54)))
        origin.route("/b.png", whole(broken[:-30] + bytes([broken[-30] ^ 1]) + broken[-29:]))
        origin.route("/c.jpg", whole(encoded("jpeg", 96, 54)))
        urls = [f"{origin.url}/{name}" for name in ("a.webp", "b.png", "c.jpg")]
        async with Client(tmp_path, allow_hosts=["127.0.0.1"], sandbox=True) as client:
            outcomes = {outcome.url: outcome async for outcome in client.get_many(urls)}
    first, second, third = (outcomes[url] for url in urls)
    assert isinstance(first, Image)
    assert isinstance(third, Image)
    assert first.verified == third.verified == ("length", "structure", "decode")
    assert isinstance(second, Failure)
    assert second.kind is ErrorKind.CORRUPT
    assert children() == []


async def test_a_caching_transport_decodes_in_the_sandbox(tmp_path: Path) -> None:
    with Origin() as origin:
        url = origin.route("/a.webp", whole(encoded("webp", 96, 54)))
        transport = CachingTransport(tmp_path, allow_hosts=["127.0.0.1"], sandbox=True)
        async with httpx.AsyncClient(transport=transport) as client:
            told = (await client.get(url)).extensions["imgfetch"]
            assert told["path"].exists(), told
            assert len(children()) == 1
    assert children() == []


def test_a_cache_is_verified_in_the_sandbox(tmp_path: Path) -> None:
    with Origin() as origin:
        for form in ("webp", "jpeg"):
            fetch(
                origin.route(f"/{form}", whole(encoded(form, 96, 54))),
                cache=tmp_path,
                allow_hosts=["127.0.0.1"],
            )
    with closing(Cache(tmp_path)) as cache:
        for verdict in cache.verify(deep=True, sandbox=True):
            assert verdict.problem is None
            assert len(children()) == 1
    assert children() == []
    assert main(["cache", "verify", "--deep", "--sandbox", "--cache", str(tmp_path)]) == 0


def test_limits_beyond_all_memory_do_not_fail() -> None:
    with closing(SandboxedDecoder(Limits(max_bytes=10**20))) as decoder:
        assert decoder.decode(encoded("webp", 12, 9), Format.WEBP, Limits()) is None
