"""Chromium, headless, on a loopback server: what it shows for a page in an environment.

    page ─▶ loopback server ─▶ Chromium, a fresh context each ─▶ Seen: currentSrc of every img, the requests

Every host under `.test` is the loopback server; every path that is no page is a PNG of 120 × 90, so that
each image loads and the browser's choice shows in `currentSrc`.
"""

from __future__ import annotations

import shutil
import struct
import threading
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Request

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

CURRENT_SOURCES = "[...document.querySelectorAll('img')].map(img => img.currentSrc || null)"
SETTLED = """async () => {
  const images = [...document.querySelectorAll('img')];
  const end = performance.now() + 3000;
  const shown = () => images.map(img => img.currentSrc).join(' ');
  for (const lazy of images.filter(img => img.loading === 'lazy')) {
    lazy.scrollIntoView();
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  }
  for (let before = null, now = shown(); performance.now() < end; before = now, now = shown()) {
    if (before === now && images.every(img => img.complete)) break;
    await new Promise(done => setTimeout(done, 30));
  }
}"""


@dataclass(frozen=True, slots=True)
class Environment:
    """The screen a page is shown on, in CSS pixels."""

    width: int
    height: int
    dpr: float = 1.0
    color_scheme: str = "light"


@dataclass(frozen=True, slots=True)
class Seen:
    """What Chromium did with a page."""

    current_sources: tuple[str | None, ...]
    requested: tuple[str, ...]
    """Every URL asked for, in the order in which it was, the page itself apart."""


def executable() -> str | None:
    """The path of the system's Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A running Chromium and its server; both end with the block."""
    with (
        _server() as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=executable(),
            args=[*FLAGS, f"--host-resolver-rules=MAP *.test 127.0.0.1:{server.port}"],
        ) as browser,
    ):
        yield Chromium(browser, server)


class Chromium:
    """Shows pages, each in a context that has seen nothing else."""

    def __init__(self, browser: Browser, server: _Server) -> None:
        self._browser = browser
        self._server = server

    @property
    def version(self) -> str:
        """As the browser tells it, such as `156.0.8078.79`."""
        return self._browser.version

    def show(
        self, page: str | bytes, base_url: str, environment: Environment, *, content_type: str = "text/html"
    ) -> Seen:
        """What is shown of `page` at `base_url` (a `.test` host) once its images have settled."""
        with self.tab(environment) as tab:
            return self.show_in(tab, page, base_url, content_type=content_type)

    @contextmanager
    def tab(self, environment: Environment) -> Iterator[Page]:
        """A tab in a context that has seen nothing yet."""
        context = self._browser.new_context(
            viewport={"width": environment.width, "height": environment.height},
            device_scale_factor=environment.dpr,
            color_scheme="dark" if environment.color_scheme == "dark" else "light",
        )
        try:
            yield context.new_page()
        finally:
            context.close()

    def show_in(
        self,
        tab: Page,
        page: str | bytes,
        base_url: str,
        *,
        content_type: str = "text/html",
        link: str | None = None,
    ) -> Seen:
        """What is shown of `page` in a tab, which remembers the images that it has shown before.

        `link` is the value of a `Link` field in its response.
        """
        path = urlsplit(base_url).path
        body = page.encode() if isinstance(page, str) else page
        fields = {"Content-Type": content_type} | ({"Link": link} if link else {})
        self._server.pages[path] = (body, fields)
        requested: list[str] = []

        def note(request: Request) -> None:
            requested.append(request.url)

        tab.on("request", note)
        try:
            tab.goto(base_url, wait_until="load")
            tab.evaluate(SETTLED)
            return Seen(tuple(tab.evaluate(CURRENT_SOURCES)), tuple(requested[1:]))
        finally:
            tab.remove_listener("request", note)
            del self._server.pages[path]


@dataclass(slots=True)
class _Server:
    port: int
    pages: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)


@contextmanager
def _server() -> Iterator[_Server]:
    books = _Server(0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body, fields = books.pages.get(urlsplit(self.path).path, (PNG, {"Content-Type": "image/png"}))
            self.send_response(200)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            with suppress(ConnectionError):  # the page is closed while its last images come
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's word)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        books.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield books
        finally:
            server.shutdown()
            thread.join()


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    image = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image


PNG = _png(120, 90)
