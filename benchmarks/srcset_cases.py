"""How many of the public test cases the PyPI package srcset reads right, and how many we do.

`python benchmarks/srcset_cases.py` asks both about every case of tests/vectors that is of srcset and sizes
alone, which is all that the package knows: by what the vector expects, and by what Chromium does today.
"""

from __future__ import annotations

import sys
from pathlib import Path

import srcset as peer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from vectors import ATTRIBUTE, NOTHING, Row, answer, read


def main() -> int:
    """Print a line for each set, and one for all."""
    out = sys.stdout.write
    out("| vector set | cases | as the vector: srcset | imgfetch | as Chromium: srcset | imgfetch |\n")
    out("|---|---|---|---|---|---|\n")
    total = [0] * 5
    for each in read():
        asked = [row for row in each.rows if row.browser == "chromium" and _peer(row) is not None]
        if not asked:
            continue
        said = [(row, _peer(row), answer(row)) for row in asked]
        line = [
            len(said),
            sum(theirs == row.expected for row, theirs, _ in said),
            sum(ours == row.expected for row, _, ours in said),
            sum(theirs == row.right for row, theirs, _ in said),
            sum(ours == row.right for row, _, ours in said),
        ]
        total = [sum(column) for column in zip(total, line, strict=True)]
        out(f"| {each.name} | {' | '.join(map(str, line))} |\n")
    out(f"| all | {' | '.join(map(str, total))} |\n")
    return 0


def _peer(row: Row) -> str | None:
    """What the package says, in the words of the row's table; None where it cannot be asked."""
    view = row.viewport
    screen = peer.Environment(view.width, view.height, view.dpr, view.font_size)
    match row.kind:
        case "candidates":
            return ", ".join(map(_written, peer.parse(row.given))) or NOTHING
        case "sizes":
            return f"{peer.parse_sizes(row.given, screen):.6g}"
        case "small" | "large":
            return "small" if peer.select("a 50w, b 51w", screen, sizes=row.given).url == "a" else "large"
        case "choose":
            size, src, srcset = row.given.split(" | ", 2)
            found = peer.select(srcset, screen, sizes=f"{size}px" if size else "", src=src)
            return NOTHING if found is None else f"{found.url} {found.density:g}"
        case "srcset":
            found = peer.select(row.given, screen)
        case "img" if "loading" not in row.given:
            said = {name: quoted or bare for name, quoted, bare in ATTRIBUTE.findall(row.given)}
            found = peer.select(
                said.get("srcset", ""), screen, sizes=said.get("sizes", ""), src=said.get("src", "")
            )
        case _:
            return None
    return NOTHING if found is None else found.url


def _written(candidate: peer.Candidate) -> str:
    parts = ((candidate.width, "w"), (candidate.height, "h"), (candidate.density, "x"))
    return " ".join([candidate.url, *(f"{number:g}{unit}" for number, unit in parts if number is not None)])


if __name__ == "__main__":
    raise SystemExit(main())
