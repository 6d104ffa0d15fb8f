"""The same faults for other tools: what each leaves on disk, and whether it says so.

    python tests/peers.py    writes the table at the end of docs/faults.md

A tool that is not there is left out.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from faults import DOCUMENT, FAULTS, IMAGE, PEERS, Fault
from origin import Origin, redirect, whole

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 20
MOST_BYTES = 100_000_000

SPELLED = (
    "end-in-body end-in-body-once end-one-byte-early reset-in-body until-close-cut chunk-no-last "
    "length-too-short silence-in-body drip endless-head endless-body headers-endless header-1-mb "
    "status-404-image status-429-once retry-after-503 retry-after-a-day-503 empty html-as-image "
    "unasked-206 unasked-206-tail redirect-loop redirect-file redirect-bracket gzip gzip-cut gzip-bomb "
    "jpeg-half png-half webp-cut png-flipped png-65535 xml-bomb wrong-repr-digest-256 wrong-content-md5 "
    "resume-changed resume-lies-other-start resume-spliced two-jpegs-spliced "
)
NAMES = SPELLED.split()


class Left(NamedTuple):
    """What a tool left behind."""

    code: int | None
    """Its exit code; None where it did not end in time."""
    files: tuple[bytes, ...]


class Tool(NamedTuple):
    """How a tool is asked to fetch a URL into a folder, and how it says which version it is."""

    fetch: Callable[[str, str], list[str]]
    version: list[str]


POOCH = """
import sys, pooch
shelf = pooch.create(sys.argv[2], "", retry_if_failed=2, registry={"a": None}, urls={"a": sys.argv[1]})
shelf.fetch("a", downloader=pooch.HTTPDownloader(timeout=3))
"""
OURS = [sys.executable, "-m", "imgfetch"]
OUR_OPTIONS = ("-R2", "--read-timeout=3", "--total-timeout=12", "--allow-host=127.0.0.1")
PYTHON = os.environ.get("PEERS_PYTHON", sys.executable)
TOOLS = {
    "imgfetch": Tool(
        lambda url, to: [*OURS, "get", url, "-d", to, "--cache", f"{to}-cache", *OUR_OPTIONS],
        [*OURS, "--version"],
    ),
    "curl": Tool(
        lambda url, to: ["curl", "-fsSL", "--retry", "2", "--max-time", "5", "-o", f"{to}/a", url],
        ["curl", "--version"],
    ),
    "wget": Tool(
        lambda url, to: ["wget", "-q", "--tries=3", "--waitretry=1", "--timeout=3", "-P", to, url],
        ["wget", "--version"],
    ),
    "wget2": Tool(
        lambda url, to: ["wget2", "-q", "--tries=3", "--waitretry=1", "--timeout=3", "-P", to, url],
        ["wget2", "--version"],
    ),
    "aria2c": Tool(
        lambda url, to: ["aria2c", "-q", "--max-tries=3", "--retry-wait=1", "--timeout=3", "-d", to, url],
        ["aria2c", "--version"],
    ),
    "pooch": Tool(
        lambda url, to: [PYTHON, "-c", POOCH, url, to],
        [PYTHON, "-c", "import pooch; print('pooch', pooch.__version__)"],
    ),
}

DATASET = Tool(
    lambda urls, to: [
        *(str(Path(PYTHON).with_name("img2dataset")), f"--url_list={urls}", f"--output_folder={to}"),
        *("--retries=2", "--timeout=3", "--resize_mode=no", "--thread_count=16"),
    ],
    [PYTHON, "-c", "from importlib.metadata import version; print(version('img2dataset'))"],
)


def main() -> None:
    """Try every tool on every fault, and write down what became of it."""
    found = {name: tool for name, tool in TOOLS.items() if _version(name, tool)}
    with Origin() as origin, TemporaryDirectory() as folder, ThreadPoolExecutor(6) as pool:
        faults = [*(fault for fault in FAULTS if fault.name in NAMES), _into_the_house(origin)]
        assert len(faults) == len(NAMES) + 1

        def row(fault: Fault) -> dict[str, str]:
            tried = {
                name: _word(fault, _try(fault, tool, origin, Path(folder) / name / fault.name))
                for name, tool in found.items()
            }
            print(fault.name, tried, flush=True)
            return tried

        rows = dict(zip((fault.story for fault in faults), pool.map(row, faults), strict=True))
        if _version("img2dataset", DATASET):
            found["img2dataset"] = DATASET
            words = _dataset(faults, origin, Path(folder) / "dataset")
            for fault in faults:
                rows[fault.story]["img2dataset"] = words[fault.name]
    before = DOCUMENT.read_text(encoding="utf-8").partition(PEERS)[0]
    DOCUMENT.write_text(before + PEERS + _table(found, rows), encoding="utf-8")


def _dataset(faults: list[Fault], origin: Origin, place: Path) -> dict[str, str]:
    """img2dataset: in one go, since it takes long to start. What would never end would hold up the others."""
    tried = [fault for fault in faults if not fault.name.startswith(("endless", "headers-endless", "drip"))]
    urls = [origin.route(fault.path, *fault.answers) for fault in tried]
    Path(f"{place}.txt").write_text("\n".join(urls))
    subprocess.run(
        DATASET.fetch(f"{place}.txt", str(place)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": "", "NO_ALBUMENTATIONS_UPDATE": "1"},
        timeout=300,
        check=True,
    )
    words = dict.fromkeys((fault.name for fault in faults), "not tried")
    for number, fault in enumerate(tried):
        kept = [path.read_bytes() for path in place.rglob(f"{number:09}.jpg")]
        # it codes every image anew, as JPEG
        right = fault.kind is None or fault.name == "redirect-inside"
        files = (fault.body,) if kept and right else tuple(kept)
        words[fault.name] = _word(fault, Left(0 if kept else 1, files))
    return words


def _into_the_house(origin: Origin) -> Fault:
    """A redirect to an address that only this machine can reach, where something is to be had."""
    origin.route("/secret", whole(IMAGE))
    inside = origin.door(host="127.0.0.2") + "/secret"
    fault = next(fault for fault in FAULTS if fault.name == "redirect-internal")
    story = "redirects to an internal address, where an image lies"
    return replace(fault, name="redirect-inside", story=story, answers=(redirect(inside),))


def _try(fault: Fault, tool: Tool, origin: Origin, place: Path) -> Left:
    place.mkdir(parents=True)
    url = origin.route(fault.path, *fault.answers)
    process = subprocess.Popen(
        tool.fetch(url, str(place)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_with_a_small_disk,
    )
    code: int | None = None
    with process:
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    files = [path for path in place.rglob("*") if path.is_file() and path.suffix != ".aria2"]
    return Left(code, tuple(path.read_bytes() for path in files))


def _with_a_small_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))


def _word(fault: Fault, left: Left) -> str:
    # of bytes that a digest denies nobody can say that they are the image
    right = fault.body in left.files and not (fault.kind and fault.section == "integrity")
    if left.code is None:
        return f"no end; leaves {sum(map(len, left.files)):,} bytes" if any(left.files) else "no end"
    if left.code == 0 and fault.name == "redirect-inside" and right:
        return "**goes there**"
    if left.code == 0 and (fault.kind is None or right):
        return "the image" if right else f"**keeps {sum(map(len, left.files)):,} other bytes**"
    if left.code == 0 and left.files:
        return f"**keeps {sum(map(len, left.files)):,} bytes**"
    if left.code == 0:
        return "**says nothing**"
    return f"error; leaves {sum(map(len, left.files)):,} bytes" if any(left.files) else "error"


def _table(found: dict[str, Tool], rows: dict[str, dict[str, str]]) -> str:
    kept = Counter(name for row in rows.values() for name, word in row.items() if word.startswith("**"))
    versions = ", ".join(filter(None, (_version(name, tool) for name, tool in found.items())))
    lines = [
        f"| the origin … | {' | '.join(found)} |",
        f"|---|{'---|' * len(found)}",
        *(f"| {story} | {' | '.join(row[name] for name in found)} |" for story, row in rows.items()),
        f"| **taken for an image that is none** | {' | '.join(str(kept[name]) for name in found)} |",
    ]
    return INTRODUCTION.format(versions=versions, seconds=SECONDS) + "\n".join(lines) + "\n"


INTRODUCTION = """
## Beside other tools

Each tool may send three requests, and has {seconds} seconds and 100 MB. It waits 3 seconds for the next bytes if it has an
option for that (curl: 5 for everything). No option makes it check more than by default. *Error* is an exit code other
than 0 (img2dataset: no image in its folder), and *leaves* is the content of the file afterwards. A result in **bold**
was reported as a success. These tools cannot know some of it: all but imgfetch and img2dataset fetch files of any kind,
and do not look into them. The versions were {versions}.

`PEERS_PYTHON=… python tests/peers.py` writes this table. The variable names an interpreter that has pooch and
img2dataset. The latter decodes each image, and stores it encoded anew. It got all faults at once, except those that
never end.

"""  # noqa: E501 (a line of Markdown)


def _version(name: str, tool: Tool) -> str:
    """The name and version of a tool; nothing where it is not there."""
    if shutil.which(tool.version[0]) is None:
        return ""
    said = ""
    with suppress(subprocess.SubprocessError):
        said = subprocess.run(tool.version, capture_output=True, text=True, check=True).stdout
    words = [word.lstrip("v") for word in said.split() if word.lstrip("v")[:1].isdigit()]
    return f"{name} {words[0]}" if words else ""


if __name__ == "__main__":
    main()
