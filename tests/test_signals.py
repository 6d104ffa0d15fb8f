"""SIGINT and SIGTERM end a run in time and without a traceback, whenever they come, whatever is decoded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hostile import apng
from imgfetch.cli import main
from origin import Origin, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PICK = ("pick", "a.webp 480w, b.webp 960w", "-w", "800")
LOCAL = ("--allow-host", "127.0.0.1", "-R", "0")

STEP = """
import os, signal, sys
number, at, seen = int(sys.argv[1]), int(sys.argv[2]), 0

def trace(frame, event, _):
    global seen
    if "imgfetch" in frame.f_code.co_filename:
        seen += 1
        if seen == at:
            sys.settrace(None)
            os.kill(os.getpid(), number)
    return trace

sys.argv[1:] = sys.argv[3:]
from imgfetch.__main__ import entry
sys.settrace(trace)
entry()
"""
"""Sends a signal to itself at the n-th line of ours that runs, as the console script would run it."""


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Origin, str]]:
    """An image within all limits whose decode takes far longer than any of these tests may."""
    monkeypatch.chdir(tmp_path)
    with Origin() as origin:
        yield origin, origin.route("/bomb.png", whole(apng(3_600, 23)))


def under_way(process: subprocess.Popen[str], origin: Origin, path: str) -> None:
    """Wait until the body is there and its decode has begun."""
    while not origin.asked(path):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(1)
    assert process.poll() is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("how", [(), ("--sandbox",)], ids=("here", "sandbox"))
def test_a_signal_ends_a_run_in_the_middle_of_a_decode(
    bomb: tuple[Origin, str], number: int, code: int, how: tuple[str, ...]
) -> None:
    origin, url = bomb
    with started("-m", "imgfetch", "get", url, *LOCAL, *how) as process:
        under_way(process, origin, "/bomb.png")
        process.send_signal(number)
        out, err = process.communicate(timeout=6)
    assert (process.returncode, out, len(err.splitlines())) == (code, "", 1), err


def test_the_time_limit_covers_the_decode_and_the_failure_says_so(bomb: tuple[Origin, str]) -> None:
    _, url = bomb
    with started("-m", "imgfetch", "get", url, *LOCAL, "--total-timeout", "1s") as process:
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(
        f"imgfetch: {url}: the image was not decoded within the time limit of 1 s; "
        "--total-timeout sets the limit"
    ), err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_deep_check_of_the_cache_in_the_middle_of_a_decode(
    bomb: tuple[Origin, str], number: int, code: int
) -> None:
    _, url = bomb
    with started("-m", "imgfetch", "get", url, *LOCAL, "--verify", "structure") as process:
        process.communicate(timeout=20)
    assert process.returncode == 0
    with started("-m", "imgfetch", "cache", "verify", "--deep") as process:
        time.sleep(2)
        assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=6)
    assert (process.returncode, out, len(err.splitlines())) == (code, "", 1), err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 2, 7, 30, 100, 300, 1_000, 2_500])
def test_a_signal_at_any_line_of_the_start_prints_no_traceback(
    number: int, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with started("-c", STEP, str(number), str(at), *PICK) as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, (process.returncode, err)
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 1


def test_an_interrupt_while_python_imports_us_prints_no_traceback() -> None:
    """At many instants; what comes before our first line, Python itself answers."""
    for delay in range(20):
        with started("-m", "imgfetch", *PICK) as process:
            time.sleep(0.03 + delay * 0.01)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert "imgfetch/cli" not in err, err


def test_a_signal_that_the_shell_ignores_stays_ignored(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + STEP
    with started("-c", program, str(int(signal.SIGINT)), "300", *PICK) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out.splitlines()[0]) == (0, "b.webp"), err


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (
            ("--decode-memory", "100M"),
            "for one image; --decode-memory sets the limit",
        ),
        (
            ("--max-total-pixels", "100M"),
            "100,000,000 in all; --max-total-pixels sets the limit",
        ),
        (("--max-frames", "9"), "23 frames, the limit is 9; --max-frames sets the limit"),
    ],
)
def test_an_image_that_is_too_large_to_decode_names_the_option_that_sets_the_limit(
    bomb: tuple[Origin, str], limit: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = bomb
    assert main(["get", url, *LOCAL, *limit]) == 1
    assert message in capsys.readouterr().err


STUBBORN = """
import time
from imgfetch.cli.process import signals

signals.install()
with signals.in_command():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except BaseException:
        print("tidying up", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_does_not_end_after_a_signal_is_ended(number: int, code: int) -> None:
    with started("-c", STUBBORN) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, len(err.splitlines())) == (code, "tidying up\n", 1), err


def test_a_second_signal_ends_a_run_at_once() -> None:
    with started("-c", STUBBORN) as process:
        assert process.stdout is not None
        for said in ("ready\n", "tidying up\n"):
            assert process.stdout.readline() == said
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=2.5)
    assert (process.returncode, err) == (130, "")
