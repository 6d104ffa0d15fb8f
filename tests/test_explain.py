"""`imgfetch explain`: why, what would be sent, what came back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from imgfetch.cli import main
from imgfetch.model.request import Settings
from imgfetch.rules.policy.explain import duration, explain
from origin import Origin, whole
from pictures import encoded
from test_freshness import URL, YEARS, T, cc, held

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("fields", "later", "action", "words"),
    [
        ([cc("max-age=3600")], 60, "serve", "fresh for another 59 min: 1 min old, of 1 h by max-age"),
        ([cc("max-age=3600")], 7260, "ask", "stale for 1 h 1 min: 2 h 1 min old, of 1 h by max-age"),
        ([], 0, "serve", "of 1 d by our own rule"),
        ([cc("max-age=soon")], 0, "ask", "cannot be read"),
        ([("expires", "0")], 0, "ask", "cannot be read"),
        ([cc("no-store")], 0, "ask", "no-store"),
        ([cc("no-cache")], 0, "ask", "no-cache"),
        ([("vary", "*")], 0, "ask", "Vary: *"),
        ([("pragma", "no-cache")], 0, "ask", "Pragma"),
        ([cc("max-age=60, stale-while-revalidate=60")], 90, "serve", "for 30 s, which the origin allows"),
        ([cc("max-age=60")], -YEARS, "ask", "in the future by its time"),
    ],
)  # fmt: skip
def test_it_gives_the_reason(fields: list[tuple[str, str]], later: float, action: str, words: str) -> None:
    explained = explain(URL, held(*fields), Settings(), now=T + later)
    assert explained.action == action
    assert words in explained.why


def test_it_shows_the_request_that_would_be_sent() -> None:
    entry = held(cc("max-age=60"), ("etag", '"1"'))
    assert dict(explain(URL, entry, Settings(), now=T + 60).sends)["if-none-match"] == '"1"'
    assert "if-none-match" not in dict(explain(URL, None, Settings(), now=T).sends)
    with_password = URL.replace("//", "//me:secret@")
    assert dict(explain(with_password, None, Settings(), now=T).sends)["authorization"] == "…"


def test_it_gives_the_reason_for_revalidating_a_fresh_response() -> None:
    entry = held(cc("max-age=60"), status=404)
    explained = explain(URL, entry, Settings(), now=T)
    assert (explained.fresh, explained.action) == (True, "ask")
    assert "but it does not meet the present requirements" in explained.why


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (86400 * 365, "365 d")],
)
def test_a_duration_is_shown_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_command_explains_stored_and_missing_urls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = ["--cache", str(tmp_path / "cache")]
    with Origin() as origin:
        url = origin.route(
            "/a?s=secret", whole(encoded("webp", 96, 54), etag='"1"', cache_control="no-cache")
        )
        assert main(["get", url, "--allow-host", "127.0.0.1", *cache]) == 0
        (path,) = capsys.readouterr().out.split()
        assert main(["explain", url, origin.url + "/b", *cache]) == 0
        assert origin.asked() == 1
    out = capsys.readouterr().out
    for words in (path, "says no-cache", 'if-none-match: "1"', "HTTP 200", "nothing is stored for it"):
        assert words in out
    assert "secret" not in out
    assert main(["explain", url, "--json", *cache]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert (fields["path"], fields["fresh"], fields["action"]) == (path, False, "ask")
    assert fields["answer"]["status"] == 200
    assert fields["sends"]["if-none-match"] == '"1"'


def test_an_argument_that_is_not_a_url_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "cat.webp", "--cache", str(tmp_path / "cache")]) == 2
    assert "not a URL" in capsys.readouterr().err


def test_responses_stored_for_other_requests_are_mentioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = ["--cache", str(tmp_path / "cache")]
    with Origin() as origin:
        url = origin.route("/a", whole(encoded("webp", 96, 54), vary="Accept-Language"))
        german = ["-H", "Accept-Language: de"]
        assert main(["get", url, "--allow-host", "127.0.0.1", *german, *cache]) == 0
        assert main(["get", url, *german, *cache]) == 0
    assert main(["explain", url, *cache]) == 0
    assert "requests with other fields (Vary: accept-language)" in capsys.readouterr().out
