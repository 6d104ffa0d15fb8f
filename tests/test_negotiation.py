"""`Accept` names the wanted formats, and a stored response in another format answers no such request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from command import LOCAL, Ran
from origin import head, whole
from pictures import encoded

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    import pytest

    from origin import Origin, Request

JPEG, WEBP = encoded("jpeg", 64, 48), encoded("webp", 64, 48)


def negotiating(origin: Origin, path: str) -> str:
    """Serve a WebP to requests that name it, and a JPEG to all others."""

    async def answer(writer: asyncio.StreamWriter, request: Request) -> bool:
        body, kind = (WEBP, "webp") if "image/webp" in request.headers["accept"] else (JPEG, "jpeg")
        writer.write(head(content_length=len(body), content_type=f"image/{kind}", vary="Accept") + body)
        return True

    return origin.route(path, answer)


def test_an_origin_that_negotiates_gives_the_wanted_format(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = negotiating(origin, "/a")
    assert Ran(capsys, "get", url, *LOCAL, "--formats", "jpeg").images == [JPEG]


def test_runs_with_other_formats_share_no_stored_response_that_varies(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = negotiating(origin, "/a")
    runs = (("jpeg", JPEG), ("webp", WEBP), (None, WEBP), ("jpeg", JPEG), (None, WEBP))
    for formats, image in runs:
        options = () if formats is None else ("--formats", formats)
        assert Ran(capsys, "get", url, *LOCAL, *options).images == [image], formats
    assert origin.asked() == 3


def test_the_images_of_a_page_and_of_a_table_are_asked_for_in_the_wanted_formats(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = negotiating(origin, "/a")
    page = origin.route("/page", whole(f'<img src="{url}">'.encode(), content_type="text/html"))
    assert Ran(capsys, "get", page, *LOCAL, "--formats", "jpeg").images == [JPEG]
    (home / "list.txt").write_text(f"{url}?2\n")
    negotiating(origin, "/a?2")
    batch = Ran(capsys, "batch", "list.txt", "--to", "out", *LOCAL, "--formats", "jpeg", "--robots", "ignore")
    assert batch.code == 0
    assert not any("webp" in request.headers["accept"] for request in origin.requests)


def test_an_origin_that_knows_no_types_is_not_driven_to_refuse(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    async def strict(writer: asyncio.StreamWriter, request: Request) -> bool:
        accepted = "*/*" in request.headers["accept"]
        fields = {"content_type": "application/octet-stream", "content_length": len(JPEG) * accepted}
        writer.write(head(200 if accepted else 406, **fields) + JPEG * accepted)  # type: ignore[arg-type]
        return True

    url = origin.route("/a", strict)
    page = origin.route("/page", whole(f"<img src={url}>".encode(), content_type="text/html"))
    assert Ran(capsys, "get", page, *LOCAL, "--formats", "jpeg").images == [JPEG]


def test_a_response_in_another_format_that_does_not_say_what_it_varies_by_is_asked_for_again(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(writer: asyncio.StreamWriter, request: Request) -> bool:
        body = WEBP if "image/webp" in request.headers["accept"] else JPEG
        writer.write(head(content_length=len(body), cache_control="max-age=600") + body)
        return True

    url = origin.route("/a", answer)
    for formats, image in ((None, WEBP), ("jpeg", JPEG), ("jpeg", JPEG), ("webp", WEBP)):
        options = () if formats is None else ("--formats", formats)
        assert Ran(capsys, "get", url, *LOCAL, *options).images == [image], formats
    assert origin.asked() == 3


def test_a_field_of_the_caller_replaces_ours(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = negotiating(origin, "/a")
    ran = Ran(capsys, "get", url, *LOCAL, "--formats", "webp,jpeg", "-H", "Accept: image/jpeg")
    assert ran.images == [JPEG]
