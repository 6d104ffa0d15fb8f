"""Where the contestants fetch from: nginx over the corpus, and an origin that takes its time."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW = Path(__file__).parent / "peers/slow_origin.py"
LATENCY = 0.1
"""What `slow_origin.py` waits before each answer, in seconds."""
HOSTS = tuple(f"127.0.1.{number}" for number in range(1, 201))
"""As `slow_origin.py` has them."""

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    types {{ image/webp webp; }} access_log off; keepalive_requests 1000000; etag on; sendfile on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    add_header Cache-Control max-age=86400;
    server {{ listen 127.0.0.1:{port} backlog=1024; {more} root {root}; }}
    server {{
        listen 127.0.0.1:{tls} ssl http2 backlog=1024; root {root};
        ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    }}
}}
"""


class Origin(NamedTuple):
    """nginx, by its URLs."""

    http: str
    https: str
    """With HTTP/2."""
    hosts: tuple[str, ...]
    """The same as two hundred hosts."""
    authority: Path
    """Whom to trust."""


@contextmanager
def nginx(folder: Path, root: Path) -> Iterator[Origin]:
    """Serve what lies in `root`."""
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "trustme", "-q", "-d", folder, "-i", "127.0.0.1"], check=True)
    port, tls = _free_port(), _free_port()
    more = " ".join(f"listen {host}:{port};" for host in HOSTS)
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, tls=tls, more=more, root=root.resolve()))
    with _serving(["nginx", "-c", str(configuration)], "127.0.0.1", port):
        yield Origin(
            f"http://127.0.0.1:{port}",
            f"https://127.0.0.1:{tls}",
            tuple(f"http://{host}:{port}" for host in HOSTS),
            folder / "client.pem",
        )


@contextmanager
def slow(root: Path) -> Iterator[list[str]]:
    """Serve what lies in `root`, each answer after 100 ms; gives the URLs of two hundred hosts."""
    port = _free_port()
    with _serving([sys.executable, str(SLOW), str(root), str(port)], HOSTS[0], port):
        yield [f"http://{host}:{port}" for host in HOSTS]


@contextmanager
def _serving(command: list[str], host: str, port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _await(host, port)
        yield
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return int(free.getsockname()[1])


def _await(host: str, port: int) -> None:
    for _ in range(200):
        with closing(socket.socket()) as line:
            if line.connect_ex((host, port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing answers at {host}:{port}")
