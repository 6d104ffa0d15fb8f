"""Every fault of the list, through the library: how it ends, what is asked, how long, and what it leaves.

The faults are run side by side, each against a door of its own and with a cache of its own; then each test
looks at one of them.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Semaphore, Thread
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
import trustme

from alone import Alone
from costs import Met, deadline, meet
from faults import COSTS, DOCUMENT, FAULTS, GOOD, IMAGE, LENGTH, OTHER, Fault, table
from imgfetch import Client, ImgfetchError, Limits
from imgfetch.engine.events import BytesReceived
from origin import Origin, gzip, head, raw, status, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.engine.events import Event

QUICK = Limits(
    retries=2,
    backoff_base=0.01,
    connect_timeout=1,
    read_timeout=0.4,
    total_timeout=10,
    lowest_speed_time=1,
    max_bytes=200_000,
)


@dataclass(frozen=True)
class Ended:
    """How a fault ended."""

    error: ImgfetchError | None
    seconds: float
    requests: int
    ranges: tuple[str, ...]
    visible: tuple[bytes, ...]
    """What a user could take for an image."""
    scratch: tuple[str, ...]


@pytest.fixture(scope="module")
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """How each fault ended that a test has been selected for."""
    names = {item.callspec.params["fault"].name for item in request.session.items if hasattr(item, "callspec")
             and "fault" in item.callspec.params}  # fmt: skip
    root = tmp_path_factory.mktemp("faults")

    async def all_of_them(origin: Origin) -> dict[str, Ended]:
        places = asyncio.Semaphore(16)

        async def one(fault: Fault) -> tuple[str, Ended]:
            async with places:
                return fault.name, await met(fault, origin, root / fault.name)

        return dict(await asyncio.gather(*(one(fault) for fault in FAULTS if fault.name in names)))

    with Origin() as origin:
        return asyncio.run(all_of_them(origin))


async def met(fault: Fault, origin: Origin, cache: Path) -> Ended:
    """Meet with a fault."""
    origin.route(fault.path, *fault.answers)
    url = origin.door() + fault.path
    error = None
    began = time.monotonic()
    async with Client(cache, limits=QUICK._replace(**fault.limits), allow_hosts=["127.0.0.1"]) as client:
        try:
            await client.get(url)
        except ImgfetchError as caught:
            error = caught
    seconds = time.monotonic() - began
    objects = [path.read_bytes() for path in (cache / "objects-v1").rglob("*") if path.is_file()]
    scratch = [path.name for path in (cache / "scratch-v1").glob("*")]
    requests = [request for request in origin.requests if request.path == fault.path]
    assert all(request.method == "GET" for request in requests)
    assert "cookie" in fault.name or not any("cookie" in request.headers for request in requests)
    ranges = [request.headers.get("range", "") for request in requests]
    return Ended(error, seconds, len(ranges), tuple(ranges), tuple(objects), tuple(scratch))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.section}-{fault.name}")
def test_a_fault_ends_in_the_image_or_in_one_typed_error_and_leaves_nothing_else(
    fault: Fault, ended: dict[str, Ended]
) -> None:
    end = ended[fault.name]
    assert (end.error.kind if end.error else None) == fault.kind, end.error
    assert end.requests == fault.requests, end.error
    assert end.visible == ((fault.body,) if fault.kind is None else ())
    assert bool(end.scratch) == fault.leaves
    assert not [name for name in end.scratch if name.endswith(".part")]
    assert fault.ranges in (None, end.ranges)
    if end.error is not None:
        assert fault.words in end.error.message
        assert str(end.error).isprintable()
        assert len(str(end.error)) <= 300


# The promise is the time limit and a second. No fault here comes near it, so that only one which is not held
# to its limit at all can be late.
def test_no_fault_holds_anybody_up_for_longer_than_the_time_limit(ended: dict[str, Ended]) -> None:
    late = {name: end.seconds for name, end in ended.items() if end.seconds > QUICK.total_timeout + 1}
    assert not late


def test_there_are_two_hundred_faults_and_each_has_a_name_of_its_own() -> None:
    assert len({fault.path for fault in FAULTS}) == len(FAULTS) >= 200


def test_the_documentation_has_every_fault() -> None:
    assert DOCUMENT.read_text(encoding="utf-8").partition(COSTS)[0] == table()


# ---------------------------------------------------------------------------------------------------
# What is no answer of an origin: names, ports, certificates, proxies, the machine itself


def get(url: str, cache: Path, **options: Any) -> bytes:  # noqa: ANN401 (what a Client takes)
    """The image, or the error."""

    async def go() -> bytes:
        limits = QUICK._replace(retries=1)
        async with Client(cache, **{"limits": limits, "allow_hosts": ["127.0.0.1"], **options}) as client:
            return (await client.get(url)).path.read_bytes()

    return asyncio.run(go())


def fails(
    kind: str,
    words: str,
    url: str,
    cache: Path,
    **options: Any,  # noqa: ANN401
) -> ImgfetchError:
    """It cannot be had, for that reason, in one line, in the time limit and a second; it leaves nothing."""
    began = time.monotonic()
    with pytest.raises(ImgfetchError) as caught:
        get(url, cache, **options)
    assert time.monotonic() - began < QUICK.total_timeout + 1
    assert caught.value.kind == kind, caught.value
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 300
    assert not [path for path in cache.rglob("*") if path.suffix in (".part", ".webp")]
    return caught.value


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("http://nowhere.invalid/a.webp", "dns", "cannot find the host nowhere.invalid"),
        ("http://a..example/a.webp", "bad_url", "a label that is empty"),
        ("http://.example/a.webp", "bad_url", "a label that is empty"),
        (f"http://{'a' * 64}.example/a.webp", "bad_url", "over 63 characters"),
        (f"http://{'.'.join(['a' * 60] * 5)}/a.webp", "bad_url", "over 253 characters"),
        ("http://" + "ü" * 64 + ".example/a.webp", "bad_url", "host"),
        ("http://b\xfccher.example\ud800/a.webp", "bad_url", "host"),
        ("http://nowhere.invalid/\udcff.webp", "dns", "cannot find the host"),
        ("http://nowhere.invalid/a\0b", "dns", "cannot find the host"),
        ("http://h.example/" + "a" * 17_000, "bad_url", "too long for a URL"),
        ("http://h.example:0/", "bad_url", "port 0"),
        ("http://h.example:65536/", "bad_url", "port 65536"),
        ("http://[fe80::1%25eth0]/", "bad_url", ""),
        ("http:///a.webp", "bad_url", "host is missing"),
        ("https://", "bad_url", "host is missing"),
        ("ftp://h.example/a.webp", "bad_url", "ftp:"),
    ],
)
def test_a_url_that_leads_nowhere_is_a_typed_error(url: str, kind: str, words: str, cache: Path) -> None:
    fails(kind, words, url, cache)
    assert not cache.exists()


def test_nobody_there(cache: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound, and not listening
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a"
        error = fails("connect", "cannot connect: connection refused", url, cache)
    assert error.attempts == 2


def test_a_host_that_takes_no_connection(cache: Path) -> None:
    with socket.socket() as listener, ExitStack() as queue:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # until nobody else finds room to wait
            waiting = queue.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a"
        fails("timeout", "no connection within 1 s", url, cache)


def certificate(
    *names: str, authority: trustme.CA | None = None, not_after: datetime | None = None
) -> ssl.SSLContext:
    """What a server shows that calls itself so."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (authority or trustme.CA()).issue_cert(*names, not_after=not_after).configure_cert(context)
    return context


def test_a_certificate_must_be_trusted_and_be_the_hosts_and_be_of_today(
    origin: Origin, cache: Path, tmp_path: Path
) -> None:
    path = "/a.webp"
    origin.route(path, GOOD)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trusted = {"ca_bundle": str(tmp_path / "ca.pem")}

    strange = fails(
        "tls", "unable to get local issuer", origin.door(tls=certificate("127.0.0.1")) + path, cache
    )
    assert strange.hint is not None
    assert "ca_bundle=…" in strange.hint
    assert strange.attempts == 1
    other = origin.door(tls=certificate("h.example", authority=authority))
    fails("tls", "127.0.0.1", other + path, cache, **trusted)
    past = datetime(2020, 1, 1, tzinfo=UTC)
    expired = origin.door(tls=certificate("127.0.0.1", authority=authority, not_after=past))
    fails("tls", "certificate has expired", expired + path, cache, **trusted)
    assert origin.asked() == 0
    assert (
        get(origin.door(tls=certificate("127.0.0.1", authority=authority)) + path, cache, **trusted) == IMAGE
    )


def test_tls_to_a_port_that_speaks_none(origin: Origin, cache: Path) -> None:
    origin.route("/a", GOOD)
    error = fails("tls", "no TLS handshake within 1 s", origin.url.replace("http:", "https:") + "/a", cache)
    assert error.attempts == 1
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        fails("tls", "is this a port for plain http:?", f"https://127.0.0.1:{port}/a", cache)


@contextmanager
def answering(data: bytes) -> Iterator[int]:
    """The port of a server that says this to whatever it hears first."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                with line:
                    line.recv(10_000)
                    line.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_that_hangs_up_on_the_handshake(cache: Path) -> None:
    with answering(b"") as port:
        fails("tls", "no TLS connection", f"https://127.0.0.1:{port}/a", cache)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b"", "reset", "TLS broke off before a response came: "),
        (
            head(content_length=5000) + b"x" * 1000,
            "incomplete",
            "got 1,000 of 5,000 bytes, then TLS broke off",
        ),
    ],
)
def test_tls_that_is_damaged_after_the_handshake(
    said: bytes, kind: str, words: str, cache: Path, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = certificate("127.0.0.1", authority=authority)
    heard = Semaphore(0)

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                with (
                    socket.socket(fileno=os.dup(line.fileno())) as bare,
                    context.wrap_socket(line, server_side=True) as encrypted,
                ):
                    encrypted.recv(10_000)
                    encrypted.sendall(said)
                    if said:
                        heard.acquire(timeout=5)
                    bare.sendall(b"\x17\x03\x03\x00\x20" + b"z" * 32)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/a"

        def observe(event: Event) -> None:
            if isinstance(event, BytesReceived):
                heard.release()

        fails(kind, words, url, cache, ca_bundle=str(tmp_path / "ca.pem"), observe=observe)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("nonsense", "not a proxy"),
        ("ftp://127.0.0.1:9/", "not a proxy"),
        ("http://[::1", "not a proxy"),
        ("http://user:SECRET@[::1", "not a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_one_is_an_error_of_input(proxy: str, words: str, cache: Path) -> None:
    error = fails("bad_input", words, "http://h.example/a", cache, proxy=proxy)
    assert "SECRET" not in str(error)


def test_a_bundle_without_certificates_is_an_error_of_input(cache: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    fails("bad_input", "no certificate is in it", "http://h.example/a", cache, ca_bundle=str(empty))
    fails("bad_input", "No such file", "http://h.example/a", cache, ca_bundle=str(tmp_path / "none"))


def test_through_a_proxy_an_image_arrives_and_its_faults_are_named(origin: Origin, cache: Path) -> None:
    origin.route("http://h.example/a", GOOD)
    assert get("http://h.example/a", cache / "a", proxy=origin.url) == IMAGE
    cache = cache / "b"
    fails("bad_url", "port 25 is blocked", "http://h.example:25/a", cache, proxy=origin.url)
    origin.route("http://h.example/b", status(407))
    fails("http_status", "HTTP 407", "http://h.example/b", cache, proxy=origin.url)
    origin.route("h.example:443", status(403))
    fails("connect", "403", "https://h.example/c", cache, proxy=origin.url)
    with Origin() as gone:
        proxy = gone.url
    fails("connect", "cannot connect", "http://h.example/d", cache, proxy=proxy)


def test_what_follows_an_answer_on_its_connection_is_never_taken_for_the_next_one(
    origin: Origin, cache: Path
) -> None:
    unasked = head(content_length=len(OTHER)) + OTHER

    async def go() -> None:
        async with Client(cache, limits=QUICK, allow_hosts=["127.0.0.1"]) as client:
            for number, behind in enumerate((unasked, unasked[:30], b"x", unasked * 3)):
                lead = origin.route(
                    f"/{number}", raw(head(content_length=LENGTH) + IMAGE + behind, more=True)
                )
                assert (await client.get(lead)).path.read_bytes() == IMAGE
                third = encoded("webp", 96, 54, seed=20 + number)
                after = await client.get(origin.route(f"/{number}-next", whole(third)))
                assert after.path.read_bytes() == third

    asyncio.run(go())


def test_too_many_open_files_are_an_error_of_each_image_and_not_of_the_run(
    origin: Origin, cache: Path
) -> None:
    code = """if True:
        import resource, sys
        from imgfetch.http.connect import Connector
        from imgfetch.cli import main

        dial, spare = Connector.connect, []

        async def dial_with_nothing_to_spare(*arguments, **options):
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            try:
                while True:
                    spare.append(open("/dev/null"))
            except OSError:
                return await dial(*arguments, **options)

        Connector.connect = dial_with_nothing_to_spare
        sys.exit(main(sys.argv[1:]))
    """
    urls = [origin.route(f"/{number}", GOOD) for number in range(3)]
    ran = subprocess.run(
        [sys.executable, "-c", code, "get", *urls, "--cache", str(cache), "--allow-host", "127.0.0.1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    assert ran.stderr.count(": too many open files; lower --jobs") == 3
    assert "Traceback" not in ran.stderr


# ---------------------------------------------------------------------------------------------------
# Through the command line

MOST_MEMORY = 200_000_000


@pytest.fixture(scope="module")
def met_alone(request: pytest.FixtureRequest) -> dict[str, Met]:
    """What came of each fault on the command line that a test has been selected for."""
    return meet([item.callspec.params["alone"] for item in request.session.items if hasattr(item, "callspec")
                 and "alone" in item.callspec.params])  # fmt: skip


@pytest.mark.parametrize("alone", FAULTS, ids=lambda fault: str(fault.name))
def test_a_fault_is_one_line_on_the_command_line_and_bounded_in_time_and_memory(
    alone: Fault, met_alone: dict[str, Met]
) -> None:
    fault = alone
    url, ran, kept = met_alone[fault.name]
    assert ran.peak < MOST_MEMORY
    assert ran.seconds < deadline(fault) + 1
    if fault.kind is None:
        assert (ran.code, kept) == (0, (fault.body,))
        assert (fault.words in ran.err) if fault.words else ran.err == ""
        return
    assert (ran.code, ran.out, kept) == (1, "", ())
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.startswith(f"imgfetch: {url}: ")
    assert fault.words in ran.err
    assert "Traceback" not in ran.err
    assert LIMITED.get(fault.kind, "") in ran.err or fault.name in ("status-429", "status-503")


LIMITED = dict.fromkeys(
    ("timeout", "rate_limited", "too_large", "too_many_pixels", "too_many_frames", "too_many_redirects"),
    "; --",
)
"""The kinds of error that name the option which sets the limit, unless an origin is busy to the end."""


def test_the_largest_bomb_is_bounded_in_memory(origin: Origin, cache: Path) -> None:
    url = origin.route("/bomb", gzip(bytes(300_000_000)))
    with Alone(anew=True) as alone:
        ran = alone.run("get", url, "--cache", str(cache), "--allow-host", "127.0.0.1")
    assert ran.err.endswith("/bomb: more than 50,000,000 bytes; --max-bytes sets the limit\n")
    assert ran.peak < MOST_MEMORY


# ---------------------------------------------------------------------------------------------------
# The origin, alone


def test_the_origin_runs_alone_and_lists_its_faults() -> None:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("origin.py"))], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        printed = (re.match(r"(http://\S+) lists them all", line) for line in process.stdout)
        url = next(match[1] for match in printed if match)
        with urlopen(url) as reply:
            listed = reply.read().decode()
    finally:
        process.terminate()
        process.communicate()
    assert all(f"{fault.path} " in listed for fault in FAULTS)
