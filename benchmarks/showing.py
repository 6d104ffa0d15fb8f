"""How costs are shown: a table in Markdown, a plot in SVG, and the place in a page that a table has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from math import log10
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

COLOURS = {"decode": "#b4431f", "structure": "#1f6fb4", "": "#6b6b6b"}
"""By what is proved; the first that is named in it."""
LEGEND = {"decode": "proves by a decode", "structure": "length, structure, SHA-256", "": "length at most"}


class Cost(NamedTuple):
    """What a run took of a process and the children that it waited for."""

    cpu: float
    """Seconds, of user and system."""
    wall: float
    """Seconds."""
    peak: float
    """MB of the largest process."""
    images: float
    """That were asked for."""

    @property
    def per_thousand(self) -> float:
        """CPU seconds for 1,000 images."""
        return self.cpu * 1000 / self.images

    @property
    def rate(self) -> float:
        """Images a second, by the wall."""
        return self.images / self.wall


def table(head: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [(head, *columns), ("---",) * (len(columns) + 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(value: float) -> str:
    """A number with no more digits than the measurement has."""
    if value >= 100:
        return f"{value:,.0f}"
    if value < 0.1:
        return f"{value:.3f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def put(page: Path, name: str, text: str) -> None:
    """Replace what lies between a page's marks `<!-- NAME -->` and `<!-- /NAME -->`."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    old = page.read_text(encoding="utf-8")
    new, places = marked.subn(lambda match: f"{match[1]}{text}\n{match[2]}", old)
    if places != 1:
        raise SystemExit(f"{page}: {places} places are marked <!-- {name} -->; one is needed")
    page.write_text(new, encoding="utf-8")


def plot(title: str, costs: Mapping[str, Mapping[str, float]], proves: Mapping[str, str]) -> str:
    """A dot for each figure on a logarithmic scale: a line a tool, the cheapest first; a shape a series."""
    first = next(iter(costs.values()))
    names = sorted(first, key=first.__getitem__)
    values = [value for series in costs.values() for value in series.values()]
    scale = Scale(min(values) * 0.8, max(values) * 1.4)
    height = 70 + 24 * len(names) + 50
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Scale.END + 20} {height}" '
        'font-family="sans-serif" font-size="12" fill="#222222">'
    )
    parts = [
        head,
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _words(16, 24, title, 'font-weight="bold"'),
        *_ticks(scale, 48, height - 60),
    ]
    for row, name in enumerate(names):
        found = [series.get(name) for series in costs.values()]
        parts += _row(name, found, _colour(proves.get(name, "")), scale, 66 + 24 * row)
    parts += _legend(list(costs), height - 18)
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True, slots=True)
class Scale:
    """Places between START and END for what lies between two bounds, by its logarithm."""

    low: float
    high: float

    START = 230
    END = 770

    def x(self, value: float) -> float:
        """Where a value lies."""
        share = log10(value / self.low) / log10(self.high / self.low)
        return round(self.START + share * (self.END - self.START), 1)


def _row(name: str, values: Sequence[float | None], colour: str, scale: Scale, y: int) -> Iterable[str]:
    """A dot for each value that there is, and in figures the least and the most."""
    there = [value for value in values if value is not None]
    left, right = scale.x(min(there)), scale.x(max(there))
    yield _words(Scale.START - 54, y + 4, name, 'text-anchor="end"')
    yield f'<path d="M{left} {y}H{right}" stroke="{colour}"/>'
    for number, value in enumerate(values):
        if value is not None:
            yield _mark(scale.x(value), y, colour, filled=not number)
    yield _words(right + 9, y + 4, figure(max(there)), 'font-size="10"')
    if len(there) > 1:
        yield _words(left - 9, y + 4, figure(min(there)), 'font-size="10" text-anchor="end"')


def _ticks(scale: Scale, top: int, bottom: int) -> Iterable[str]:
    for exponent in range(-3, 4):
        for step in (1, 2, 5):
            value = step * 10**exponent
            if scale.low <= value <= scale.high:
                x = scale.x(value)
                yield f'<path d="M{x} {top}V{bottom}" stroke="#dddddd"/>'
                yield _words(x, bottom + 16, f"{value:g}", 'text-anchor="middle" font-size="10"')


def _legend(series: Sequence[str], y: int) -> Iterable[str]:
    x = 16
    for number, name in enumerate(series):
        yield _mark(x + 4, y - 4, COLOURS[""], filled=not number) + _words(x + 14, y, name)
        x += 80
    for kind, said in LEGEND.items():
        yield _mark(x + 4, y - 4, COLOURS[kind], filled=True) + _words(x + 14, y, said)
        x += 190


def _colour(proved: str) -> str:
    return next(colour for word, colour in COLOURS.items() if word in proved)


def _mark(x: float, y: float, colour: str, *, filled: bool) -> str:
    fill = colour if filled else "#ffffff"
    return f'<circle cx="{x}" cy="{y}" r="4.5" stroke="{colour}" stroke-width="1.5" fill="{fill}"/>'


def _words(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'
