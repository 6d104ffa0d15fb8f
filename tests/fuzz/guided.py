"""Coverage-guided fuzzing of the readers of hostile input, with atheris.

    python tests/fuzz/guided.py SECONDS [TARGET…]     each target in turn, for SECONDS in all
    python tests/fuzz/guided.py 0 TARGET FILE         what one input does

Besides what a target asserts, growth is looked at: input that is repeated eight times as often may not take
four times eight as long. What is found is written to `build/fuzz/TARGET/crash-…`; the corpus stays in
`build/fuzz/TARGET/corpus`, and the next run goes on from it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from zlib import crc32

import atheris

sys.path.append(str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["imgfetch"]):
    from targets import TARGETS, seeds

ROOT = Path("build/fuzz")
_OF_TEXT = ("srcset", "prose", "sizes", "media", "css", "page", "links", "head", "answer")
"""Where input may be repeated and says more; images end where they end."""


def main() -> None:
    """Run one target in this process, or each in a process of its own: libFuzzer ends the one it is in."""
    seconds, *names = sys.argv[1:]
    if seconds == "0":
        TARGETS[names[0]](Path(names[1]).read_bytes())
    elif len(names) == 1:
        fuzz(names[0], int(seconds))
    else:
        names = names or [*TARGETS]
        share = max(1, int(seconds) // len(names))
        codes = [subprocess.run([sys.executable, __file__, str(share), name]).returncode for name in names]
        sys.exit(max(map(abs, codes)))


def fuzz(name: str, seconds: int) -> None:
    """Look for input that a target does not bear; does not return."""
    corpus = ROOT / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for data in seeds(name):
        (corpus / f"seed-{crc32(data):08x}").write_bytes(data)
    target = TARGETS[name]

    def one(data: bytes) -> None:
        target(data)
        if name in _OF_TEXT and data and crc32(data) % 1024 == 0:
            _refuse_growth(name, data)

    options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=2048"]
    artefacts = f"-artifact_prefix={ROOT / name}/"
    atheris.Setup([sys.argv[0], str(corpus), *options, artefacts, "-print_final_stats=1"], one)
    atheris.Fuzz()


def _refuse_growth(name: str, data: bytes) -> None:
    short = data * (8_000 // len(data) + 1)
    first, second = _seconds(name, short), _seconds(name, short * 8)
    if second > 1 and second > 32 * first:
        raise AssertionError(f"{first:.3f} s for {len(short):,} bytes, {second:.3f} s for 8 times as many")


def _seconds(name: str, data: bytes) -> float:
    began = time.process_time()
    TARGETS[name](data)
    return time.process_time() - began


if __name__ == "__main__":
    main()
