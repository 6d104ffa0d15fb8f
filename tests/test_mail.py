"""Mails and saved pages: each image by the URL that the mail means, or from the mail itself."""

from __future__ import annotations

import json
import os
import tracemalloc
from base64 import encodebytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from time import process_time

import pytest

from command import Ran
from imgfetch import find_images
from pictures import encoded

PNG, JPEG = encoded("png", 30, 20), encoded("jpeg", 40, 30)


def newsletter(
    html: str = "<img src=cid:hero@h><img src=https://h.example/a.jpg>", **plain: str
) -> EmailMessage:
    """Return a mail with a text in two forms, and an image for `cid:hero@h`."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "n@h.example", "r@h.example", "Weekly"
    mail.set_content(plain.get("plain", "Hello"))
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    (_, page) = mail.iter_parts()
    assert isinstance(page, EmailMessage)
    page.add_related(PNG, "image", "png", cid="<hero@h>", filename="hero.png")
    return mail


def urls_in(data: bytes, media_type: str = "message/rfc822", **options: str) -> list[str]:
    found = find_images(data, media_type=media_type, **options)
    return [candidate.url for image in found for candidate in image.candidates]


def lines(*text: str) -> bytes:
    return "\r\n".join(text).encode()


# What is found


def test_quoted_printable_is_undone() -> None:
    mail = newsletter(
        '<table><tr><td background="https://h.example/bg.jpg?u=1&amp;s=2"><img src="/x.png"></table>'
    )
    assert b"=3D" in bytes(mail)
    assert urls_in(bytes(mail), base_url="https://h.example/")[:2] == [
        "https://h.example/bg.jpg?u=1&s=2",
        "https://h.example/x.png",
    ]


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1251"])
def test_the_charset_of_the_part_is_used(encoding: str, charset: str) -> None:
    alt = "Привет" if charset == "windows-1251" else "Größe"
    mail = EmailMessage(policy=SMTP)
    mail.set_content(
        f"<meta charset=3Dkoi8-r><img src=https://h.example/a.jpg alt={alt}>",
        subtype="html",
        charset=charset,
        cte=encoding,
    )
    (image,) = find_images(bytes(mail), media_type="message/rfc822")
    assert image.alt == alt


def test_an_image_of_the_mail_is_its_own_body_and_counts_once() -> None:
    hero, other = find_images(bytes(newsletter()), media_type="message/rfc822")
    assert [(body.url, body.read(10**6)) for body in hero.embedded] == [("cid:hero@h", PNG)]
    assert (other.candidates[0].url, other.embedded) == ("https://h.example/a.jpg", ())


def test_attached_images_are_images_of_their_own() -> None:
    mail = newsletter()
    mail.make_mixed()
    mail.add_attachment(JPEG, "image", "jpeg", filename="holiday größe.jpg")
    mail.add_attachment(JPEG, "application", "octet-stream", filename="scan")
    mail.add_attachment(b"%PDF-1.7 ...", "application", "pdf", filename="bill.pdf")
    found = find_images(bytes(mail), media_type="message/rfc822")
    assert [(image.kind, image.candidates[0].url) for image in found[2:]] == [
        ("file", "mail:///holiday%20gr%C3%B6%C3%9Fe.jpg"),
        ("file", "mail:///scan"),
    ]
    assert [image.embedded[0].read(10**6) for image in found[2:]] == [JPEG, JPEG]


def test_what_the_plain_text_repeats_counts_once() -> None:
    shown, other = (f"http://h/{one}.jpg 1x, http://h/{two}.jpg 2x" for one, two in ("ab", "cd"))
    plain, html = f"{shown}\n\n{other}", f"<img srcset='{shown}'>"
    found = urls_in(bytes(newsletter(html, plain=plain)))
    assert [url[-5:] for url in found[:4]] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert len(found) == 5


def test_flowed_text_is_joined_before_it_is_read() -> None:
    text = lines(
        "From: a@h.example",
        "Content-Type: text/plain; format=flowed; delsp=yes",
        "",
        "https://h.example/a-very-long- ",
        "name.jpg 480w, ",
        " https://h.example/b.jpg 960w",
    )
    assert urls_in(text) == ["https://h.example/a-very-long-name.jpg", "https://h.example/b.jpg"]


def test_a_relative_url_in_a_mail_without_addresses_names_a_part_by_its_file_name() -> None:
    (found,) = find_images(bytes(newsletter("<img src='hero.png'>")), media_type="message/rfc822")
    assert (found.kind, len(found.embedded)) == ("img", 1)
    relative, attached = find_images(
        bytes(newsletter("<base href=https://h.example/><img src='hero.png'>")), media_type="message/rfc822"
    )
    assert (relative.candidates[0].url, relative.embedded) == ("https://h.example/hero.png", ())
    assert attached.kind == "file"


def test_a_mail_within_a_mail_has_parts_of_its_own() -> None:
    outer = newsletter("<img src=cid:hero@h alt=outer>")
    inner = newsletter("<img src=cid:hero@h alt=inner>")
    outer.make_mixed()
    outer.add_attachment(inner)
    found = find_images(bytes(outer), media_type="message/rfc822")
    assert [image.alt for image in found] == ["outer", "inner"]
    assert all(len(image.embedded) == 1 for image in found)


def test_the_mails_of_an_mbox_are_read_one_by_one() -> None:
    one = newsletter("<img src=https://h.example/1.jpg>").as_bytes(policy=SMTP.clone(linesep="\n"))
    two = newsletter("<img src=https://h.example/2.jpg>").as_bytes(policy=SMTP.clone(linesep="\n"))
    mbox = b"From a@h Mon Jan  1 00:00:00 2024\n" + one + b"\n\nFrom b@h Mon Jan  1 00:00:00 2024\n" + two
    found = find_images(mbox)
    assert [image.candidates[0].url[-5:] for image in found] == ["1.jpg", "o.png", "2.jpg", "o.png"]


# Saved pages


def mhtml(*parts: bytes, head: str = "Snapshot-Content-Location: https://h.example/dir/page.html") -> bytes:
    begin = lines(
        "From: <Saved by Blink>",
        head,
        "MIME-Version: 1.0",
        'Content-Type: multipart/related; boundary="--x"',
        "",
        "",
    )
    return begin + b"".join(b"\r\n----x\r\n" + part for part in parts) + b"\r\n----x--\r\n"


PAGE = lines(
    "Content-Type: text/html",
    "Content-ID: <frame-1@mhtml.blink>",
    "Content-Transfer-Encoding: quoted-printable",
    "Content-Location: https://h.example/dir/page.html",
    "",
    "<link rel=3Dstylesheet href=3Dcid:css-1@mhtml.blink><img src=3Dhttps://h.example/dir/a.png#x>",
    "<img src=3D../missing.png><iframe src=3Dcid:frame-2@mhtml.blink></iframe>",
)
IMAGE = (
    lines(
        "Content-Type: image/png",
        "Content-Transfer-Encoding: base64",
        "Content-Location: https://h.example/dir/",
        " a.png",
        "",
    )
    + b"\r\n"
    + encodebytes(PNG)
)
STYLE = lines(
    "Content-Type: text/css",
    "Content-Location: cid:css-1@mhtml.blink",
    "",
    'body { background: url("https://h.example/bg.jpg") }',
)
FRAME = lines("Content-Type: text/html", "Content-Location: https://other.example/f/", "", "<img src=b.jpg>")
BACKGROUND = (
    lines(
        "Content-Type: image/jpeg",
        "Content-Transfer-Encoding: base64",
        "Content-Location: https://h.example/bg.jpg",
        "",
    )
    + b"\r\n"
    + encodebytes(JPEG)
)


def test_a_saved_page_gives_its_images_with_their_urls_and_bodies() -> None:
    unused = STYLE.replace(b"}", b"} .x { background: url(https://h.example/unused.png) }")
    found = find_images(mhtml(PAGE, IMAGE, unused, FRAME, BACKGROUND))
    assert [(image.candidates[0].url, len(image.embedded), image.page) for image in found] == [
        ("https://h.example/dir/a.png#x", 1, "https://h.example/dir/page.html"),
        ("https://h.example/missing.png", 0, "https://h.example/dir/page.html"),
        ("https://h.example/bg.jpg", 1, "https://h.example/dir/page.html"),
        ("https://other.example/f/b.jpg", 0, "https://other.example/f/"),
    ]
    assert found[2].embedded[0].read(10**6) == JPEG


def test_an_image_that_only_a_script_has_loaded_has_its_own_url() -> None:
    (found,) = find_images(mhtml(IMAGE))
    assert (found.kind, found.candidates[0].url) == ("file", "https://h.example/dir/a.png")


def test_relative_locations_are_resolved_against_those_around_them() -> None:
    page = lines("Content-Type: text/html", "Content-Location: page.html", "", "<img src=a.png>")
    image = (
        lines("Content-Type: image/png", "Content-Location: a.png", "Content-Transfer-Encoding: base64", "")
        + b"\r\n"
        + encodebytes(PNG)
    )
    (found,) = find_images(mhtml(page, image, head="Content-Base: http://h.example/x/"))
    assert found.candidates[0].url == "http://h.example/x/a.png"
    (found,) = find_images(mhtml(page, image, head="Date: today"))
    assert (found.candidates[0].url, len(found.embedded)) == ("a.png", 1)


# get


@pytest.mark.usefixtures("home")
def test_get_keeps_the_images_of_a_mail_without_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    mail = newsletter("<img src=cid:hero@h>")
    mail.make_mixed()
    mail.add_attachment(JPEG, "image", "jpeg", filename="holiday.jpg")
    Path("mail.eml").write_bytes(bytes(mail))
    for _ in range(2):
        ran = Ran(capsys, "get", "mail.eml", "-d", "copies", "--offline", "--json")
        found = sorted(map(json.loads, ran.lines), key=lambda image: int(image["place"]))
        assert [Path(image["path"]).read_bytes() for image in found] == [PNG, JPEG], ran.err
        assert [image["origin"] for image in found] == ["embedded", "embedded"]
        assert (ran.code, found[1]["url"]) == (0, "mail:///holiday.jpg")
    assert [path.name.rpartition("-")[0] for path in sorted(Path("copies").iterdir())] == ["hero", "holiday"]


@pytest.mark.usefixtures("home")
def test_a_mail_that_names_a_local_file_does_not_open_it() -> None:
    Path("secret.png").write_bytes(PNG)
    for url in ("file:secret.png", Path("secret.png").absolute().as_uri()):
        for image in find_images(bytes(newsletter(f"<img src={url}>")), media_type="message/rfc822"):
            assert all(body.url != url for body in image.embedded)


# Bad input


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/mixed"])
def test_a_mail_of_a_thousand_levels_is_read_as_far_as_32_and_says_so(kind: str) -> None:
    deep = b"".join(
        f"Content-Type: {kind}; boundary=b{level}\n\n".encode()
        + (b"" if kind == "message/rfc822" else f"--b{level}\n".encode())
        for level in range(1000)
    )
    mail = (
        lines("MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=outer", "", "--outer", "")
        + deep
        + lines("", "--outer", "Content-Type: text/html", "", "<img src=http://h.example/a.png>", "--outer--")
    )
    start = process_time()
    found = find_images(mail, media_type="message/rfc822")
    assert process_time() - start < 5
    *images, last = found
    assert not last.candidates
    assert "more than 32" in last.problems[0].reason
    if kind == "multipart/mixed":  # in the other the deepest mail swallows the rest, as its last part
        assert [image.candidates[0].url for image in images] == ["http://h.example/a.png"]


def test_a_mail_of_too_many_parts_is_read_as_far_as_the_limit_and_says_so() -> None:
    parts = b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n" * 60_000
    found = find_images(
        lines("Content-Type: multipart/mixed; boundary=b", "", "") + parts, media_type="message/rfc822"
    )
    assert len(found) == 20_000
    assert found[-1].problems[0].reason == "parts of the mail are left out: there are more than 20,000"


def test_a_truncated_mail_gives_what_is_there() -> None:
    whole = bytes(newsletter())
    for end in range(0, len(whole), 37):
        find_images(whole[:end], media_type="message/rfc822")
    half = whole[: whole.index(b"iVBOR") + 40]
    hero, _ = find_images(half, media_type="message/rfc822")
    data = hero.embedded[0].read(10**6)
    assert isinstance(data, bytes)
    assert PNG.startswith(data)


@pytest.mark.parametrize(
    "noise",
    [
        b"\0",
        b"--b\r\n",
        b"Content-Type: ;;;;\r\n",
        b'Content-Type: a/b; x="',
        b"=?utf-8?q?",
        b"\r\n\r\n",
        b"From ",
    ],
)
def test_noise_never_raises(noise: bytes) -> None:
    for data in (
        noise * 3000,
        lines("Content-Type: multipart/mixed; boundary=b", "", "--b", "") + noise * 3000,
    ):
        find_images(data, media_type="message/rfc822")


def test_ten_megabytes_take_linear_time_and_ten_times_their_size_at_most() -> None:
    def seconds(size: int) -> float:
        mail = newsletter("<img src=cid:hero@h>" + "<p>" + "text " * (size // 10))
        mail.make_mixed()
        mail.add_attachment(os.urandom(size * 3 // 8), "image", "png", filename="x.png")
        data = bytes(mail)
        start = process_time()
        assert len(find_images(data, media_type="message/rfc822")) == 2
        taken = process_time() - start
        tracemalloc.start()
        for image in find_images(data, media_type="message/rfc822"):
            assert image.embedded[0].read(10**8)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * len(data)
        return taken

    few = max(seconds(250_000), 0.01)
    assert seconds(2_000_000) < 24 * few


@pytest.mark.usefixtures("home")
def test_a_missing_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.eml").write_bytes(bytes(newsletter("<img src=cid:missing@h>")))
    ran = Ran(capsys, "get", "a.eml", "--offline")
    assert "cid:missing@h: no part of a mail with this Content-ID is at hand (in a.eml)" in ran.err
