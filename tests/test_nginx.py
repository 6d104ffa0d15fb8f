"""The main job against a web server that nobody here wrote: Debian's nginx, on the loopback interface."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgfetch.cli import main
from imgfetch.demo import news
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None and not os.environ.get("CI"),
    reason="needs nginx: apt-get install nginx-light",
)

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
    types {{ image/webp webp; }}
    access_log {folder}/access.log; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
"""


@pytest.fixture
def nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The four renditions of the founding text where it says they are; gives the server's URL."""
    for width, path in news.PATHS.items():
        file = tmp_path / "www" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded("webp", width, width * 9 // 16))
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, port=port))
    # As root, nginx would hand its work to a user who may not read the folder of a test.
    process = subprocess.Popen(["nginx", "-e", tmp_path / "error.log", "-c", configuration])
    try:
        _wait_for(port, process)
        monkeypatch.chdir(tmp_path)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "nginx did not start"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("nginx does not answer")


def test_the_founding_text_is_served_from_nginx(nginx: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("news.txt").write_text(news.text(nginx), encoding="utf-8")
    get = ["get", "news.txt", "--width", "800", "--allow-host", "127.0.0.1"]
    assert main(get) == 0
    (path,) = capsys.readouterr().out.splitlines()
    assert Path(path).read_bytes() == encoded("webp", 1280, 720)
    assert main(get) == 0
    assert main([*get, "--refresh", "--json"]) == 0
    assert '"origin": "revalidated"' in capsys.readouterr().out
    assert main(["get", "news.txt", "--all", "--allow-host", "127.0.0.1"]) == 0
    log = Path("access.log").read_text().splitlines()
    assert [line.split('"')[2].split()[0] for line in log] == ["200", "304", "200", "200", "200"]
