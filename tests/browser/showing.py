"""What is common to the browsers that judge our choices: a loopback server, a screen, and what was seen.

Every host is the loopback server, by a map of names or as a proxy. Every path that is no page is a PNG of
120 × 90, so that each image loads and the browser's choice shows in `currentSrc`.
"""

from __future__ import annotations

import struct
import threading
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """What a browser did with a page."""

    current_sources: tuple[str | None, ...]
    requested: tuple[str, ...]
    """Every URL asked for, in the order in which it was, the page itself apart."""


class Shows(Protocol):
    """A browser that shows pages, each in a context that has seen nothing else."""

    name: str
    """The browser, as `current_sources` names it."""

    @property
    def version(self) -> str:
        """The version as the browser tells it."""

    def show(
        self, page: str | bytes, base_url: str, environment: Environment, *, content_type: str = "text/html"
    ) -> Seen:
        """Return what is shown of `page` at `base_url` (a `.test` host) once its images have settled."""


@dataclass(slots=True)
class Server:
    port: int
    pages: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)


@contextmanager
def server() -> Iterator[Server]:
    served = Server(0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body, fields = served.pages.get(urlsplit(self.path).path, (PNG, {"Content-Type": "image/png"}))
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

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        served.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield served
        finally:
            listening.shutdown()
            thread.join()


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    image = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image


PNG = _png(120, 90)
