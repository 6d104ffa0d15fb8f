"""Failures that one can aggregate: the count at the end, the report, and trying again."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from children import running
from command import Ran
from configured import of_user
from imgfetch.cli.summary import Summary
from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.store import jsonl
from imgfetch.system import atomic_files
from origin import Origin, slowly, status, whole
from pictures import encoded

LOCAL = ["--allow-host", "127.0.0.1", "--retries", "0"]
A, B = encoded("webp", 480, 270), encoded("webp", 800, 450)


pytestmark = pytest.mark.usefixtures("home")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    return Ran(capsys, *arguments, *LOCAL)


def report(path: str = "report") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


# The count


def summed(failures: list[Failure], capsys: pytest.CaptureFixture[str], *, quiet: bool = False) -> list[str]:
    options = argparse.Namespace(
        command="get",
        json=False,
        quiet=quiet,
        verbose=False,
        directory=None,
        name=None,
        link=False,
        fail_under=None,
    )
    tally = Summary(options)
    for failed in failures:
        tally.take(failed)
    capsys.readouterr()
    tally.close()
    return capsys.readouterr().err.splitlines()


def test_a_run_ends_with_counts_by_kind_and_by_host(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    good, gone = origin.route("/a", whole(A)), [f"{origin.url}/{n}?sig=SECRET" for n in range(2)]
    ran = run(capsys, "get", good, *gone, origin.route("/busy", status(503)))
    assert ran.code == 1
    assert ran.err.splitlines()[-3:] == [
        "imgfetch: 4 images: 1 fetched, 3 failed",
        "imgfetch: failed: 2 http_status 404, 1 rate_limited",
        f"imgfetch: failed at: 3 127.0.0.1:{origin.port}",
    ]
    assert "SECRET" not in ran.err
    assert "failed at" not in run(capsys, "get", *gone, "-q").err


def test_thousands_of_hosts_and_kinds_are_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    failures = [
        Failure(ErrorKind.HTTP_STATUS, "no", f"https://h{n}.example/a?q=…", http_status=400 + n % 90)
        for n in range(3000)
    ]
    failures += [Failure(ErrorKind.TIMEOUT, "slow", "https://busy.example:8443/")] * 7
    kinds = ", ".join(f"34 http_status {400 + n}" for n in range(8))
    hosts = ", ".join(f"1 h{n}.example" for n in (0, 1, 10, 100))
    assert summed(failures, capsys)[1:] == [
        f"imgfetch: failed: {kinds}, 2,735 of other kinds",
        f"imgfetch: failed at: 7 busy.example:8443, {hosts}, 2,996 at 2,996 other hosts",
    ]
    assert summed(failures, capsys, quiet=True) == []


def test_hosts_without_end_are_counted_in_bounded_memory(capsys: pytest.CaptureFixture[str]) -> None:
    late = [Failure(ErrorKind.TIMEOUT, "slow", "https://late.example/")] * 3
    failures = [Failure(ErrorKind.DNS, "no", f"https://h{n}.example/") for n in range(30_000)] + late
    failures += [Failure(ErrorKind.DNS, "no", f"https://i{n}.example/") for n in range(30_000)]
    said = summed(failures, capsys)[-1]
    assert re.fullmatch(r"imgfetch: failed at: 3 late\.example(, 1 \S+){4}, 59,996 at many other hosts", said)


# A share of failures


def test_a_share_of_failures_is_a_success_and_is_counted_exactly(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = [origin.route(f"/{n}", whole(A) if n < 7 else status(404)) for n in range(100)]
    Path("list").write_text("\n".join(urls))

    def code(*options: str) -> int:
        return run(capsys, "get", "-i", "list", *options).code

    assert code() == 1
    assert code("--fail-under", "0.07") == 0  # 0.07 * 100 is more than 7 in floating point
    assert code("--fail-under", ".071") == 1
    assert code("--fail-under", "0") == 0
    assert code("--fail-under", "1") == 1
    of_user("[tool.imgfetch]\nfail-under = 0.05\n")
    assert code() == 0


@pytest.mark.parametrize("share", ["1.01", "2", "-0.5", "95%", "", ".", "nan", "1e-2", "0.1234567890"])
def test_an_invalid_share_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "get", "https://h.example/a", f"--fail-under={share}")
    assert ran.code == 2
    assert "is not a share from 0 to 1" in ran.err
    assert list(Path().iterdir()) == []


# The report, and trying again


def test_a_report_has_all_failures_and_retry_fetches_those_that_may_succeed(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    good = origin.route("/good", whole(A))
    busy = origin.route("/busy?sig=SECRET", status(503))
    with_password = busy.replace("//", "//u:pw@")
    gone = origin.route("/gone", status(404))
    ran = run(
        capsys, "get", good, with_password, gone, "missing.txt", "-w", "300", "--report", "report", "--json"
    )
    assert ran.code == 1
    assert "SECRET" not in ran.err + ran.out
    assert "imgfetch: failed: 3 in report; 1 may succeed: imgfetch retry report" in ran.err
    assert Path("report").stat().st_mode & 0o777 == 0o600
    assert not Path("report.part").exists()

    by_source = {line["ask"]["source"]: line for line in report()}
    assert by_source.keys() == {busy, gone, "missing.txt"}
    printed = {line["index"]: line for line in map(json.loads, ran.lines) if line["status"] == "error"}
    for line in by_source.values():
        assert {name: line[name] for name in line if name not in ("ask", "when")} == printed[line["index"]]
        assert line["ask"]["width"] == 300
        assert line["when"][-6:] == "+00:00"
    assert by_source[busy]["ask"]["offered"]["candidates"] == [{"url": busy}]

    before = origin.asked()
    again = run(capsys, "retry", "report")
    assert (again.code, origin.asked() - before) == (1, 1)
    origin.route("/busy?sig=SECRET", whole(B))
    healed = run(capsys, "retry", "report", "-H", "Authorization: Basic dTpwdw==")
    assert (healed.code, len(healed.lines)) == (0, 1)
    assert origin.requests[-1].headers["authorization"].startswith("Basic ")
    assert {line["ask"]["source"] for line in report()} == {gone, "missing.txt"}

    Path("missing.txt").write_text(f"<img src={good}>")
    every = run(capsys, "retry", "report", "--all", "--files", "--report", "other")
    assert (every.code, len(every.lines)) == (1, 1)
    assert [line["ask"]["source"] for line in report("other")] == [gone]
    assert len(report()) == 2
    origin.route("/gone", whole(A))
    assert run(capsys, "retry", "report", "--all").code == 1  # what was a file is none here
    assert run(capsys, "retry", "report", "--all", "--files").code == 0
    assert Path("report").read_text() == ""
    assert run(capsys, "retry", "report").code == 0


def test_only_the_image_that_failed_is_tried_again_and_own_options_win(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a480", "a800"):
        origin.route(f"/{name}", status(500))
    origin.route("/b", whole(A))
    Path("page.html").write_text("<img srcset='a480 480w, a800 800w'><img src=b>")
    get = ["get", "page.html", "--base", origin.url, "-w", "400", "--report", "report"]
    assert run(capsys, *get).code == 1
    assert sorted(request.path for request in origin.requests) == ["/a480", "/a800", "/b"]
    (line,) = report()
    assert (line["source"], line["ask"]["source"]) == ("page.html", "page.html")

    Path("page.html").unlink()  # it is not read again
    of_user("[tool.imgfetch]\nwidth = 10\npolicy = 'largest'\nall = true\n")
    origin.route("/a480", whole(A))
    origin.route("/a800", whole(B))
    before = origin.asked()
    assert run(capsys, "retry", "report", "--report", "second", "-w", "700", "--refresh").code == 0
    assert [request.path for request in origin.requests[before:]] == ["/a800"]
    before = origin.asked()
    assert run(capsys, "retry", "report", "--no-reuse").code == 0
    assert [request.path for request in origin.requests[before:]] == ["/a480"]


def test_the_retry_of_a_page_gives_all_its_images(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    page = origin.route("/page", status(503))
    assert run(capsys, "get", page, "--report", "report").code == 1
    origin.route("/page", whole(b"<!doctype html><img src=a><img src=b>", content_type="text/html"))
    origin.route("/a", whole(A))
    still = origin.route("/b", status(502))
    ran = run(capsys, "retry", "report")
    assert (ran.code, len(ran.lines)) == (1, 1)
    (line,) = report()
    assert line["ask"]["source"] == page
    assert line["ask"]["offered"]["candidates"] == [{"url": still}]
    origin.route("/b", whole(B))
    assert run(capsys, "retry", "report").code == 0


def test_a_base_resolves_the_relative_urls_of_a_report(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/x/a", whole(A))
    Path("page.html").write_text("<img src=a>")
    assert run(capsys, "get", "page.html", "--report", "report").code == 2
    assert run(capsys, "retry", "report", "--all", "--base", origin.url + "/x/").code == 0


def test_a_retry_expects_the_same_digest(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    url = origin.route("/a", whole(A))
    assert run(capsys, "get", url, "--sha256", "ab" * 32, "--report", "report").code == 1
    (line,) = report()
    assert (line["error"]["kind"], line["ask"]["sha256"]) == ("integrity", "ab" * 32)
    assert run(capsys, "retry", "report").code == 1


def test_a_report_never_opens_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("secret").write_text("https://h.example/a.webp 480w")
    line = {"source": "a", "error": {"retryable": True}, "ask": {"source": "secret"}}
    Path("report").write_text(json.dumps(line) + "\n")
    ran = run(capsys, "retry", "report", "--offline")
    assert (ran.code, ran.out) == (2, "")
    assert "not a URL" in ran.err
    assert "h.example" not in ran.err + Path("report").read_text()


def test_a_file_that_is_not_a_report_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def complains(word: str, *arguments: str) -> None:
        before = sorted(Path().rglob("*"))
        ran = run(capsys, *arguments)
        assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1), ran.err
        assert word in ran.err
        assert sorted(Path().rglob("*")) == before

    good = json.dumps({"source": "a", "error": {"retryable": True}, "ask": {"source": "https://h.example/a"}})
    for text, word in (
        ("no\n", "bad: line 1: not a line of a report: not JSON"),
        (good + "\n\n[3]\n", "bad: line 3: not a line of a report: [3] where an object was expected"),
        ('{"source": "a"}\n', "'ask' is missing"),
        ('{"source": "a", "ask": {}, "error": {"retryable": 1}}\n', "'retryable' is 1"),
        (good.replace('"ask": {', '"ask": {"sha256": "xyz", ') + "\n", "not a SHA-256"),
        (good.replace('"ask": {', '"ask": {"offered": {"kind": "poem"}, ') + "\n", "'poem' is not one of"),
    ):
        Path("bad").write_text(text)
        complains(word, "retry", "bad")
    Path("bad").write_bytes(b"\n\xff\n")
    complains("bad: line 2: not UTF-8", "retry", "bad")
    complains("no such file", "retry", "missing")
    Path("folder").mkdir()
    complains("cannot be read", "retry", "folder")
    complains("cannot be written", "get", "https://h.example/a", "--report", "folder")
    complains("cannot be written", "get", "https://h.example/a", "--report", "nowhere/report")
    complains("no SOURCE", "get", "--report", "report")


def test_a_killed_run_leaves_its_failures_and_the_old_report(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "get", "ftp://h.example/old", "--report", "report").code == 2
    old = Path("report").read_text()
    gone = [origin.route(f"/{n}", status(500)) for n in range(3)]
    slow = origin.route("/slow", slowly(A, pause=20))
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)):
        for left in partials():
            left.unlink()
        with running("get", *gone, slow, "--report", "report", *LOCAL) as process:
            while not any(len(part.read_bytes().splitlines()) == 3 for part in partials()):
                assert process.poll() is None
                time.sleep(0.01)
            assert "another run is writing it" in run(capsys, "get", slow, "--report", "report").err
            process.send_signal(number)
            _, err = process.communicate(timeout=10)
        assert process.returncode == code
        assert "Traceback" not in err
        assert Path("report").read_text() == old
        (partial,) = partials()
        assert {line["ask"]["source"] for line in report(str(partial))} == set(gone)
    assert f"the failures so far are in {partial.absolute()}" in err

    with partial.open("a") as file:
        file.write('{"source": "cut in the mid')
    for url in gone:
        origin.route(url.removeprefix(origin.url), whole(A))
    assert run(capsys, "retry", str(partial), "--report", "report").code == 0
    assert Path("report").read_text() == ""
    assert not partials()  # what a killed run has left goes when its report is whole


def partials() -> list[Path]:
    return [*Path().glob("report.*.part")]


@pytest.mark.parametrize(
    "text", [b"mine\n", b"mine", b'{"ask": 1}\n', b'{"ask": {}, "when": 0}\n', b"\xff\n", b"\n"]
)
def test_a_file_that_is_not_a_report_is_never_replaced(
    text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("report").write_bytes(text)
    ran = run(capsys, "get", "ftp://h.example/a", "--report", "report")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1), ran.err
    assert "report: not a report of imgfetch, and so not replaced; name another file" in ran.err
    assert Path("report").read_bytes() == text
    assert not partials()


def test_a_file_created_during_the_run_is_not_replaced_either(tmp_path: Path) -> None:
    growing = atomic_files.AppendOnlyFile(tmp_path / "report", kind="report", may_replace=jsonl.may_be_report)
    growing.write("{}\n")
    (tmp_path / "report").write_text("mine\n")
    with pytest.raises(InputError, match="not replaced"):
        growing.finish()
    assert (tmp_path / "report").read_text() == "mine\n"
    assert len([*tmp_path.glob("report.*.part")]) == 1


@pytest.mark.parametrize("length", [0, 3, 9, 30])
def test_a_truncated_report_is_a_report(length: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "get", "ftp://h.example/old", "--report", "report").code == 2
    Path("report").write_text(Path("report").read_text()[:length])
    assert run(capsys, "get", "ftp://h.example/new", "--report", "report").code == 2
    assert len(report("report")) == 1


def test_a_report_is_written_only_to_a_regular_file(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    assert "not a regular file" in run(capsys, "get", "ftp://h.example/a", "--report", "pipe").err
    assert Path("pipe").is_fifo()


def test_two_runs_that_begin_at_once_do_not_both_write_a_report(tmp_path: Path) -> None:
    def begin() -> atomic_files.AppendOnlyFile:
        return atomic_files.AppendOnlyFile(
            tmp_path / "report", kind="report", may_replace=jsonl.may_be_report
        )

    first = begin()
    with pytest.raises(InputError, match="another run is writing it"):
        begin()
    first.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    begin().finish()


def test_a_replaced_file_is_replaced_atomically_and_keeps_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "file", tmp_path / "link"
    atomic_files.replace(target, "one")
    target.chmod(0o640)
    link.symlink_to(target)
    atomic_files.replace(link, "two")
    assert (target.read_text(), target.stat().st_mode & 0o777, link.is_symlink()) == ("two", 0o640, True)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "link"]
    with pytest.raises(InputError, match="cannot be written"):
        atomic_files.replace(tmp_path / "no" / "file", "")
