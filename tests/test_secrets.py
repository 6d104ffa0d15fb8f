"""The user and password of a URL are in no message, no result and no file, whatever a command is given."""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deciding import decide
from imgfetch import (
    Cache,
    Client,
    Failure,
    Image,
    ImgfetchError,
    SourceSet,
    choose,
    find_images,
    parse_srcset,
)
from imgfetch.cli import main
from imgfetch.errors import one_line
from imgfetch.model.image import Requirements
from imgfetch.model.request import Settings
from imgfetch.redaction import without_credentials
from imgfetch.rules.http import urls
from imgfetch.rules.http.credentials import source_origin_of
from imgfetch.rules.policy import proxy_policy
from origin import Origin, status, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "alice", "pa55w0rd"
SECRETS = (PASSWORD, b64encode(f"{USER}:{PASSWORD}".encode()).decode())
NETWORK = ("--allow-host", "127.0.0.1", "--retries", "0")


class Place:
    """An origin, its URLs with user and password in them, and the folder in which commands are run."""

    def __init__(self, home: Path, origin: Origin) -> None:
        self.home = home
        self.origin = origin
        self.url = origin.url.replace("//", f"//{USER}:{PASSWORD}@")
        small, large = (f"{self.url}/{width}.png?w={width}&token=abc {width}w" for width in (8, 16))
        self.srcset = f"{small}, {large}"
        self.page = (
            f'<img srcset="{self.srcset}, http://{USER}:{PASSWORD}@[:: 9w" sizes="8px">'
            f'<picture><source srcset="{self.url}/8.png 1x, {self.url}/16.png 2x" media="(width > 1px)">'
            f'<img src="{self.url}/gone.png"></picture>'
        )


@pytest.fixture
def place(home: Path) -> Iterator[Place]:
    with Origin() as origin:
        for width in (8, 16):
            answer = whole(encoded("png", width, 8), cache_control="max-age=60", vary="authorization")
            for query in ("", f"?w={width}&token=abc"):
                origin.route(f"/{width}.png{query}", answer)
        origin.route("/gone.png", status(404))
        origin.route("/busy.png", status(500))
        origin.route("/", whole(encoded("png", 9, 9)))
        there = Place(home, origin)
        origin.route("/page", whole(there.page.encode(), content_type="text/html"))
        (home / "page.html").write_text(there.page)
        (home / "text.txt").write_text(there.srcset)
        (home / "list.txt").write_text(
            f"{there.url}/8.png\n{there.srcset}\n{there.url}/busy.png\nhttp:x:y@\n"
        )
        yield there


def leaks(place: Place, given: set[Path]) -> list[str]:
    """The files, but for those that were `given`, that have a secret in them or in their names."""
    found = []
    for path in sorted(place.home.rglob("*")):
        if path not in given and path.is_file():
            told = path.read_bytes() + os.fsencode(path.name)
            found += [str(path) for secret in SECRETS if secret.encode() in told]
    return found


COMMANDS: dict[str, tuple[str, ...]] = {
    "get": ("get", "{url}/8.png", *NETWORK),
    "get, and say what happens": ("get", "{url}/8.png", "{url}/busy.png", "{url}", "-v", *NETWORK),
    "get --json": ("get", "{url}/8.png", "{url}/gone.png", "{srcset}", "text.txt", "--json", *NETWORK),
    "get of a page": ("get", "{url}/page", "--json", "-v", *NETWORK),
    "get, with everything written down": (
        *("get", "{url}/8.png", "{url}/gone.png", "{srcset}", "page.html", "{url}", "-d", "copies"),
        *("--report", "report.jsonl", "--lock", "imgfetch.lock", "--base", "{url}/", "--json", *NETWORK),
    ),
    "get of a list": ("get", "-i", "list.txt", "-v", "--report", "report.jsonl", *NETWORK),
    "get, as locked": ("get", "{url}/8.png", "{url}/gone.png", "--locked", "--json", "-v", *NETWORK),
    "get, offline": ("get", "{url}/8.png", "{url}/nothing.png", "--offline", "-v"),
    "get, through a proxy": ("get", "{url}/8.png", "--refresh", "--proxy", "{url}", "-v", *NETWORK),
    "get, with a proxy that is none": ("get", "{url}/8.png", "--refresh", "--proxy", "ftp{url}", *NETWORK),
    "get, from a page": ("get", "{url}/8.png", "--refresh", "--referer", "{url}/page", "-v", *NETWORK),
    "get, of what is no URL": ("get", "http:{user}@h:x/", "http://{user}@h:0/", r"http:\\{user}@[/", "-v"),
    "get, of a srcset without a base": ("get", "//{user}@h/a 1w, //{user}@h/b 2w", "-v", *NETWORK),
    "get, with words that mean nothing": ("get", "{url}/8.png", "--nothing", "{url}"),
    "get, with a number that is none": ("get", "{url}/8.png", "--width", "{url}"),
    "get, of a file that is not there": ("get", "-i", "{url}/list"),
    "batch": ("batch", "list.txt", "--to", "set", "--report", "set.jsonl", "--json", "-v", *NETWORK),
    "batch, once more": ("batch", "list.txt", "--to", "set", "--base", "{url}/", "-v", *NETWORK),
    "retry": ("retry", "report.jsonl", "--all", "--json", "-v", *NETWORK),
    "pick": ("pick", "{url}/8.png", "{srcset}", "page.html", "{url}/page", "-v", *NETWORK),
    "pick --json": ("pick", "{srcset}", "page.html", "--viewport", "9x9", "--json", "-v", *NETWORK),
    "pick -q": ("pick", "{srcset}", "-q"),
    "explain": ("explain", "{url}/8.png", "{url}/nothing.png"),
    "explain --json": ("explain", "{url}/8.png", "{url}/nothing.png", "--json"),
    "explain, of what is no URL": ("explain", "http:{user}@h:x/"),
    "cache ls": ("cache", "ls"),
    "cache ls --json": ("cache", "ls", "--json"),
    "cache pin": ("cache", "pin", "{url}/8.png", "{url}/nothing.png"),
    "cache pin --json": ("cache", "pin", "{url}/8.png", "--json"),
    "cache unpin": ("cache", "unpin", "{url}/8.png", "{url}/nothing.png", "--json"),
    "cache verify": ("cache", "verify", "--json"),
    "cache rm": ("cache", "rm", "{url}/8.png", "{url}/nothing.png", "--json"),
    "doctor": ("doctor",),
    "doctor --json": ("doctor", "--json"),
}


def test_the_password_of_a_url_is_nowhere(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command is run in turn over what those before it have left."""
    given = {path for path in place.home.iterdir() if path.is_file()}
    for name in ("BASE", "PROXY", "REFERER", "CONTACT"):  # as `doctor` shows them
        monkeypatch.setenv(f"IMGFETCH_{name}", place.url)
    words = {"url": place.url, "srcset": place.srcset, "user": f"{USER}:{PASSWORD}"}
    printed = []
    for name, command in COMMANDS.items():
        if name == "get":
            capsys.readouterr()
        if not name.startswith("doctor"):
            for setting in ("BASE", "PROXY", "REFERER", "CONTACT"):
                monkeypatch.delenv(f"IMGFETCH_{setting}", raising=False)
        else:
            for setting in ("BASE", "PROXY", "REFERER", "CONTACT"):
                monkeypatch.setenv(f"IMGFETCH_{setting}", place.url)
        try:
            main([word.format(**words) for word in command])
        except SystemExit as ended:  # argparse, for --help alone
            pytest.fail(f"{name}: {ended}")
        told = capsys.readouterr()
        assert "Traceback" not in told.err, name
        printed.append(told.out + told.err)
        assert [secret for secret in SECRETS if secret in printed[-1]] == [], (name, printed[-1])
        assert leaks(place, given) == [], name
    asked = [request.headers.get("authorization") for request in place.origin.requests]
    assert f"Basic {SECRETS[1]}" in asked  # it was sent
    assert {"imgfetch.lock", "report.jsonl", "set.jsonl", "set", "copies"} <= {
        path.name for path in place.home.iterdir()
    }


def test_a_query_stays_whole_where_a_program_needs_it_again(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.origin.route("/busy.png?token=abc", status(500))
    command = ["get", place.srcset, f"{place.url}/busy.png?token=abc", "--json", "--report", "report.jsonl"]
    main([*command, "--lock", "imgfetch.lock", *NETWORK])
    told = capsys.readouterr()
    main(["batch", "text.txt", "--to", "set", "--input-format", "lines", "-q", *NETWORK])
    written = {
        "--json": told.out,
        **{name: Path(name).read_text() for name in ("report.jsonl", "imgfetch.lock", "set/manifest.jsonl")},
    }
    assert [name for name, text in written.items() if "token=abc" not in text] == []
    assert "token=abc" not in told.err
    modes = {name: stat.S_IMODE(Path(name).stat().st_mode) for name in written if name != "--json"}
    assert modes == dict.fromkeys(modes, 0o600)


def test_what_a_report_has_is_asked_for_without_the_password(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["get", f"{place.url}/busy.png", "--report", "report.jsonl", *NETWORK])
    place.origin.route("/busy.png", whole(encoded("png")))
    header = f"Authorization: Basic {SECRETS[1]}"
    assert main(["retry", "report.jsonl", "-H", header, *NETWORK]) == 0
    assert place.origin.requests[-1].headers["authorization"] == f"Basic {SECRETS[1]}"
    assert SECRETS[1] not in "".join(capsys.readouterr())


@pytest.mark.anyio
async def test_no_exception_tells_of_a_password(place: Place, tmp_path: Path) -> None:
    async with Client(tmp_path / "other", allow_hosts=["127.0.0.1"]) as client:
        for source in (
            f"{place.url}/gone.png",
            f"http:{USER}:{PASSWORD}@h:x/",
            f"//{USER}:{PASSWORD}@h/a 1w",
        ):
            with pytest.raises(ImgfetchError) as raised:
                await client.get(source)
            assert (
                PASSWORD not in f"{raised.value} {raised.value!r} {raised.value.url} {raised.value.message}"
            )
    with pytest.raises(ImgfetchError) as raised:
        Cache(tmp_path).explain(f"http:{USER}:{PASSWORD}@h:x/")
    assert PASSWORD not in f"{raised.value!r}"


@pytest.mark.anyio
async def test_no_repr_of_what_the_library_hands_out_has_a_secret(place: Place, tmp_path: Path) -> None:
    token = "t0ken-of-alice"
    headers: dict[str, str | dict[str, str]] = {"X-Token": token, place.origin.url: {"X-Token": token}}
    seen: list[object] = [*find_images(place.page, base_url=place.url), *parse_srcset(place.srcset)]
    seen += [choose(each, width=9) for each in seen if isinstance(each, SourceSet)]
    sources = [f"{place.url}/{name}" for name in ("8.png", "gone.png", "page")] + [place.srcset]
    for _ in range(2):  # fetched, and stored
        async with Client(
            tmp_path / "other", allow_hosts=["127.0.0.1"], headers=headers, observe=seen.append
        ) as client:
            seen += [outcome async for outcome in client.get_many(sources, width=9)]
    settings = Settings(
        headers=(("X-Token", token),), headers_for=((place.origin.url, (("X-Token", token),)),)
    )
    address = source_origin_of(f"{place.url}/8.png")
    seen += [
        settings,
        decide(f"{place.url}/8.png", None, Requirements(), settings, now=0, source_origin=address),
    ]
    seen.append(proxy_policy.Request("GET", f"{place.url}/8.png", (("x-token", token),)))
    shown = [repr(each) for each in seen]
    assert any(isinstance(each, Image) for each in seen)
    assert any(isinstance(each, Failure) for each in seen)
    assert [each for each in shown if any(secret in each for secret in (*SECRETS, token))] == []


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("http://u:p@h/a@b", "http://h/a@b"),
        ("HTTP:u:p@h/", "HTTP:h/"),
        (r"https:\/u:p@h/", r"https:\/h/"),
        ("//u:p@h/a", "//h/a"),
        ("/a//b@2x.png", "/a//b@2x.png"),
        ("a@2x.png", "a@2x.png"),
        ("http://h/?u=http://u:p@h/", "http://h/?u=http://u:p@h/"),
        ("http://h#//u:p@h", "http://h#//u:p@h"),
        ("data:image/png;base64,aa//b@c", "data:image/png;base64,aa//b@c"),
        ("", ""),
    ],
)
def test_of_a_url_the_userinfo_alone_is_cut(url: str, without: str) -> None:
    assert urls.without_userinfo(url) == without
    assert urls.source_without_userinfo(url) == without


def test_a_message_has_no_userinfo_however_its_urls_are_written() -> None:
    for written in (
        *("http://{}h/x", "//{}h/x", "http:{}h", r"http:\\{}h/x", "HTTPS:/{}h/x", "ftp://{}h/x"),
        *("http:/\t/{}h/x", "http:\t//{}h/x", r"http:/\t/{}h/x", "{}h/x", "{}h:8080"),
        *("http://u:a/{}h/x", "http://u:a {}h/x", "http://u:a?{}h:8080/x", "http://u:a#{}h"),
    ):
        for before in ("", "see ", "'", "(", "a 1w, ", "src="):
            assert PASSWORD not in one_line("", before + written.format(f"{USER}:{PASSWORD}@") + " more")
    for text in (
        "/a//b@2x.png, me@h.example, a//b:c@d",
        "http://h:8080/a@2x.png: failed, mailto:me@h.example",
        "cid:part1@h.example: no part",
        "http://[::1]/a@2x.png and http://[::1]:80/a@2x.png",
        "http://h: no such file, a@b",
        "http://h:8080: no such file, a@b",
        "http://h:8080 1x, a@2x.png 2x",
        "12:30 me@h.example",
    ):
        assert one_line("", text) == text


def test_credentials_are_found_in_time_linear_in_the_text() -> None:
    for piece in (
        ":",
        "://",
        "http:",
        r":\t\t",
        "a:",
        "//u:a",
        "//u:a ",
        "u:p:",
        "http://u:x/",
        "://u" + "/" * 99,
    ):
        for end in ("", "@"):
            without_credentials(piece * (200_000 // len(piece)) + end)
