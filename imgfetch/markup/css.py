"""CSS: the images that a style sheet names, by `url()` and `image-set()` (CSS Images 4 §2.2).

    css ─▶ token after token ─▶ a stack of what is open ─▶ a SourceSet for each image, as its name ends

Only what names an image is understood: rules, selectors and properties go by as brackets and punctuation.
The stack is a list, so that style sheets may nest as deep as they like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imgfetch.markup import urls
from imgfetch.markup.srcset import excerpt
from imgfetch.model import Candidate, Kind, Problem, Source, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NAMES_NO_IMAGE = frozenset({"import", "namespace", "charset", "font-face", "document", "-moz-document"})
_IMAGE_SETS = frozenset({"image-set", "-webkit-image-set"})
_TAKE_A_STRING = frozenset({"url", "src", "type"})
_DENSITIES = {"x": 1.0, "dppx": 1.0, "dpi": 1 / 96, "dpcm": 2.54 / 96}
_CLOSING = {"(": ")", "[": "]", "{": "}"}

_ESCAPE = r"\\(?:[0-9a-fA-F]{1,6}+[ \t\n\r\f]?+|[^\n\r\f0-9a-fA-F]|\Z)"
_LETTER = r"(?:[a-zA-Z_\x00\x80-\U0010ffff]|" + _ESCAPE + ")"
_NAME = rf"(?:--|-?{_LETTER})(?:[0-9-]|{_LETTER})*+"
_TOKEN = re.compile(
    rf"""
    (?P<blank> [ \t\n\r\f]++ | /\*.*?(?:\*/|\Z) )
  | (?P<string> "(?:[^"\\\n\r\f]++|\\.)*+"?+ | '(?:[^'\\\n\r\f]++|\\.)*+'?+ )
  | (?P<number> [+-]?(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)? ) (?P<unit> {_NAME} | % )?
  | @ (?P<at> {_NAME} )
  | (?P<name> {_NAME} ) (?P<call> \( )?
  | (?P<open> [(\[{{] )
  | (?P<close> [)\]}}] )
  | [:>~*=%&|^$!?<]++ | .
    """,
    re.VERBOSE | re.DOTALL,
)
_BARE_URL = re.compile(
    rf"""[ \t\n\r\f]*+ (?!["'])
    (?: ((?: [^)("'\\ \t\n\r\f\x00-\x08\x0b\x0e-\x1f\x7f]++ | {_ESCAPE} )*+) [ \t\n\r\f]*+ (?:\)|\Z)
      | (?: [^)\\]++ | \\. )*+ \)?
    )""",
    re.VERBOSE | re.DOTALL,
)
"""What follows `url(` where it is not quoted; the second branch is a bad url token, up to its end."""

_CONTINUED = re.compile(r"\\(?:\r\n|[\n\r\f])")
_ESCAPED = re.compile(r"\\(?:([0-9a-fA-F]{1,6}+)(?:\r\n|[ \t\n\r\f])?+|(.)|\Z)", re.DOTALL)
_MAY_NAME_AN_IMAGE = re.compile(r"\\|(?:url|image-set|src)\(", re.IGNORECASE)


def find_css_images(css: str, *, base_url: str = "") -> Iterator[SourceSet]:
    """Yield the images of a style sheet, or of a `style` attribute; absolute where `base_url` is given.

    An image set is one image: its options without a type are the candidates, each type is a source.
    What could not be read at all is among the problems of the next image, or of the last. Never raises, and
    takes time linear in the text.
    """
    if not _MAY_NAME_AN_IMAGE.search(css):
        return
    found = ((bool(each.candidates or each.sources), each) for each in _Scanner(css).scan())
    for image in with_problems_of_others(found, []):
        yield urls.absolute(image, base_url) if base_url else image


def with_problems_of_others(
    found: Iterable[tuple[bool, SourceSet]], due: list[Problem]
) -> Iterator[SourceSet]:
    """Yield what names an image, and give it the problems of what stands before it and names none.

    `due` are further problems, and grows. The last image gets those that are left; where nothing names an
    image, all is given as it is.
    """
    unread: list[SourceSet] = []
    held: SourceSet | None = None
    for names_an_image, each in found:
        if not names_an_image:
            due += each.problems
            if held is None:
                unread.append(each)
            continue
        if held is not None:
            yield held
        held = replace(each, problems=(*due, *each.problems)) if due else each
        due.clear()
    if held is None:
        yield from unread
    else:
        yield replace(held, problems=(*held.problems, *due)) if due else held


@dataclass(slots=True)
class _Option:
    """An option of an image set, as far as it has been read."""

    start: int
    url: str | None = None
    density: float | None = None
    type: str | None = None
    odd: bool = False
    """Whether something stands in it that has no place there."""


@dataclass(slots=True)
class _Open:
    """A bracket or function that has not been closed yet."""

    closing: str
    function: str = ""
    string: str | None = None
    """The first string directly inside."""
    options: list[_Option] = field(default_factory=list)
    start: int = 0
    """Of a function that takes a string, where its name stands."""


_BRACKET = {opening: _Open(closing) for opening, closing in _CLOSING.items()}
"""Brackets, and functions that name no image: nothing is noted in them, so that one of a kind will do."""


class _Scanner:
    """Goes over a style sheet once."""

    def __init__(self, css: str) -> None:
        self._css = css
        self._open: list[_Open] = []
        self._passing_over: int | None = None
        """How many brackets were open where an at-rule began that names no image."""

    def scan(self) -> Iterator[SourceSet]:
        position = 0
        while token := _TOKEN.match(self._css, position):
            position = token.end()
            if self._passing_over is not None:
                self._pass_over(token)
            elif token["call"] and (name := _unescaped(token["name"]).lower()) == "url":
                bare = _BARE_URL.match(self._css, position)
                if bare is None:
                    self._open.append(_Open(")", name, start=token.start()))
                    continue
                position = bare.end()
                if bare[1] is not None:
                    yield from self._image(_unescaped(bare[1]), token.start())
                else:
                    yield from self._bad(token.start(), position)
            else:
                yield from self._read(token)
        while self._open:
            yield from self._close(len(self._css))

    def _pass_over(self, token: re.Match[str]) -> None:
        if token["open"] or token["call"]:
            self._open.append(_BRACKET[token["open"] or "("])
        elif token["close"] and self._open and self._open[-1].closing == token[0]:
            self._open.pop()
        if len(self._open) <= (self._passing_over or 0) and token[0] in (";", "}"):
            self._passing_over = None

    def _read(self, token: re.Match[str]) -> Iterator[SourceSet]:
        inside = self._open[-1] if self._open else None
        if token["at"]:
            if _unescaped(token["at"]).lower() in _NAMES_NO_IMAGE:
                self._passing_over = len(self._open)
        elif token["close"]:
            if inside is not None and inside.closing == token[0]:
                yield from self._close(token.start())
        elif token["open"] or token["call"]:
            name = _unescaped(token["name"]).lower() if token["call"] else ""
            if inside is not None and inside.options and name not in ("type", "src"):
                inside.options[-1].odd = True
            if name in _IMAGE_SETS:
                self._open.append(_Open(")", name, options=[_Option(token.end())]))
            elif name in _TAKE_A_STRING:
                self._open.append(_Open(")", name, start=token.start()))
            else:
                self._open.append(_BRACKET[token["open"] or "("])
        elif inside is not None and inside.options:
            self._read_option(inside, token)
        elif inside is not None and inside.function and token["string"] and inside.string is None:
            inside.string = _string(token["string"])

    def _read_option(self, image_set: _Open, token: re.Match[str]) -> None:
        """A token directly inside `image-set()`: `<url or string> [ <resolution> || type() ]?`."""
        option = image_set.options[-1]
        if token[0] == ",":
            image_set.options.append(_Option(token.end()))
        elif token["string"] and option.url is None:
            option.url = _string(token["string"])
        elif token["number"] and option.url is not None and not token["number"].startswith("-"):
            unit = _unescaped(token["unit"] or "").lower()
            option.odd = option.odd or option.density is not None or unit not in _DENSITIES
            option.density = float(token["number"]) * _DENSITIES.get(unit, 1.0)
        elif not token["blank"]:
            option.odd = True

    def _close(self, end: int) -> Iterator[SourceSet]:
        closed = self._open.pop()
        inside = self._open[-1] if self._open else None
        if closed.function in ("url", "src") and closed.string is not None:
            yield from self._image(closed.string, closed.start)
        elif closed.function == "type" and inside is not None and inside.options:
            option = inside.options[-1]
            option.odd = option.odd or option.url is None or option.type is not None or closed.string is None
            option.type = closed.string
        elif closed.options:
            image_set = _image_set(self._css, closed.options, end)
            if image_set.candidates or image_set.sources or image_set.problems:
                yield image_set

    def _bad(self, start: int, end: int) -> Iterator[SourceSet]:
        """A bad url token (CSS Syntax §4.3.14): it makes the option that it stands in odd, or is no image."""
        inside = self._open[-1] if self._open else None
        if inside is not None and inside.options:
            inside.options[-1].odd = True
            return
        found = excerpt(self._css[start : min(end, start + 200)])
        reason = "a URL with a quote, a bracket or a space in it must stand in quotes, as in url('…')"
        yield SourceSet((), Kind.CSS, problems=(Problem(start, found, reason),), position=start)

    def _image(self, url: str, position: int) -> Iterator[SourceSet]:
        inside = self._open[-1] if self._open else None
        if inside is not None and inside.options:
            option = inside.options[-1]
            option.odd = option.odd or option.url is not None
            option.url = option.url or url
        elif url.strip() and not url.startswith("#"):  # url(#clip) is a part of the document itself
            yield SourceSet((Candidate(url),), Kind.CSS, position=position)


def _image_set(css: str, options: list[_Option], end: int) -> SourceSet:
    typed: dict[str, list[Candidate]] = {"": []}
    problems = []
    ends = [option.start - 1 for option in options[1:]] + [end]
    for option, stop in zip(options, ends, strict=True):
        if option.url and not option.odd:
            density = 1.0 if option.density is None else option.density
            typed.setdefault(option.type or "", []).append(Candidate(option.url, density=density))
        elif found := css[option.start : min(stop, option.start + 200)].strip():
            reason = "an option of image-set() is a URL, then a resolution such as 2x, or type()"
            problems.append(Problem(option.start, excerpt(found), reason))
    candidates = tuple(typed.pop(""))
    sources = tuple(Source(tuple(each), type=media_type) for media_type, each in typed.items())
    return SourceSet(
        candidates, Kind.CSS, problems=tuple(problems), position=options[0].start, sources=sources
    )


def _string(written: str) -> str:
    inner = written[1:-1] if len(written) > 1 and written[-1] == written[0] else written[1:]
    return _unescaped(_CONTINUED.sub("", inner))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(_character, text) if "\\" in text else text


def _character(escaped: re.Match[str]) -> str:
    if escaped[1] is None:
        return escaped[2] or "\ufffd"
    code = int(escaped[1], 16)
    return "\ufffd" if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
