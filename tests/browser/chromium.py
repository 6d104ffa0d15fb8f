"""Chromium, headless, on a loopback server: what it shows for a page in an environment.

    page ─▶ loopback server ─▶ Chromium, a fresh context each ─▶ Seen: currentSrc of every img, the requests

Every host under `.test` is the loopback server.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from showing import CURRENT_SOURCES, SETTLED, Environment, Seen, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Request

    from showing import Server

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str | None:
    """The path of the system's Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A running Chromium and its server; both end with the block."""
    with (
        server() as served,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=executable(),
            args=[*FLAGS, f"--host-resolver-rules=MAP *.test 127.0.0.1:{served.port}"],
        ) as browser,
    ):
        yield Chromium(browser, served)


class Chromium:
    """Shows pages, each in a context that has seen nothing else."""

    name = "chromium"

    def __init__(self, browser: Browser, server: Server) -> None:
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

    def images_without_scripts(
        self, page: bytes, base_url: str, environment: Environment, *, content_type: str = "text/html"
    ) -> tuple[str, ...]:
        """Every image that is asked for where scripts are off, until none has been asked for in a while."""
        path = urlsplit(base_url).path
        self._server.pages[path] = (page, {"Content-Type": content_type})
        requested: list[str] = []

        def note(request: Request) -> None:
            if request.resource_type in ("image", "object", "embed", "other"):
                requested.append(request.url)

        context = self._browser.new_context(
            viewport={"width": environment.width, "height": environment.height},
            device_scale_factor=environment.dpr,
            java_script_enabled=False,
        )
        try:
            context.on("request", note)
            context.new_page().goto(base_url, wait_until="networkidle")
            return tuple(requested)
        finally:
            context.close()
            del self._server.pages[path]
