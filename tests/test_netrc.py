"""User and password of a netrc go to the origin of the source alone, and are never shown."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from command import LOCAL, Ran
from imgfetch import Client, InputError
from imgfetch.api.secret_files import netrc_of
from origin import redirect, whole
from pictures import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from origin import Origin

PIXEL = encoded("png", 9, 9)
PASSWORD = "p:ä% w0rd"
BASIC = "Basic " + b64encode(f"alice:{PASSWORD}".encode()).decode()


def netrc(home: Path, text: str = "", *, name: str = "passwords") -> tuple[str, str]:
    (home / name).write_text(text or f'machine 127.0.0.1 login alice password "{PASSWORD}"\n')
    (home / name).chmod(0o600)
    return "--netrc-file", name


def told(origin: Origin) -> list[str | None]:
    return [request.headers.get("authorization") for request in origin.requests]


def test_a_netrc_gives_user_and_password_for_the_origin_of_the_source(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(PIXEL))
    assert Ran(capsys, "get", url, *netrc(home), *LOCAL).images == [PIXEL]
    assert told(origin) == [BASIC]


def test_the_file_in_the_home_directory_is_read_only_if_that_is_asked_for(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    netrc(home, name=".netrc")
    url = origin.route("/a.png", whole(PIXEL))
    Ran(capsys, "get", url, *LOCAL)
    Ran(capsys, "get", url, "--netrc", *LOCAL)
    assert told(origin) == [None, BASIC]


def test_a_home_file_that_others_can_read_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    netrc(home, name=".netrc")
    (home / ".netrc").chmod(0o644)
    ran = Ran(capsys, "get", "http://127.0.0.1/a.png", "--netrc")
    assert ran.code == 2
    assert "others can read it; chmod 600" in ran.err


def test_no_page_and_no_redirect_has_them_sent_elsewhere(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    other = origin.door()
    for path, width in (("/own.png", 9), ("/other.png", 8), ("/there.png", 7)):
        origin.route(path, whole(encoded("png", width, 9)))
    origin.route("/moved.png", redirect(f"{other}/there.png"))
    markup = f"<img src=/own.png><img src={other}/other.png><img src=/moved.png>"
    page = origin.route("/page", whole(markup.encode(), content_type="text/html"))
    assert len(Ran(capsys, "get", page, *netrc(home), *LOCAL).images) == 3
    found = {request.path: request.headers.get("authorization") for request in origin.requests}
    assert found == {
        "/page": BASIC,
        "/own.png": BASIC,
        "/other.png": None,
        "/moved.png": BASIC,
        "/there.png": None,
    }


def test_what_the_caller_writes_for_the_url_wins(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(PIXEL))
    Ran(capsys, "get", url.replace("//", "//u:p@"), *netrc(home), *LOCAL)
    Ran(capsys, "get", url, "-H", "Authorization: Bearer x", *netrc(home), *LOCAL)
    assert told(origin) == ["Basic " + b64encode(b"u:p").decode(), "Bearer x"]


def test_an_entry_without_a_host_stands_for_any(home: Path) -> None:
    netrc(home, "machine a.example login u password p\ndefault login anonymous password me@h\n")
    assert netrc_of("passwords") == {"a.example": "u:p", "": "anonymous:me%40h"}
    assert netrc_of(source=False) == {}


def test_a_response_to_a_password_answers_no_request_without_it(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(PIXEL, cache_control="max-age=600"))
    for option in (netrc(home), (), netrc(home), ()):
        Ran(capsys, "get", url, *option, *LOCAL)
    assert origin.asked() == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("machine h.example login u passwort s3cret\n", "cannot be read near line 1"),
        ("\n\ns3cret\n", "cannot be read near line"),
        (None, "no such file"),
        ("\udcff", "cannot be read"),
    ],
)
def test_an_unusable_file_is_named_without_its_text(
    text: str | None, words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (home / "passwords").write_text(text, errors="surrogateescape")
    ran = Ran(capsys, "get", "http://h.example/a.png", "--netrc-file", "passwords")
    assert ran.code == 2
    assert words in ran.err
    assert "s3cret" not in ran.err
    with pytest.raises(InputError, match="passwords"):
        Client(netrc="passwords")


def test_no_password_is_shown(home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    url = origin.route("/a.png", whole(PIXEL))
    option, shown = netrc(home), ""
    for command in (("get", url, "-v", "--json", *LOCAL), ("explain", f"{url}?new")):
        ran = Ran(capsys, *command, *option)
        shown += ran.out + ran.err
    assert "authorization: …" in shown
    assert not any(secret in shown for secret in (PASSWORD, BASIC, "p%3A", "w0rd"))
