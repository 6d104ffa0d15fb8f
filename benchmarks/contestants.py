"""Who fetches: imgfetch and its peers, each as a command for a task, and what each has proved of an image."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

IMGFETCH = (sys.executable, "-m", "imgfetch")
SCRIPTS = Path(__file__).parent / "peers"
OURS, OURS_FULL = "imgfetch --verify structure", "imgfetch"
CURL, AIOHTTP, HTTPX, PYCURL = "curl --parallel", "aiohttp script", "httpx script", "pycurl script"
GALLERY, SCRAPY, IMG2DATASET = "gallery-dl", "Scrapy ImagesPipeline", "img2dataset"
BEFORE = "imgfetch at first"
PYTHON = "{python}"
LENGTH, ANOTHER_FILE = "length", "a decode; keeps another file"


@dataclass(frozen=True, slots=True)
class Task:
    """What a tool is asked to do."""

    listing: Path
    """The URLs, one a line."""
    folder: Path
    at_once: int
    python: str
    """The interpreter that has the peers."""
    images: Path
    """Where the corpus has the images of these URLs, for who reads them there."""

    @property
    def count(self) -> int:
        """How many images are asked for."""
        return len(self.listing.read_text().split())


Command = Callable[[Task], list[str]]


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that fetches a list of URLs into a folder."""

    name: str
    proves: str
    """What it has checked of an image that it hands over."""
    command: Command
    asked: tuple[str, ...]
    """The command that prints its version, if it is here; PYTHON in it is the peers' interpreter."""
    again: str = ""
    """What a second run in the same folder does with what is there, if anything."""
    slow: bool = False
    """It is run in the first round alone."""

    @property
    def maker(self) -> str:
        """What the version is of: the first word of the name."""
        return self.name.split()[0].partition("'")[0].strip(",")


def version(tool: Tool, python: str) -> str:
    """Which version is here; nothing if none is."""
    command = [python if word == PYTHON else word for word in tool.asked]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    found = re.search(r"\d+(\.\d+)+", ran.stdout)
    return found[0] if found else "of an unknown version"


def distribution(name: str) -> tuple[str, ...]:
    """What prints the version of a distribution."""
    return PYTHON, "-c", f"import importlib.metadata as m; print(m.version('{name}'))"


def imgfetch(*options: str, program: Sequence[str] = IMGFETCH) -> Command:
    """Our command line, with these options."""

    def command(task: Task) -> list[str]:
        many = ["-j", str(task.at_once), "--per-host", str(task.at_once)]
        if program is IMGFETCH:  # an earlier version has no limit for an address
            many += ["--per-address", str(task.at_once)]
        where = ("--allow-host", "127.0.0.0/8", "--cache", str(task.folder), "-i", str(task.listing))
        return [*program, "get", "-q", *options, *many, *where]

    return command


def halved(task: Task) -> list[str]:
    """Our command line in two processes at the same time, each with half of the list, on one cache."""
    lines, command = task.listing.read_text().splitlines(keepends=True), imgfetch()
    each = []
    for half in range(2):
        listing = task.listing.with_name(f"half-{half}.txt")
        listing.write_text("".join(lines[half::2]))
        each.append(shlex.join(command(task._replace(listing=listing, at_once=task.at_once // 2))))
    return ["sh", "-c", f"{each[0]} & {each[1]} && wait $!"]


def before(checkout: Path) -> tuple[Tool, ...]:
    """An earlier version of ours, from a checkout of it."""
    # -P, or the package in the current folder would be the one that runs
    program = ("env", f"PYTHONPATH={checkout.resolve()}", sys.executable, "-P", "-m", "imgfetch")
    return tuple(
        tool._replace(
            name=f"{BEFORE}{options}",
            command=imgfetch(*options.split(), program=program),
            again="",
            slow=True,
        )
        for tool, options in zip(OWN, (" --verify structure", ""), strict=True)
    )


def script(name: str, *more: str) -> Command:
    """A script in `peers/`."""

    def command(task: Task) -> list[str]:
        arguments = (SCRIPTS / name, task.listing, task.folder, task.at_once)
        return [task.python, *map(str, arguments), *more]

    return command


def curl(*options: str) -> Command:
    """`curl --parallel`, with a configuration that names every URL and its file."""

    def command(task: Task) -> list[str]:
        configuration = task.folder.with_name("curl.conf")
        urls = enumerate(task.listing.read_text().split())
        lines = (f'url = "{url}"\noutput = "{task.folder}/{number}.webp"\n' for number, url in urls)
        configuration.write_text("".join(lines))
        many = ("--parallel", "--parallel-max", str(task.at_once))
        return ["curl", "-sS", "--fail", *many, *options, "-K", str(configuration)]

    return command


def wget2(task: Task) -> list[str]:
    """wget2, which asks about what is there with If-Modified-Since."""
    many = f"--max-threads={task.at_once}"
    return ["wget2", "-q", "-N", many, "-P", str(task.folder), "-i", str(task.listing)]


def aria2c(task: Task) -> list[str]:
    """aria2c, one connection a file."""
    return ["aria2c", "-q", f"-j{task.at_once}", "-d", str(task.folder), "-i", str(task.listing)]


def gallery_dl(*options: str) -> Command:
    """gallery-dl, which fetches one after the other."""

    def command(task: Task) -> list[str]:
        where = ("-D", str(task.folder), "-i", str(task.listing))
        return [task.python, "-m", "gallery_dl", "-q", *options, *where]

    return command


def img2dataset(*options: str) -> Command:
    """img2dataset, in a process of its own that has threads."""
    program = ("-m", "img2dataset.main", "--resize_mode", "no", "--processes_count", "1", "--retries", "0")

    def command(task: Task) -> list[str]:
        where = ("--url_list", str(task.listing), "--output_folder", str(task.folder / "out"))
        return [task.python, *program, *where, "--thread_count", str(task.at_once), *options]

    return command


def libwebp(task: Task) -> list[str]:
    """The library's own decode of the files that the corpus has."""
    return [task.python, str(SCRIPTS / "libwebp_floor.py"), str(task.images), str(task.count)]


OWN = (
    Tool(
        OURS,
        "length, structure, SHA-256; durable",
        imgfetch("--verify", "structure"),
        (*IMGFETCH, "--version"),
    ),
    Tool(
        OURS_FULL,
        "the same, and every frame decoded",
        imgfetch(),
        (*IMGFETCH, "--version"),
        again="serves what is fresh (RFC 9111), asks nobody",
    ),
)
TOOLS = (
    *OWN,
    Tool(CURL, LENGTH, curl(), ("curl", "--version")),
    Tool("wget2", LENGTH, wget2, ("wget2", "--version"), again="asks about each (If-Modified-Since)"),
    Tool("aria2c", LENGTH, aria2c, ("aria2c", "--version")),
    Tool(PYCURL, LENGTH, script("pycurl_script.py"), distribution("pycurl")),
    Tool(AIOHTTP, LENGTH, script("aiohttp_script.py"), distribution("aiohttp")),
    Tool(HTTPX, LENGTH, script("httpx_script.py"), distribution("httpx"), slow=True),
    Tool(
        GALLERY,
        LENGTH,
        gallery_dl(),
        distribution("gallery-dl"),
        again="skips what has the file's name",
    ),
    Tool(
        "Scrapy FilesPipeline",
        LENGTH,
        script("scrapy_script.py", "files"),
        distribution("Scrapy"),
        again="skips what is younger than 90 days",
        slow=True,
    ),
    Tool(
        SCRAPY,
        ANOTHER_FILE,
        script("scrapy_script.py", "images"),
        distribution("Scrapy"),
        slow=True,
    ),
    Tool(
        "img2dataset, raw",
        LENGTH,
        img2dataset("--disable_all_reencoding", "True"),
        distribution("img2dataset"),
        slow=True,
    ),
    Tool(IMG2DATASET, ANOTHER_FILE, img2dataset(), distribution("img2dataset"), slow=True),
)
UNSKIPPED = Tool(GALLERY, LENGTH, gallery_dl("--no-skip"), distribution("gallery-dl"))
"""It fetches again what has the name of a file that is there."""
OLD_CURL = Tool(f"{CURL} --http1.1", LENGTH, curl("--http1.1"), ("curl", "--version"))
UNDURABLE = OWN[0]._replace(
    name="unsynced imgfetch --verify structure",
    proves="length, structure, SHA-256; not durable",
    command=imgfetch("--verify", "structure", program=(sys.executable, str(SCRIPTS / "undurable.py"))),
)
HALVED = OWN[1]._replace(name="imgfetch, two processes", command=halved)
FLOOR = Tool(
    "libwebp's decode alone",
    "a decode; fetches and keeps nothing",
    libwebp,
    (PYTHON, str(SCRIPTS / "libwebp_floor.py")),
)
