"""Firefox, headless, over WebDriver BiDi: what it shows for a page in an environment.

    page ─▶ loopback server, as Firefox's proxy ─▶ a fresh context each ─▶ Seen: currentSrc of every img

The pixel ratio and the color scheme are preferences, which a script in the chrome of the window sets.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.sync.client import connect

from showing import CURRENT_SOURCES, SETTLED, Environment, Seen, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from showing import Server

_LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_LARGEST_MESSAGE = 1 << 26
_FINE_POINTER_THAT_HOVERS = 2 | 4
_PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.no_proxies_on": "",
    "network.proxy.allow_hijacking_localhost": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.security.https_first": False,
    "dom.security.https_only_mode": False,
    "extensions.update.enabled": False,
    "services.settings.server": "http://127.0.0.1:9/",
    "app.update.disabledForTesting": True,
    "toolkit.telemetry.server": "http://127.0.0.1:9/",
    "ui.primaryPointerCapabilities": _FINE_POINTER_THAT_HOVERS,
    "ui.allPointerCapabilities": _FINE_POINTER_THAT_HOVERS,
}


def executable() -> str | None:
    """The path of the system's Firefox, or None."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


@contextmanager
def firefox() -> Iterator[Firefox]:
    """A running Firefox and its server; both end with the block."""
    with server() as served, _started(served.port) as session:
        yield Firefox(served, session)


class Firefox:
    """Shows pages, each in a context that has seen nothing else."""

    name = "firefox"

    def __init__(self, served: Server, session: _Session) -> None:
        self._server = served
        self._session = session

    @property
    def version(self) -> str:
        """As the browser tells it, such as `153.8.0`."""
        return self._session.version

    def show(
        self, page: str | bytes, base_url: str, environment: Environment, *, content_type: str = "text/html"
    ) -> Seen:
        """What is shown of `page` at `base_url` once its images have settled."""
        path = urlsplit(base_url).path
        body = page.encode() if isinstance(page, str) else page
        self._server.pages[path] = (body, {"Content-Type": content_type})
        try:
            return self._session.show(base_url, environment)
        finally:
            del self._server.pages[path]


@contextmanager
def _started(proxy: int) -> Iterator[_Session]:
    found = executable()
    assert found is not None, "Firefox is not installed"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        chosen = _PREFERENCES | {"network.proxy.http_port": proxy, "network.proxy.ssl_port": proxy}
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in chosen.items())
        Path(profile, "user.js").write_text("\n".join(lines))
        command = [found, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"]
        process = subprocess.Popen(
            [*command, "--remote-allow-system-access"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            assert process.stderr is not None
            address = next(match[1] for line in process.stderr if (match := _LISTENING.search(line)))
            process.stderr.close()
            with connect(f"{address}/session", max_size=_LARGEST_MESSAGE) as connection:
                yield _Session(connection)
        finally:
            process.kill()
            process.wait()


class _Session:
    """A session of WebDriver BiDi (W3C): commands one after another, and the requests between them."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._last = 0
        self._requested: list[str] = []
        self.version: str = self._command("session.new", capabilities={})["capabilities"]["browserVersion"]
        self._command("session.subscribe", events=["network.beforeRequestSent"])
        contexts = self._command("browsingContext.getTree", **{"moz:scope": "chrome"})["contexts"]
        self._chrome: str = contexts[0]["context"]

    def show(self, url: str, environment: Environment) -> Seen:
        """What is shown of the page at a URL, in a context and a store of its own."""
        # A pixel ratio given with the viewport need not be a whole number of app units, as a screen's is.
        scheme = 0 if environment.color_scheme == "dark" else 1
        self._evaluate(
            self._chrome,
            f"Services.prefs.setCharPref('layout.css.devPixelsPerPx', '{environment.dpr}');"
            f"Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', {scheme})",
        )
        user = self._command("browser.createUserContext")["userContext"]
        try:
            tab = self._command("browsingContext.create", type="tab", userContext=user)["context"]
            size = {"width": environment.width, "height": environment.height}
            self._command("browsingContext.setViewport", context=tab, viewport=size)
            self._command("emulation.setScreenSettingsOverride", screenArea=size, contexts=[tab])
            self._requested.clear()
            self._command("browsingContext.navigate", context=tab, url=url, wait="complete")
            self._evaluate(tab, f"({SETTLED})()")
            shown = json.loads(self._evaluate(tab, f"JSON.stringify({CURRENT_SOURCES})"))
            return Seen(tuple(shown), tuple(self._requested[1:]))
        finally:
            self._command("browser.removeUserContext", userContext=user)

    def _evaluate(self, tab: str, expression: str) -> Any:  # noqa: ANN401 (a value of a script)
        target = {"context": tab}
        answer = self._command("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def _command(self, method: str, **params: object) -> dict[str, Any]:
        self._last += 1
        self._connection.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=60))
            if message.get("method") == "network.beforeRequestSent":
                self._requested.append(message["params"]["request"]["url"])
            elif message.get("id") == self._last:
                assert message["type"] == "success", message
                found: dict[str, Any] = message["result"]
                return found
