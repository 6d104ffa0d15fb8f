"""Names of copies: readable, safe on every system, and of one image each."""

from __future__ import annotations

import unicodedata
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from children import running
from imgfetch.cli import main
from imgfetch.outputs.copies import NAMES
from imgfetch.rules.image import name_template
from imgfetch.rules.image.safe_names import (
    LONGEST,
    REFUSED,
    folded,
    place_name,
    readable,
    safe_name,
    safe_text,
    stem_of,
)
from imgfetch.system import export
from origin import Origin, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("home")

LOCAL = ["--allow-host", "127.0.0.1", "-R", "0"]


# The name in a URL


@pytest.mark.parametrize(
    ("url", "stem"),
    [
        ("https://h.example/a/harbour-lg_1280.webp", "harbour-lg_1280"),
        ("https://h.example/%D0%BE%D1%82%D1%87%D1%91%D1%82.jpg", "отчёт"),
        ("https://h.example/%E5%89%AF%E6%9C%AC.jpg", "副本"),
        ("https://h.example/2018 副本 (1).jpg", "2018-副本-1"),
        ("https://h.example/e%CC%81te%CC%81.jpg", "été"),
        ("https://h.example/%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80.png", "हिन्दी"),
        (
            "https://cdn.example/image/fetch/w_1,c_limit/https%3A%2F%2Fb.example%2Fi%2Fefe4-6a_10x8.jpeg",
            "efe4-6a_10x8",
        ),
        ("https://cdn.example/fetch/https%253A%252F%252Fb.example%252Fa.jpg%253Fw%253D3", "a"),
        ("https://cdn.example/fetch/https://b.example/a.b.jpg", "a-b"),
        ("https://h.example/_next/image?url=%2Fimg%2Fhero.jpg&w=640", "hero"),
        ("https://h.example/v0/b/o/photos%2Fmine.png?alt=media", "mine"),
        ("https://h.example/hero.jpg/600x400", "hero"),
        ("https://h.example/hero.jpg.webp", "hero"),
        ("https://h.example/hero.jpg!w600", "hero"),
        ("https://h.example/what%3F.jpg", "what"),
        ("https://h.example/100%25.png", "100"),
        ("https://h.example/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("https://h.example/..%5C..%5Cx.jpg", "x"),
        ("https://h.example/%E2%80%AEgpj.exe", "gpj"),
        ("https://me:secret@h.example", ""),
        ("https://h.example/photo/", "photo"),
        ("data:image/png;base64,AA/BB", ""),
        ("cid:image001.png@01D9A1B2", "image001"),
        ("OEBPS/images/cover%20page.jpg", "cover-page"),
    ],
)
def test_a_stem_is_the_readable_name_at_the_end_of_a_url(url: str, stem: str) -> None:
    assert stem_of(url) == stem


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("https://news.example/2024/05/harbour-fire.html", "harbour-fire"),
        ("https://news.example/2024/harbour/", "harbour"),
        ("https://news.example/2024/harbour/index.html", "harbour"),
        ("https://news.example/", "news-example"),
        ("https://me:word@news.example/index.php?id=12&p=a%20b", "news-example-id-12-p-a-b"),
        ("https://news.example/p.html?token=SECRET&w=2&Signature=abc&x=" + 40 * "f", "p-w-2"),
        ("https://news.example/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D1%8C", "новость"),
        ("saved/news/Отчёт за год.html", "Отчёт-за-год"),
        ("saved/harbour/index.html", "harbour"),
        ("index.html", "index"),
        ("two words, and more", "two-words-and-more"),
        ("", ""),
    ],
)
def test_a_page_is_named_by_the_end_of_its_address(place: str, name: str) -> None:
    assert place_name(place) == name


@given(st.text(max_size=60))
def test_a_name_is_safe_whatever_it_is_made_of(text: str) -> None:
    for base in (
        readable(text),
        safe_text(text),
        place_name(f"https://h/{text}"),
        stem_of(f"https://h.example/{text}.jpg"),
    ):
        name = safe_name(base, "jpg")
        assert not REFUSED & set(name)
        assert not {unicodedata.category(c) for c in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert name[0] not in ".- "
        assert name == unicodedata.normalize("NFC", name)
        assert len(name.encode()) <= LONGEST + 4


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("CON", "_CON.jpg"),
        ("nul.x", "_nul.x.jpg"),
        ("com1", "_com1.jpg"),
        ("LPT³", "_LPT³.jpg"),
        ("console", "console.jpg"),
        ("a. . ", "a.jpg"),
        ("...", "image.jpg"),
        ("", "image.jpg"),
        ("--output", "output.jpg"),
        (".hidden", "hidden.jpg"),
    ],
)
def test_no_name_is_a_device_hidden_or_an_option(base: str, name: str) -> None:
    assert safe_name(base, "jpg") == name


def test_a_long_name_is_cut_between_two_characters() -> None:
    for base in ("副" * 300, "😀" * 300, "a" * 300, "é" * 300):
        name = safe_name(base, "webp", number=12)
        assert name.endswith("-12.webp")
        assert LONGEST - 4 <= len(name.encode()) <= LONGEST
        assert "\ufffd" not in name


def test_names_that_some_system_takes_for_one_are_folded_to_one() -> None:
    assert folded("Été.JPG") == folded("e\u0301te\u0301.jpg")
    assert folded("STRASSE.png") == folded("straße.png")
    assert folded("a.jpg") != folded("b.jpg")


# Templates


def filled(text: str, **fields: str | int) -> str:
    return name_template.parse(text).fill(fields)


def test_a_template_has_fields_and_widths_of_numbers() -> None:
    assert filled("{page}-{index:03}-{stem}", page="news", index=7, stem="hero") == "news-007-hero"
    assert filled("{stem}-{width}x{height}", stem="a", width=640, height=400) == "a-640x400"
    assert filled("{sha256:12}", sha256="0123456789abcdef") == "0123456789ab"
    assert filled("{stem}.{format}", stem="a", format="jpeg") == "a"
    assert filled("{{{stem}}}", stem="a") == "{a}"
    assert filled("{page}-{stem}", page="", stem="a") == "a"
    assert filled("{Product name}", **{"Product name": "Cup 3/4 <b>"}) == "Cup 3-4 -b"
    assert name_template.parse("{SKU}-{stem}").columns == ("SKU",)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{x.__class__}", "is not a field"),
        ("{stem.upper}", "is not a field"),
        ("{x[0]}", "is not a field"),
        ("{__class__}", "is not a field"),
        ("{stem!r}", "is not a field"),
        ("{0}", "is not a field"),
        ("{}", "is not a field"),
        ("{index:{width}}", "is not a field"),
        ("{index:.3f}", "has a format"),
        ("{index:9999999999}", "has a format"),
        ("{stem:>10}", "has a format"),
        ("{sha256:65}", "has a format"),
        ("a/{stem}", "a name cannot have '/'"),
        ("a:{stem}", "a name cannot have ':'"),
        ("a\n{stem}", "a name cannot have"),
        ("{stem", "expected '}'"),
        ("stem}", "Single '}'"),
        ("", "it is empty"),
    ],
)
def test_a_bad_template_is_one_line_before_any_request(
    text: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="."):
        name_template.parse(text)
    assert main(["get", "https://h.example/a.jpg", "-d", "out", f"--name={text}"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert word in err
    assert not Path("out").exists()


def test_a_field_that_an_image_has_not_is_refused_before_any_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments, word in (
        (["-d", "out", "--name", "{SKU}"], "--name has no field SKU; it has source, page,"),
        (["--name", "{stem}"], "--name goes with -d DIR"),
        (["--link"], "--link goes with -d DIR"),
    ):
        assert main(["get", "https://h.example/a.jpg", *arguments]) == 2
        assert word in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_name_from_elsewhere_has_no_effect_without_copies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGFETCH_NAME", "{stem}")
    monkeypatch.setenv("IMGFETCH_LINK", "yes")
    assert main(["get", "https://h.example/a.jpg", "--offline"]) == 1
    assert "--name" not in capsys.readouterr().err
    assert main(["get", "https://h.example/a.jpg", "--link"]) == 2


@pytest.mark.parametrize("option", ["-d", "--cache", "--report", "--lock"])
def test_a_url_is_not_a_place_to_write_to(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    for place, word in (("s3://bucket/x", "local folder"), ("file:///tmp/x", "the path alone")):
        assert main(["get", "https://h.example/a.jpg", option, place]) == 2
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1
        assert word in err
    Path("list.txt").write_text("https://h.example/a.jpg\n")
    before = sorted(Path().iterdir())
    assert main(["batch", "list.txt", "--to", "gs://me:word@bucket/x"]) == 2
    err = capsys.readouterr().err
    assert "is not a path of this machine" in err
    assert "word" not in err
    assert sorted(Path().iterdir()) == before


# Copies in a folder


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        for number, path in enumerate(
            ("/a/hero.jpg", "/b/Hero.jpg", "/c/h%C3%A9ro.jpg", "/c/he%CC%81ro.jpg")
        ):
            running.route(path, whole(encoded("jpeg", 32 + number, 24), cache_control="no-cache"))
        yield running


def got(origin: Origin, *arguments: str) -> int:
    return main(["get", *(f"{origin.url}{each}" if each[0] == "/" else each for each in arguments), *LOCAL])


def names(folder: str = "out") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if path.name != NAMES)


def test_unicode_names_are_the_ones_of_the_url(origin: Origin) -> None:
    origin.route("/%D0%BE%D1%82%D1%87%D1%91%D1%82.jpg", whole(encoded("jpeg", 32, 24)))
    nested = "/fetch/https%3A%2F%2Fb.example%2Fefe48f7d-6a0f_1000x839.jpeg"
    origin.route(nested, whole(encoded("jpeg", 33, 24)))
    assert got(origin, "/отчёт.jpg", nested, "-d", "out") == 0
    first, second = names()
    assert first.startswith("efe48f7d-6a0f_1000x839-")
    assert second.startswith("отчёт-")


def test_two_images_never_have_one_name(origin: Origin) -> None:
    paths = ("/a/hero.jpg", "/b/Hero.jpg", "/c/h%C3%A9ro.jpg", "/c/he%CC%81ro.jpg")
    assert got(origin, *paths, "-d", "out", "--name", "{stem}") == 0
    assert sorted(map(folded, names())) == ["hero-2.jpg", "hero.jpg", "héro-2.jpg", "héro.jpg"]
    assert len({Path("out", name).read_bytes() for name in names()}) == 4


def test_an_image_keeps_its_name_and_a_changed_one_replaces_its_older_copy(origin: Origin) -> None:
    both = ("/b/Hero.jpg", "/a/hero.jpg")
    for path in both:
        assert got(origin, path, "-d", "out", "--name", "{stem}") == 0
    assert names() == ["Hero.jpg", "hero-2.jpg"]
    Path("out/hero-2.jpg").touch()
    kept = Path("out/Hero.jpg").stat()
    origin.route("/a/hero.jpg", whole(encoded("jpeg", 99, 24)))
    assert got(origin, *reversed(both), "-d", "out", "--name", "{stem}", "--refresh") == 0
    assert names() == ["Hero.jpg", "hero-2.jpg"]
    assert Path("out/hero-2.jpg").read_bytes() == encoded("jpeg", 99, 24)
    now = Path("out/Hero.jpg").stat()
    assert (now.st_ino, now.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)
    origin.route("/a/hero.jpg", whole(encoded("webp", 99, 24)))
    assert got(origin, "/a/hero.jpg", "-d", "out", "--name", "{stem}", "--refresh") == 0
    assert names() == ["Hero.jpg", "hero-2.webp"]


def test_a_file_of_someone_else_is_never_replaced(origin: Origin) -> None:
    Path("out").mkdir()
    Path("out/hero.jpg").write_text("mine")
    Path("out", NAMES).write_bytes(b'{"name": "cut\n[]\n\xff\n')
    assert got(origin, "/a/hero.jpg", "-d", "out", "--name", "{stem}") == 0
    assert names() == ["hero-2.jpg", "hero.jpg"]
    assert Path("out/hero.jpg").read_text() == "mine"


def test_a_record_of_names_never_leads_out_of_the_folder(origin: Origin) -> None:
    assert got(origin, "/a/hero.jpg", "-d", "out", "--name", "{stem}") == 0
    record = Path("out", NAMES)
    record.write_text(record.read_text().replace('"name": "hero.jpg"', '"name": "../mine.jpg"'))
    Path("mine.jpg").write_text("mine")
    assert got(origin, "/a/hero.jpg", "-d", "out", "--name", "{stem}") == 0
    assert Path("mine.jpg").read_text() == "mine"
    assert record.stat().st_mode & 0o777 == 0o600


def test_an_unchanged_copy_is_not_written_again(origin: Origin) -> None:
    assert got(origin, "/a/hero.jpg", "-d", "out") == 0
    (path,) = Path("out").iterdir()
    before = path.stat()
    assert got(origin, "/a/hero.jpg", "-d", "out") == 0
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.write_bytes(b"edited")
    assert got(origin, "/a/hero.jpg", "-d", "out") == 0
    assert path.read_bytes() == encoded("jpeg", 32, 24)


def test_the_images_of_a_page_are_named_by_page_and_number(origin: Origin) -> None:
    page = "<img src=/a/hero.jpg alt='A ship'><img src=/b/Hero.jpg>"
    origin.route("/news/harbour.html", whole(page.encode(), content_type="text/html"))
    assert got(origin, "/news/harbour.html", "-d", "out", "--name", "{page}-{index:03}-{stem}") == 0
    assert names() == ["harbour-001-hero.jpg", "harbour-002-Hero.jpg"]
    assert got(origin, "/news/harbour.html", "-d", "alts", "--name", "{alt}-{width}-{host}") == 0
    assert names("alts") == ["33-127.0.0.1.jpg", "A ship-32-127.0.0.1.jpg"]


def test_many_images_of_one_name_are_numbered(origin: Origin) -> None:
    paths = [f"/{number}/x.jpg" for number in range(12)]
    for number, path in enumerate(paths):
        origin.route(path, whole(encoded("jpeg", 40 + number, 24)))
    for some in (paths[:5], paths):
        assert got(origin, *some, "-d", "out", "--name", "x") == 0
    assert len(names()) == 12
    assert {*names()} == {"x.jpg", *(f"x-{number}.jpg" for number in range(2, 13))}


def test_two_runs_at_once_give_each_image_a_name_of_its_own(origin: Origin) -> None:
    for number in range(12):
        origin.route(f"/{number}/x.jpg", whole(encoded("jpeg", 40 + number, 24)))
    sources = [[f"{origin.url}/{number}/x.jpg" for number in range(start, 12, 2)] for start in (0, 1)]
    with ExitStack() as stack:
        runs = [
            stack.enter_context(running("get", *some, "-d", "out", "--name", "x", *LOCAL)) for some in sources
        ]
        assert [run.wait(60) for run in runs] == [0, 0]
    assert len({path.read_bytes() for path in Path("out").glob("*.jpg")}) == 12
    assert {*names()} == {"x.jpg", *(f"x-{number}.jpg" for number in range(2, 13))}


# Links and copies


def test_a_link_is_the_file_in_the_cache_and_read_only(origin: Origin) -> None:
    for _ in range(2):
        assert got(origin, "/a/hero.jpg", "-d", "out", "--link") == 0
    (path,) = Path("out").iterdir()
    (stored,) = (each for each in Path("cache").rglob("*.jpg"))
    assert path.samefile(stored)
    assert path.stat().st_mode & 0o777 == 0o400
    assert got(origin, "/a/hero.jpg", "-d", "out") == 0
    assert not path.samefile(stored)
    assert path.stat().st_mode & 0o200


def test_an_edit_of_a_link_is_found_before_the_image_is_used_again(origin: Origin) -> None:
    assert got(origin, "/a/hero.jpg", "-d", "out", "--link") == 0
    (path,) = Path("out").iterdir()
    path.chmod(0o600)
    path.write_bytes(b"edited in place")
    assert got(origin, "/a/hero.jpg", "-d", "again") == 0
    (path,) = Path("again").iterdir()
    assert path.read_bytes() == encoded("jpeg", 32, 24)


def test_where_links_cannot_be_made_copies_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = tmp_path / "a.jpg"
    original.write_bytes(b"bytes" * 1_000)

    def cannot(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", cannot)
    monkeypatch.setattr("os.copy_file_range", cannot)
    copy = export.copy_to(original, tmp_path / "out", "b.jpg", link=True)
    assert copy.read_bytes() == original.read_bytes()
    assert not copy.samefile(original)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.jpg"]


def test_a_link_to_elsewhere_is_replaced_and_not_followed(origin: Origin) -> None:
    assert got(origin, "/a/hero.jpg", "-d", "out") == 0
    (path,) = Path("out").iterdir()
    Path("mine").write_text("mine")
    path.unlink()
    path.symlink_to(Path("mine").absolute())
    assert got(origin, "/a/hero.jpg", "-d", "out") == 0
    assert not path.is_symlink()
    assert Path("mine").read_text() == "mine"
