"""`imgfetch doctor`: what is there, what is missing, and that nothing comes of looking."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import features

from configured import of_user
from fakes import FakeDecoder
from imgfetch import check_image
from imgfetch.api.doctor import examine
from imgfetch.cli import main
from imgfetch.cli.commands.doctor import report
from imgfetch.decode.pillow import libraries
from imgfetch.decode.sandbox import SandboxedDecoder
from imgfetch.formats.samples import SMALLEST
from imgfetch.model.image import Defect, Format
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.ports import ignore_warning, never_stop
from imgfetch.rules.store.requirements import FLOORS, Finding, Status, of_version
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.filesystem import survey
from imgfetch.store.index.schema import version_at
from imgfetch.store.lookup_sql import VERSION
from keeping import CAT, keep
from oldest import oldest, requirements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imgfetch.model.values import Buffer
    from imgfetch.ports import Checkpoint, Decoder, Warn
    from imgfetch.store.filesystem import FileSystem

pytestmark = pytest.mark.usefixtures("home")

GOOD = {name: floor.least for name, floor in FLOORS.items()}


def found(
    cache: str = "cache",
    versions: Mapping[str, str | None] = GOOD,
    decoder: Decoder | None = None,
    sandbox: Decoder | None = None,
    room: int = 1,
    ground: FileSystem | None = None,
) -> dict[str, Finding]:
    """The findings by name, all in order but for what is given."""
    at_hand = sandbox or FakeDecoder()
    findings = examine(
        cache,
        needed_bytes=room,
        versions=versions,
        decoder=decoder or FakeDecoder(),
        sandbox=lambda: at_hand,
        survey=survey if ground is None else lambda *_: ground,
    )
    return {finding.name: finding for finding in findings}


def missing(findings: Mapping[str, Finding]) -> list[str]:
    return [name for name, finding in findings.items() if finding.status is Status.MISSING]


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["doctor", *arguments])
    return code, *capsys.readouterr()


def test_all_requirements_are_met_here_and_the_check_leaves_no_trace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = ran(capsys)
    assert (code, err) == (0, "imgfetch: all requirements met\n")
    for name in (
        *FLOORS,
        "OpenSSL",
        "sandbox",
        *SMALLEST,
        "cache",
        "free",
        "--max-bytes",
        "--max-frames",
        "--decode-memory",
    ):
        assert re.search(rf"^.{{8}} {re.escape(name)} ", out, re.MULTILINE), name
    assert list(Path().iterdir()) == []


def test_json_has_an_object_for_each_finding(capsys: pytest.CaptureFixture[str]) -> None:
    _, plain, _ = ran(capsys)
    code, out, _ = ran(capsys, "--json")
    findings = [json.loads(line) for line in out.splitlines()]
    assert (code, len(findings)) == (0, len(plain.splitlines()))
    assert {each["topic"] for each in findings} == {"versions", "codecs", "system", "cache", "settings"}
    assert all(list(each) == ["topic", "name", "found", "status", "needed", "hint"] for each in findings)


# Versions


@pytest.mark.parametrize(
    ("name", "version", "met"),
    [
        ("h11", "0.16", True),
        ("h11", "0.16.0", True),
        ("h11", "0.15.9", False),
        ("h11", "0.9", False),
        ("h11", "", False),
        ("h11", "unknown", False),
        ("Pillow", "12.3", True),
        ("Pillow", "12.10", True),
        ("Pillow", "13.0.0.dev0", True),
        ("Pillow", "14.0.0", False),
        ("certifi", "2024.2.2", False),
        ("idna", "3.7", True),
        ("ada-url", "5.0", False),
        ("libwebp", "1.3.1", False),
        ("httpx", "0.28.1", True),
        ("httpx", "1.0", False),
        ("OpenSSL", "3.0.19 27 Jan 2026", True),
    ],
)
def test_a_version_is_compared_with_its_minimum(name: str, version: str, met: bool) -> None:
    finding = of_version(name, version, hint="mend it")
    assert finding.status is (Status.OK if met else Status.MISSING)
    assert finding.hint == ("" if met else "mend it")
    assert finding.found == version


NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4)


@settings(deadline=None)
@given(NUMBERS)
def test_versions_are_compared_as_numbers(numbers: list[int]) -> None:
    met = of_version("h11", ".".join(map(str, numbers))).status is Status.OK
    assert met == (numbers + [0] * 4 >= [0, 16, 0, 0])


@pytest.mark.parametrize("version", ["0.14.0", None])
def test_a_version_below_its_minimum_is_missing_with_a_reason_and_a_hint(
    version: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = found(versions=GOOD | {"h11": version})
    assert missing(findings) == ["h11"]
    assert report(findings.values(), as_json=False) == 1
    out, err = capsys.readouterr()
    line = next(line for line in out.splitlines() if " h11 " in line)
    assert line.startswith(
        f"missing  h11                {version or '-'} (0.16 or later: CVE-2025-43859); pip "
    )
    assert err == "imgfetch: missing: h11\n"


def test_the_minimum_versions_are_those_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    asked = {"python": project["requires-python"].removeprefix(">=")}
    for requirement in project["dependencies"]:
        name, _, least = requirement.partition(">=")
        if least:
            asked[name] = least
    floors = {
        name.lower(): floor.least + (f",<{floor.below}" if floor.below else "")
        for name, floor in FLOORS.items()
        if name not in ("SQLite", "libwebp")
    }
    assert floors == asked


def test_the_oldest_versions_can_be_installed_by_name() -> None:
    """`make oldest` runs tests with them."""
    assert oldest(["pillow>=12.3,<14", "h11>=0.16"]) == ["pillow==12.3", "h11==0.16"]
    assert len(oldest(requirements())) == len(requirements())  # each has a floor


def test_a_package_that_cannot_be_imported_is_missing_without_a_traceback() -> None:
    Path("PIL").mkdir()
    Path("PIL/__init__.py").write_text("raise ImportError('libwebp.so.7: cannot open shared object file')")
    command = [sys.executable, "-m", "imgfetch", "doctor"]
    path = os.pathsep.join([str(Path().absolute()), *filter(None, sys.path)])
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 1
    assert done.stderr == "imgfetch: missing: Pillow, webp, jpeg, png, gif, avif, bmp, ico, tiff\n"
    assert "libwebp.so.7: cannot open shared object file" in done.stdout


def test_an_old_pillow_reports_an_unknown_library_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(features.modules, "avif")
    monkeypatch.delitem(features.features, "zlib_ng")
    found = libraries()
    assert found["libavif"] is None
    assert found["zlib"]
    assert found["libwebp"]


# Codecs and the sandbox


class Lacking(FakeDecoder):
    """A decoder that was built without one format."""

    def __init__(self, lacks: Format) -> None:
        super().__init__()
        self.lacks = lacks

    def decode(
        self,
        data: Buffer,
        format: Format,  # noqa: A002
        limits: Limits,
        *,
        thorough: bool = False,
        checkpoint: Checkpoint = never_stop,
        warn: Warn = ignore_warning,
    ) -> Defect | None:
        assert data == SMALLEST[format]
        return Defect(ErrorKind.CORRUPT, "AVIF support not installed") if format is self.lacks else None


def test_unreadable_warnings_of_libjpeg_are_named() -> None:
    finding, unread = (
        {
            each.name: each
            for each in examine(decoder=FakeDecoder(), sandbox=FakeDecoder, reads_warnings=reads)
        }["jpeg warnings"]
        for reads in (True, False)
    )
    assert finding.status is Status.OK
    assert unread.status is Status.WITHOUT
    assert "pass as whole" in unread.needed
    assert "pip install" in unread.hint


def test_a_missing_codec_is_named() -> None:
    findings = found(decoder=Lacking(Format.AVIF))
    assert missing(findings) == ["avif"]
    assert findings["avif"].found is None
    assert findings["avif"].needed == "AVIF support not installed"
    assert "pip install" in findings["avif"].hint


@pytest.mark.parametrize("form", SMALLEST)
def test_the_sample_of_each_codec_is_a_whole_image(form: Format) -> None:
    seen = check_image(SMALLEST[form])
    assert (seen.format, seen.width, seen.height) == (form, 1, 1)


def test_the_structures_handed_to_libwebp_are_checked() -> None:
    def checked(check: Callable[[], str | None]) -> Finding:
        (finding,) = (
            each
            for each in examine(structures=check, decoder=FakeDecoder(), versions={}, sandbox=FakeDecoder)
            if each.name == "structures"
        )
        return finding

    def gone() -> str | None:
        raise LookupError("libwebp cannot be asked directly")

    assert checked(lambda: None).status is Status.OK
    wrong = checked(lambda: "the canvas is 0 by 0")
    assert (wrong.status, wrong.found, wrong.needed) == (Status.MISSING, None, "the canvas is 0 by 0")
    assert "'pillow>=12.3,<14'" in wrong.hint
    assert checked(gone).status is Status.WITHOUT


def test_a_missing_sandbox_is_optional() -> None:
    with closing(SandboxedDecoder(Limits(), worker="no.such.module")) as sandbox:
        findings = found(sandbox=sandbox)
    assert missing(findings) == []
    assert findings["sandbox"].status is Status.WITHOUT
    assert "its process does not start" in findings["sandbox"].needed


# The cache


def keep_one(root: Path) -> None:
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"1")


def state(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in [root, *root.rglob("*")]}


def test_a_cache_is_inspected_without_a_change() -> None:
    keep_one(Path("cache").absolute())
    before = state(Path("cache"))
    findings = found()
    assert missing(findings) == []
    assert findings["cache"].found == str(Path("cache").absolute())
    assert findings["index"].found == f"version {VERSION}"
    assert state(Path("cache")) == before


def test_a_cache_that_cannot_be_used_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("mine")
    Path("folder").mkdir()
    Path("folder/mine").write_text("mine")
    Path("link").symlink_to("nowhere")
    for name in ("file", "file/cache", "folder", "link"):
        findings = found(name)
        assert missing(findings) == ["cache"], name
        assert findings["cache"].hint
    code, _, err = ran(capsys, "--cache", "folder")
    assert (code, err) == (1, "imgfetch: missing: cache\n")


def test_a_folder_that_may_not_be_written_cannot_take_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # who tests as root may write anywhere
    findings = found("deep/down")
    assert missing(findings) == ["cache"]
    assert findings["cache"].needed == f"{Path().absolute()} may not be written"


def test_a_read_only_index_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_one(Path("cache").absolute())
    monkeypatch.setattr(os, "access", lambda path, _: not path.endswith("sqlite"))
    findings = found()
    assert missing(findings) == ["cache"]
    assert findings["cache"].needed.endswith("/cache/index-v1.sqlite may not be written")


def test_free_space_for_one_image_is_required(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert missing(found(room=2**62)) == ["free"]
    monkeypatch.setenv("IMGFETCH_MAX_BYTES", f"{10**9}G")
    code, out, err = ran(capsys)
    assert (code, err) == (1, "imgfetch: missing: free\n")
    assert f"{10**18:,} bytes, for one image of --max-bytes" in out


def test_a_newer_index_is_missing_and_a_damaged_one_will_be_rebuilt() -> None:
    keep_one(Path("cache").absolute())
    index = Path("cache/index-v1.sqlite")
    with closing(sqlite3.connect(index)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    assert missing(found()) == ["index"]
    index.write_bytes(b"no index")
    assert version_at(str(index)) is None
    assert found()["index"].status is Status.WITHOUT
    assert missing(found()) == []


def test_locks_and_syncfs_are_optional() -> None:
    plain = survey(".")._replace(flock=False, leases=None, syncs_whole=False)
    findings = found(ground=plain)
    assert missing(findings) == []
    for name in ("flock", "leases", "syncfs"):
        assert (findings[name].status, findings[name].found) == (Status.WITHOUT, None)


# Settings


def test_a_setting_is_shown_with_its_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("imgfetch.toml").write_text("[tool.imgfetch]\nproxy = 'x'\nwidth = 9\nformats = 'webp'\n")
    file = of_user("total-timeout = '1m'\nretries = 9\nwidth = 5\n")
    monkeypatch.setenv("IMGFETCH_RETRIES", "5")
    monkeypatch.setenv("IMGFETCH_VIEWPORT", "1280x720@2")
    monkeypatch.setenv("IMGFETCH_FAIL_UNDER", "0.95")
    monkeypatch.setenv("IMGFETCH_HEADER", "Cookie: secret")
    monkeypatch.setenv("IMGFETCH_PROXY", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("IMGFETCH_REFERER", "https://h.example/?token=secret")
    _, out, err = ran(capsys, "--cache", "other")
    shown = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines() if "  --" in line}
    for option, expected in (
        ("--total-timeout", f"60 s ({file})"),
        ("--retries", "5 (IMGFETCH_RETRIES)"),
        ("--formats", "webp (imgfetch.toml)"),
        ("--viewport", "1280x720@2 (IMGFETCH_VIEWPORT)"),
        ("--fail-under", "0.95 (IMGFETCH_FAIL_UNDER)"),
        ("--header", "Cookie: … (IMGFETCH_HEADER)"),
        ("--proxy", "http://proxy.example:3128/ (IMGFETCH_PROXY)"),
        ("--referer", "https://h.example/?token=… (IMGFETCH_REFERER)"),
        ("--cache", "other (the command line)"),
        ("--max-bytes", "50,000,000 (default)"),
        ("--offline", "no (default)"),
        ("--robots", "ignore (default)"),
        ("--width", f"5 ({file})"),
        ("--base", "not set (default)"),
    ):
        assert shown[option] == expected
    assert re.search(rf"^ +configuration +{file}$", out, re.MULTILINE)
    assert "imgfetch.toml: 'proxy' is ignored" in err
    assert "secret" not in out


def test_certificate_authorities_that_cannot_be_read_are_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("none.pem").write_text("none")
    monkeypatch.setenv("IMGFETCH_CA_BUNDLE", "none.pem")
    code, out, err = ran(capsys)
    assert (code, err) == (1, "imgfetch: missing: authorities\n")
    assert "none.pem: not a file of certificate authorities: no certificate is in it" in out
