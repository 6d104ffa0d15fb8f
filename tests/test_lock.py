"""Locks: the same bytes another day, on another machine, without a network, or a failure that says why."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import Ran
from imgfetch import Client, Failure, Image, ImgfetchError, Lock
from imgfetch.cli import main
from imgfetch.errors import InputError
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.model.values import Digest
from imgfetch.rules.http import urls
from imgfetch.rules.store import lockfile
from imgfetch.rules.store.lockfile import Pin, PinKey
from origin import Origin, status, whole
from pictures import encoded

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

LOCAL = ["--allow-host", "127.0.0.1", "--retries", "0"]
A, B, C = encoded("webp", 480, 270), encoded("webp", 800, 450), encoded("webp", 480, 300)
LOCK = Path("imgfetch.lock")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        running.route("/a", whole(A))
        running.route("/b", whole(B))
        Path("news.txt").write_text(f"{running.url}/a 480w, {running.url}/b 800w")
        yield running


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    return Ran(capsys, *arguments, *LOCAL)


def pins() -> list[dict[str, Any]]:
    header, *lines = LOCK.read_text().splitlines()
    assert json.loads(header) == {"imgfetch-lock": 1}
    return [json.loads(line) for line in lines]


# What is written


def test_a_lock_says_source_url_digest_and_width_and_is_stable(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    get = ["get", "news.txt", "-w", "500", "--lock", str(LOCK)]
    assert run(capsys, *get).images == [B]
    (pin,) = pins()
    assert (pin["source"], pin["asked"], pin["place"]) == ("news.txt", {"width": 500}, 0)
    assert (pin["url"], pin["sha256"], pin["width"]) == (f"{origin.url}/b", sha256(B), 800)

    text, changed = LOCK.read_text(), LOCK.stat().st_mtime_ns
    assert run(capsys, *get).code == 0
    assert (LOCK.read_text(), LOCK.stat().st_mtime_ns) == (text, changed)
    assert sorted(item.name for item in Path().iterdir()) == ["cache", "imgfetch.lock", "news.txt"]


def test_a_run_rewrites_the_sources_it_was_given_and_keeps_the_others(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    a, page = f"{origin.url}/a", origin.url + "/page"
    origin.route(
        "/page", whole(b"<!doctype html><img src=a><img src=b><img src=a>", content_type="text/html")
    )

    def locked(*arguments: str, code: int = 0) -> list[tuple[str, str]]:
        assert run(capsys, "get", *arguments, "--lock", str(LOCK), "--refresh").code == code
        return [(pin["source"].rpartition("/")[2], pin["url"].rpartition("/")[2]) for pin in pins()]

    assert locked(a) == [("a", "a")]
    assert locked("news.txt", "-w", "1") == [("a", "a"), ("news.txt", "a")]
    assert locked(page) == [("a", "a"), ("page", "a"), ("page", "b"), ("news.txt", "a")]
    assert locked("news.txt", "-w", "500")[-2:] == [
        ("news.txt", "a"),
        ("news.txt", "b"),
    ]  # asked for otherwise
    before = LOCK.read_text()
    origin.route("/b", status(404))
    assert locked(page, code=1)[1:3] == [("page", "a"), ("page", "b")]  # what could not be had stays
    origin.route("/page", status(503))
    assert locked(page, code=1)[1:3] == [("page", "a"), ("page", "b")]
    assert LOCK.read_text() == before
    origin.route("/page", whole(b"<!doctype html><img src=a>", content_type="text/html"))
    assert locked(page)[:3] == [
        ("a", "a"),
        ("page", "a"),
        ("news.txt", "a"),
    ]  # what is no longer offered goes


def test_no_credentials_are_written(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"{origin.url}/a".replace("//", "//u:pw@")
    assert run(capsys, "get", url, f"{url} 480w, {url}?b 800w", "-w", "1", "--lock", str(LOCK)).code == 0
    assert "pw" not in LOCK.read_text()
    shutil.rmtree("cache")
    before = origin.asked()
    assert run(capsys, "get", url, "-w", "1", "--locked").code == 0
    assert origin.asked() == before + 1
    assert origin.requests[-1].headers["authorization"].startswith("Basic ")


# What is given again


def test_a_locked_run_asks_the_locked_url_and_gives_those_very_bytes(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/b", status(404))
    get = ["get", "news.txt", "-w", "500", "--lock", str(LOCK)]
    assert run(capsys, *get).images == [A]  # it fell through
    origin.route("/b", whole(B))
    text = LOCK.read_text()
    shutil.rmtree("cache")
    before = origin.asked()
    ran = run(capsys, *get, "--locked", "--strict-width")
    assert (ran.code, ran.images, ran.err) == (0, [A], "")
    assert [request.path for request in origin.requests[before:]] == ["/a"]
    assert LOCK.read_text() == text


def test_other_bytes_under_the_same_url_are_a_failure_and_the_old_file_stays(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{origin.url}/a"
    first = run(capsys, "get", url, "--lock", str(LOCK))
    (old,) = first.out.splitlines()
    text = LOCK.read_text()
    origin.route("/a", whole(C))

    refreshed = run(capsys, "get", url, "--locked", "--refresh")
    assert (refreshed.code, refreshed.out) == (1, "")
    assert f"sha256 is {sha256(C)[:12]}…, expected {sha256(A)[:12]}…" in refreshed.err
    assert "without --locked" in refreshed.err
    assert (Path(old).read_bytes(), LOCK.read_text()) == (A, text)
    assert run(capsys, "get", url).images == [A]

    shutil.rmtree("cache")
    ran = run(capsys, "get", url, "--locked", "--json")
    assert (ran.code, json.loads(ran.out)["error"]["kind"]) == (1, "integrity")
    assert not list(Path("cache/objects-v1").rglob("*.webp"))
    assert run(capsys, "get", url, "--lock", str(LOCK)).images == [C]
    assert run(capsys, "get", url, "--locked").images == [C]


def test_the_cache_serves_a_lock_by_digest_however_old_and_under_whatever_url(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    """The URL has come to stand for other bytes; no entry tells of the old ones any more."""
    url = f"{origin.url}/a"
    assert run(capsys, "get", url, "news.txt", "-w", "1", "--lock", str(LOCK)).images == [A, A]
    origin.route("/a", whole(C))
    assert run(capsys, "get", url, "--refresh").images == [C]
    origin.route("/a", status(500))
    before = origin.asked()
    for network in ([], ["--offline"]):
        ran = run(capsys, "get", url, "news.txt", "-w", "1", "--locked", *network)
        assert (ran.code, ran.images) == (0, [A, A])
    assert run(capsys, "get", url, "--offline").images == [C]  # nothing was put back
    assert origin.asked() == before
    shutil.rmtree("cache")
    empty = run(capsys, "get", url, "-w", "1", "--locked", "--offline", "--json")
    assert json.loads(empty.out)["error"]["kind"] == "offline"


def test_damaged_bytes_are_not_given_though_they_have_the_name(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{origin.url}/a"
    (path,) = run(capsys, "get", url, "--lock", str(LOCK)).out.splitlines()
    Path(path).write_bytes(A[:-9])
    assert run(capsys, "get", url, "--locked", "--offline").code == 1
    assert run(capsys, "get", url, "--locked").images == [A]


def test_what_was_kept_unproved_is_proved_where_a_proof_is_wanted(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{origin.url}/a"
    assert run(capsys, "get", url, "--lock", str(LOCK), "--verify", "none").images == [A]
    ran = run(capsys, "get", url, "--locked", "--offline", "--json")
    assert json.loads(ran.out)["verified"] == ["structure", "decode", "sha256"]


def test_a_page_is_not_read_again_and_a_changed_text_is_noticed(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    page = origin.route("/page", whole(b"<!doctype html><img src=b><img src=a>", content_type="text/html"))
    assert sorted(run(capsys, "get", page, "news.txt", "-w", "1", "--lock", str(LOCK)).images) == sorted(
        [A, B, A]
    )
    before = origin.asked()
    assert sorted(run(capsys, "get", page, "-w", "1", "--locked").images) == sorted([A, B])
    assert origin.asked() == before

    Path("news.txt").write_text(f"Prose.\n{Path('news.txt').read_text()}\n\n{origin.url}/new 480w, x 9w")
    ran = run(capsys, "get", "news.txt", "-w", "1", "--locked", "--json")
    first, second = (json.loads(line) for line in ran.out.splitlines())
    assert {first["status"], second["status"]} == {"ok", "error"}
    assert "offers an image that is not in the lock" in ran.err
    assert origin.asked() == before


def test_what_is_not_locked_is_a_failure_that_says_what_to_do(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(word: str, *arguments: str) -> None:
        before = origin.asked()
        ran = run(capsys, "get", *arguments, "--locked", "--json")
        assert (ran.code, json.loads(ran.out)["error"]["kind"]) == (1, "not_locked")
        assert word in ran.err
        assert "run with --lock and without --locked" in ran.err
        assert origin.asked() == before

    assert run(capsys, "get", "news.txt", "-w", "1", "--lock", str(LOCK)).code == 0
    text = LOCK.read_text()
    fails('not in the lock for {"width": 500}, but for {"width": 1}', "news.txt", "-w", "500")
    fails("the source is not in the lock", f"{origin.url}/a?sig=SECRET", "-w", "1")
    own = run(capsys, "get", "news.txt", "-w", "1", "--locked", "--sha256", "ab" * 32, "--json")
    assert json.loads(own.out)["error"]["kind"] == "integrity"
    assert LOCK.read_text() == text


def test_a_retry_locks_what_it_brings_and_keeps_the_rest_of_its_source(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/c", status(500))
    Path("page.html").write_text("<img src=a><img src=b><img src=c>")
    options = ["--base", origin.url, "--lock", str(LOCK)]
    assert run(capsys, "get", "page.html", *options, "--report", "report").code == 1
    origin.route("/c", whole(C))
    assert run(capsys, "retry", "report", "--lock", str(LOCK)).code == 0
    assert [(pin["source"], pin["url"][-1], pin["place"]) for pin in pins()] == [
        ("page.html", "a", 0),
        ("page.html", "b", 1),
        ("page.html", "c", 2),
    ]
    assert sorted(run(capsys, "get", "page.html", *options, "--locked", "--offline").images) == sorted(
        [A, B, C]
    )


def test_a_warm_locked_run_imports_no_network_code(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "get", "news.txt", "--lock", str(LOCK)).code == 0
    program = (
        "import sys; from imgfetch.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'asyncio', 'httpx', 'h11', 'socket', 'ssl', 'PIL', 'tenacity', 'rich', 'anyio'}; "
        "sys.exit(code or ' '.join(heavy & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", program, "get", "news.txt", "--locked"]
    warm = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (warm.returncode, warm.stderr) == (0, "")


# Files that are none


def test_a_lock_that_cannot_be_read_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    pin = {
        "source": "a",
        "asked": {},
        "image": "0",
        "place": 0,
        "url": "https://h.example/a",
        "sha256": "ab" * 32,
        "width": 9,
    }

    def complains(word: str, *lines: object, first: object = None) -> None:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        LOCK.write_text("\n".join([json.dumps(first or {"imgfetch-lock": 1}), *texts, ""]))
        before = LOCK.read_bytes()
        for way in (["--lock", str(LOCK)], ["--locked"]):
            ran = run(capsys, "get", "https://h.example/a", *way)
            assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1), ran.err
            assert ran.err.startswith(f"imgfetch: imgfetch.lock: not a lock file: {word}"), ran.err
            assert (LOCK.read_bytes(), list(Path().iterdir())) == (before, [LOCK])

    complains("line 1: 'imgfetch-lock' is missing", first=pin)
    complains("line 1: version 2, and only 1 is known here", first={"imgfetch-lock": 2})
    complains("line 2: not JSON", "<<<<<<< HEAD")
    complains("line 4: the same image as line 2", pin, "", pin)
    complains("line 2: 'sha256' is 'ABC'", pin | {"sha256": "ABC"})
    complains("line 2: 'url': not a URL", pin | {"url": "//h.example/a"})
    complains("line 2: 'width' is 0", pin | {"width": 0})
    complains("line 2: 'width' is '9'", pin | {"width": "9"})
    complains("line 2: [] is not one of cover", pin | {"asked": {"policy": []}})
    complains("line 2: [] where an object was expected", [])
    LOCK.write_bytes(b"")
    assert "line 1: not JSON" in run(capsys, "get", "https://h.example/a", "--locked").err
    LOCK.unlink()
    assert "imgfetch.lock: no such file" in run(capsys, "get", "https://h.example/a", "--locked").err
    LOCK.mkdir()
    assert "cannot be read" in run(capsys, "get", "https://h.example/a", "--locked").err


def test_a_lock_that_could_not_be_written_is_found_out_before_anything_is_asked_for(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(capsys, "get", f"{origin.url}/a", "--lock", "nowhere/imgfetch.lock")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1), ran.err
    assert "nowhere/imgfetch.lock: cannot be written: No such file or directory" in ran.err
    assert origin.asked() == 0
    Path("elsewhere").mkdir()
    Path("link.lock").symlink_to("elsewhere/imgfetch.lock")
    assert run(capsys, "get", f"{origin.url}/a", "--lock", "link.lock").code == 0
    assert Path("elsewhere/imgfetch.lock").exists()


KEYS = st.builds(PinKey, st.text(), st.sampled_from(["{}", '{"width": 800}', '{"every": true}']), st.text())
PINS = st.lists(
    st.builds(
        Pin,
        KEYS,
        st.integers(0, 9),
        st.sampled_from(["https://h.example/a", "http://h.example:8080/b?c"]),
        st.just(Digest("ab" * 32)),
        st.integers(1, 9999),
    ),
    unique_by=lambda pin: pin.key,
)


@settings(deadline=None)
@given(PINS, st.randoms(use_true_random=False))
def test_a_lock_is_read_as_it_was_written_and_the_order_of_pins_is_its_own(
    several: list[Pin], chance: random.Random
) -> None:
    text = lockfile.dump(several)
    assert set(lockfile.parse(text)) == set(several)
    chance.shuffle(several)
    assert lockfile.dump(several) == text
    assert lockfile.dump(lockfile.parse(text)) == text


def test_a_key_is_of_what_was_offered_and_asked() -> None:
    def key(url: str = "a", **choosing: object) -> PinKey:
        return lockfile.key_of("s", choosing, SourceSet((Candidate(url, 480),), kind=SourceKind.TEXT))

    assert key() == key(width=None, policy="cover", base_url="https://h.example/")
    assert key(url="https://u:pw@h.example/a") == key(url="https://h.example/a")
    assert len({key(), key("b"), key(width=9), key(policy="largest"), key(every=True)}) == 5


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("https://u:p@h/a@b", "https://h/a@b"),
        ("https://h/a@b", "https://h/a@b"),
        ("https://u@h/a 1w, http://u:p@w@h/b 2w", "https://h/a 1w, http://h/b 2w"),
        ("news.txt", "news.txt"),
    ],
)
def test_credentials_are_left_out(text: str, bare: str) -> None:
    assert urls.source_without_userinfo(text) == bare


def test_credentials_go_to_their_own_origin_alone() -> None:
    lent = urls.with_credentials_of
    assert lent("https://u:p@h/x", "https://h/a//b") == "https://u:p@h/a//b"
    assert lent("https://u:p@h/x", "https://other/a") == "https://other/a"
    assert lent("https://u:p@h/x", "http://h/a") == "http://h/a"
    assert lent("news.txt", "https://h/a") == "https://h/a"


# Killed in the middle


def test_a_lock_is_a_regular_file(home: Path) -> None:
    os.mkfifo(LOCK)
    for path in (LOCK, Path("/dev/zero")):
        with pytest.raises(InputError, match="not a regular file"):
            Lock.read(path)
        with pytest.raises(InputError, match="not a regular file"):
            Lock().write(path)


def test_a_lock_is_the_old_or_the_new_whenever_its_writer_is_killed(home: Path) -> None:
    def pin(number: int, width: int) -> Pin:
        key = PinKey(f"https://h.example/{number}", "{}", "0")
        return Pin(key, 0, key.source, Digest("ab" * 32), width)

    texts = {lockfile.dump(pin(n, width) for n in range(3000)) for width in (1, 2)}
    program = (
        "import sys; from imgfetch.system import atomic_files\n"
        "texts = [open(n).read() for n in sys.argv[1:]]; "
        "print('ready', flush=True)\n"
        "while True:\n    for text in texts: atomic_files.replace('imgfetch.lock', text)"
    )
    for number, text in enumerate(texts):
        Path(str(number)).write_text(text)
    seen = set()
    for round_ in range(12):
        with subprocess.Popen([sys.executable, "-c", program, "0", "1"], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            while not LOCK.exists():
                time.sleep(0.001)
            time.sleep(0.003 * round_)
            writer.send_signal(signal.SIGKILL)
        assert LOCK.read_text() in texts
        seen.add(LOCK.read_text())
        Lock.read(LOCK)
    assert seen <= texts


# The library


@pytest.mark.anyio
async def test_a_client_fills_a_lock_and_another_is_held_to_it(origin: Origin, home: Path) -> None:
    page = origin.route("/page", whole(b"<!doctype html><img src=b><img src=a>", content_type="text/html"))
    lock = Lock()
    async with Client("one", lock=lock, allow_hosts=["127.0.0.1"]) as client:
        await client.get(Path("news.txt"), width=500)
        outcomes = [outcome async for outcome in client.get_many([page])]
        assert {outcome.sha256 for outcome in outcomes if isinstance(outcome, Image)} == {
            sha256(A),
            sha256(B),
        }
        await client.get(page)  # the first of its images; the other stays locked
    assert len(lock.pins) == 3
    lock.write(LOCK)

    lock = Lock.read(LOCK)
    async with Client("two", lock=lock, locked=True, allow_hosts=["127.0.0.1"]) as client:
        assert (await client.get(page)).sha256 == sha256(B)
        image = await client.get(Path("news.txt"), width=500)
        assert (image.sha256, image.choice.why) == (sha256(B), "the lock names it")
        outcomes = [outcome async for outcome in client.get_many([page, "nothing.txt", f"{origin.url}/a"])]
        kinds = sorted(outcome.kind for outcome in outcomes if isinstance(outcome, Failure))
        assert kinds == ["bad_url", "not_locked"]
        assert sum(isinstance(outcome, Image) for outcome in outcomes) == 2
        with pytest.raises(ImgfetchError, match="not in the lock"):
            await client.get(Path("news.txt"), width=501)
    assert lock.pins == Lock.read(LOCK).pins
    with pytest.raises(InputError, match="locked needs a lock"):
        Client(locked=True)


def test_the_python_of_the_documentation_runs(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[1] / "docs/locks.md").read_text(encoding="utf-8")
    assert main(["get", "news.txt", "-w", "800", *LOCAL]) == 0
    (snippet,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, check=False)
    assert (ran.stderr, ran.stdout) == ("", f"{origin.url}/b {sha256(B)}\n")
    assert origin.asked() == 1
