"""CSS: the images that a style sheet names, by `url()` and `image-set()` (CSS Images 4 §2.2).

    css ─▶ tokens ─▶ a stack of open brackets ─▶ a SourceSet for each image, at the end of its name

Only the names of images are understood, and those of properties that take other URLs: rules and selectors
pass as brackets and punctuation.
The stack is a list, so that style sheets may nest as deep as they like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgfetch.markup import urls
from imgfetch.markup.css.css_tokens import CLOSING, name_of, tokenize, unescaped
from imgfetch.markup.image_urls import is_requested
from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Candidate, Problem, Source, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WITHOUT_IMAGES = frozenset({"import", "namespace", "charset", "font-face", "document", "-moz-document"})
"""At-rules with URLs that name no image."""
_WITHOUT_AN_IMAGE = frozenset(
    (
        *("clip-path", "-webkit-clip-path", "fill", "stroke", "filter", "-webkit-filter", "backdrop-filter"),
        *("marker", "marker-start", "marker-mid", "marker-end", "offset-path", "behavior", "-ms-behavior"),
        *("-moz-binding", "src", "cue", "cue-before", "cue-after"),
    )
)
"""Properties with URLs of parts of drawings, of scripts, fonts and sounds."""
_OF_DECLARATIONS = ("mark", "open", "close")
"""The kinds of the tokens around declarations: `:`, `;`, `{`, `}`."""
_IMAGE_SETS = frozenset({"image-set", "-webkit-image-set"})
_WITH_A_STRING = frozenset({"url", "src", "type"})
"""Functions that take a string."""
_DENSITIES = {"x": 1.0, "dppx": 1.0, "dpi": 1 / 96, "dpcm": 2.54 / 96}

_MAY_NAME_AN_IMAGE = re.compile(r"\\|(?:url|image-set|src)\(", re.IGNORECASE)

_UNQUOTED = "a URL with a quote, a bracket or a space in it must stand in quotes, as in url('…')"
_UNENDED = "a string must end on the line where it begins"
_NOT_AN_OPTION = "an option of image-set() is a URL, then a resolution such as 2x, or type()"


def find_css_images(css: str, *, base_url: str = "") -> Iterator[SourceSet]:
    """Yield the images of a style sheet, or of a `style` attribute; absolute if `base_url` is given.

    An image set is one image: its options without a type are the candidates, each type is a source.
    Text that could not be read at all is among the problems of the next image, or of the last. Never raises;
    takes time linear in the text.
    """
    if not _MAY_NAME_AN_IMAGE.search(css):
        return
    found = ((bool(each.candidates or each.sources), each) for each in _Scanner(css).scan())
    for image in with_problems_of_others(found, []):
        yield urls.absolute(image, base_url) if base_url else image


def with_problems_of_others(
    found: Iterable[tuple[bool, SourceSet]], pending: list[Problem]
) -> Iterator[SourceSet]:
    """Yield the source sets that name an image (True), each with the problems of those before it that do not.

    `pending` holds further problems, and grows. The last image gets those that are left; if none names an
    image, all are yielded as they are.
    """
    without_image: list[SourceSet] = []
    last: SourceSet | None = None
    for names_an_image, each in found:
        if not names_an_image:
            pending += each.problems
            if last is None:
                without_image.append(each)
            continue
        if last is not None:
            yield last
        last = each._replace(problems=(*pending, *each.problems)) if pending else each
        pending.clear()
    if last is None:
        yield from without_image
    else:
        yield last._replace(problems=(*last.problems, *pending)) if pending else last


@dataclass(slots=True)
class _Option:
    """An option of an image set, as far as it has been read."""

    start: int
    end: int | None = None
    """The offset of the comma behind it; None for the last option."""
    url: str | None = None
    density: float | None = None
    type: str | None = None
    invalid: bool = False

    def add_url(self, url: str) -> None:
        self.invalid = self.invalid or self.url is not None
        self.url = self.url or url

    def add_density(self, number: float, unit: str) -> None:
        is_valid = self.url is not None and self.density is None and unit in _DENSITIES and number >= 0
        self.invalid = self.invalid or not is_valid
        self.density = number * _DENSITIES.get(unit, 1.0)

    def add_type(self, media_type: str | None) -> None:
        is_valid = self.url is not None and self.type is None and media_type is not None
        self.invalid = self.invalid or not is_valid
        self.type = media_type


@dataclass(slots=True)
class _Open:
    """A bracket or function that has not been closed yet."""

    closing: str
    function: str = ""
    string: str | None = None
    """The first string directly inside."""
    options: list[_Option] = field(default_factory=list)
    start: int = 0
    """The offset of the name of a function that takes a string."""


_BRACKET = {opening: _Open(closing) for opening, closing in CLOSING.items()}
"""Brackets, and functions that name no image: nothing is stored in them, so that one of each kind serves."""


class _Scanner:
    """Scans a style sheet once, from its beginning to its end."""

    def __init__(self, css: str) -> None:
        self._css = css
        self._open: list[_Open] = []
        self._skipping: int | None = None
        """The number of brackets that were open where an at-rule without images began; None outside one."""
        self._name: re.Match[str] | None = None
        """The last name that was read."""
        self._property = ""
        """The property of the declaration that is read; in a selector, a name before a colon."""

    def scan(self) -> Iterator[SourceSet]:
        """Yield the images and the unread places in the order in which they end."""
        for token in tokenize(self._css):
            kind = token.lastgroup
            if self._skipping is not None:
                self._skip(token, kind, self._skipping)
                continue
            if kind == "name" or kind in _OF_DECLARATIONS:
                self._follow(token, kind)
            if (found := self._read(token, kind)) is not None:
                yield found
        while self._open:
            if (found := self._close(len(self._css))) is not None:
                yield found

    def _skip(self, token: re.Match[str], kind: str | None, depth: int) -> None:
        """Read on to the end of an at-rule that began at `depth`."""
        if kind in ("open", "function"):
            self._open.append(_BRACKET[token[0][-1]])
        elif kind == "close" and self._open and self._open[-1].closing == token[0]:
            self._open.pop()
        if len(self._open) <= depth and token[0] in (";", "}"):
            self._skipping = None

    def _follow(self, token: re.Match[str], kind: str) -> None:
        """Keep the property of the declaration in which the tokens stand."""
        if kind == "name":
            self._name = token
        elif token[0] in (";", "{", "}"):
            self._property = ""
        elif token[0] == ":" and not self._property and self._name is not None:
            self._property = name_of(self._name["name"])

    def _read(self, token: re.Match[str], kind: str | None) -> SourceSet | None:
        """Read a token, and return the image that ends with it, or the problem."""
        inside = self._open[-1] if self._open else None
        match kind:
            case "open":
                self._enter(inside, _BRACKET[token[0]])
            case "function":
                self._enter_function(inside, token)
            case "close":
                return self._close(token.start()) if inside and inside.closing == token[0] else None
            case "url":
                return self._image(unescaped(token["url"]), token.start())
            case "bad_url":
                return self._unread(inside, token.start(), token.end(), _UNQUOTED)
            case "at":
                self._skipping = len(self._open) if name_of(token["at"]) in _WITHOUT_IMAGES else None
            case "bad_string" if inside is not None and inside.function in ("url", "src"):
                return self._unread(None, inside.start, token.end(), _UNENDED)
            case _ if inside is not None and inside.options:
                _read_option(inside.options, token, kind)
            case "string" if inside is not None and inside.function and inside.string is None:
                inside.string = _inside_quotes(token[0])
        return None

    def _enter_function(self, inside: _Open | None, token: re.Match[str]) -> None:
        name = name_of(token["name"])
        if name in _WITH_A_STRING:
            self._open.append(_Open(")", name, start=token.start()))
        elif name in _IMAGE_SETS:
            self._enter(inside, _Open(")", name, options=[_Option(token.end())]))
        else:
            self._enter(inside, _BRACKET["("])

    def _enter(self, inside: _Open | None, bracket: _Open) -> None:
        if inside is not None and inside.options:
            inside.options[-1].invalid = True
        self._open.append(bracket)

    def _close(self, end: int) -> SourceSet | None:
        closed = self._open.pop()
        inside = self._open[-1] if self._open else None
        if closed.function == "type":
            if inside is not None and inside.options:
                inside.options[-1].add_type(closed.string)
        elif closed.string is not None:
            return self._image(closed.string, closed.start)
        elif closed.options:
            return _image_set(self._css, closed.options, end)
        return None

    def _unread(self, inside: _Open | None, start: int, end: int, reason: str) -> SourceSet | None:
        """Mark the option of an image set invalid, or return the problem of a URL that cannot be read."""
        if inside is not None and inside.options:
            inside.options[-1].invalid = True
            return None
        found = excerpt(self._css[start : min(end, start + 200)])
        return SourceSet((), SourceKind.CSS, problems=(Problem(start, found, reason),), position=start)

    def _image(self, url: str, position: int) -> SourceSet | None:
        inside = self._open[-1] if self._open else None
        if inside is not None and inside.options:
            inside.options[-1].add_url(url)
        elif self._property not in _WITHOUT_AN_IMAGE and is_requested(url.strip()):
            return SourceSet((Candidate(url),), SourceKind.CSS, position=position)
        return None


def _read_option(options: list[_Option], token: re.Match[str], kind: str | None) -> None:
    """Read a token directly inside `image-set()`: `<url or string> [ <resolution> || type() ]?`."""
    option = options[-1]
    if kind == "comma":
        option.end = token.start()
        options.append(_Option(token.end()))
    elif kind == "string":
        option.add_url(_inside_quotes(token[0]))
    elif kind == "unit":
        option.add_density(float(token["number"]), name_of(token["unit"]))
    elif kind not in ("space", "comment"):
        option.invalid = True


def _image_set(css: str, options: list[_Option], end: int) -> SourceSet | None:
    """Return the source set of the options; None if nothing stands in any of them."""
    typed: dict[str, list[Candidate]] = {"": []}
    problems = []
    for option in options:
        if option.url and not option.invalid and not is_requested(option.url.strip()):
            continue
        if option.url and not option.invalid:
            density = 1.0 if option.density is None else option.density
            typed.setdefault(option.type or "", []).append(Candidate(option.url, density=density))
        else:
            stop = end if option.end is None else option.end
            found = css[option.start : min(stop, option.start + 200)].strip()
            if found:
                problems.append(Problem(option.start, excerpt(found), _NOT_AN_OPTION))
    candidates = tuple(typed.pop(""))
    sources = tuple(Source(tuple(each), type=media_type) for media_type, each in typed.items())
    if not (candidates or sources or problems):
        return None
    return SourceSet(
        candidates, SourceKind.CSS, problems=tuple(problems), position=options[0].start, sources=sources
    )


def _inside_quotes(written: str) -> str:
    """Return the value of a string token; its closing quote may be missing at the end of the text."""
    is_closed = len(written) > 1 and written[-1] == written[0]
    return unescaped(written[1:-1] if is_closed else written[1:])
