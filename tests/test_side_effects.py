"""The library leaves the process that imports it as it is: only the command line tunes it."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

WATCH = """
    import ctypes, gc, os, signal, sys, threading, warnings
    from PIL import Image, ImageFile

    called, hooks = set(), []

    class WatchedLibrary(ctypes.CDLL):
        def __getattr__(self, name):
            called.add(name)
            return super().__getattr__(name)

    ctypes.CDLL = WatchedLibrary
    register_at_fork = os.register_at_fork

    def watched_register_at_fork(**functions):
        hooks.extend(f.__module__ for f in functions.values() if str(f.__module__).startswith("imgfetch"))
        register_at_fork(**functions)

    os.register_at_fork = watched_register_at_fork

    def state():
        return {
            "decoders": dict(Image.DECODERS),
            "pixels": Image.MAX_IMAGE_PIXELS,
            "lenient": ImageFile.LOAD_TRUNCATED_IMAGES,
            "gc": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
            "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
            "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
            "environment": dict(os.environ),
            "warnings": list(warnings.filters),
            "recursion": sys.getrecursionlimit(),
            "umask": os.umask(0o22),
        }

    os.umask(0o22)
    Image.init()  # plugins of Pillow register decoders of their own
    before = state()
"""

FETCH = """
    import io
    import imgfetch
    from imgfetch.demo.origin import Origin

    def encoded(form):
        file = io.BytesIO()
        Image.effect_noise((64, 48), 40).save(file, form)
        return file.getvalue()

    forms = ("PNG", "JPEG", "GIF", "WEBP")
    with Origin({f"/{form}": encoded(form) for form in forms}) as origin:
        for form in forms:
            image = imgfetch.fetch(f"{origin.url}/{form}", allow_hosts=["127.0.0.1"])
            assert image.format.name == form, image
            assert imgfetch.check_image(image.path.read_bytes()).format.name == form
    imgfetch.Cache().stats()
"""


def run(*programs: str) -> str:
    program = "".join(map(dedent, programs))
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_fetching_leaves_registries_collector_signals_and_allocator_alone() -> None:
    report = """
        after = state()
        print([name for name in before if before[name] != after[name]], called & {"mallopt"}, hooks)
    """
    assert run(WATCH, FETCH, report) == "[] set() []\n"


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is a function of glibc")
def test_a_program_may_tune_the_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert run(WATCH, "import imgfetch\nimgfetch.tune_memory()\nprint(called)") == "{'mallopt'}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is a function of glibc")
@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_the_environment_of_a_program_comes_before_the_tuning(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "" if name == "GLIBC_TUNABLES" else "65536")
    assert run(WATCH, "import imgfetch\nimgfetch.tune_memory()\nprint(called)") == "set()\n"
