"""Markdown: the images of CommonMark 0.31 and of the HTML inside.

    text ─▶ front matter: images by their names
         └▶ tokens of CommonMark ─▶ images, links and raw HTML as one HTML text ─▶ the reader of HTML
                              └───▶ lists of candidates in the prose

markdown-it-py is the parser: it follows CommonMark, takes linear time on 10⁶ brackets, and comes with rich.
Images of wikis, `![[a.png]]`, and those of other dialects (`markdown_dialects`) are read too.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from imgfetch.markup.positions import Lines
from imgfetch.model.document import Document
from imgfetch.readers import front_matter
from imgfetch.readers.decoded import located, text_of, unread
from imgfetch.readers.markdown_dialects import as_common_mark, without_expressions
from imgfetch.readers.strings import StringType, is_image_url, string_type
from imgfetch.readers.xml.html_writer import HtmlWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

    from imgfetch.model.document import EachImage
    from imgfetch.model.markup import SourceSet

_MOST_NESTED = 100
"""Quotes and lists inside each other; the parser leaves out what is deeper."""
_MOST_NESTED_LINKS = 10
"""Brackets inside each other; the parser tries so many ends for each, so that 10⁶ of them take seconds."""

_FRONT_MATTER = re.compile(r"\A\ufeff?(---|\+\+\+)[ \t]*\r?\n(.*?\r?\n)\1[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_WITH_MARKDOWN = re.compile(r"<[A-Za-z][^<>]*?\smarkdown(?:=[\"']?(?:1|span|block)\b|[\s>])")
"""A tag that says that Markdown is inside: PHP Markdown Extra, Python-Markdown, kramdown."""
_WIKI_IMAGE = re.compile(r"!\[\[([^\[\]|\n]+)(?:\|([^\[\]\n]*))?\]\]")


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of Markdown, those of its front matter first. Never raise."""
    text = text_of(document).replace("\r\n", "\n").replace("\r", "\n")
    front = _FRONT_MATTER.match(text)
    if front:
        yield from front_matter.images(front[2], front.start(2), document.base_url)
    body = front.end() if front else 0
    page = _Page(text[body:], body, is_mdx=document.name.lower().endswith(".mdx"))
    html = Document(
        page.writer.html(),
        "text/html; charset=utf-8",
        base_url=document.base_url,
        link_headers=document.link_headers,
        depth=document.depth + 1,
    )
    lines = Lines(text)
    for image in each_image(html):
        problems = tuple(
            lines.locate(each._replace(position=page.writer.position_of(each.position)))
            if each.line
            else each
            for each in image.problems
        )
        yield image._replace(position=page.writer.position_of(image.position), problems=problems)
    yield from _listed(page, document, text)
    if page.is_too_deep:
        yield from located((unread(f"more than {_MOST_NESTED} quotes and lists inside each other"),), text)


def _listed(page: _Page, document: Document, text: str) -> Iterator[SourceSet]:
    from imgfetch.markup.plain_text import find_source_sets

    for prose, position in page.lists:
        found = (
            image._replace(
                position=position,
                problems=tuple(each._replace(position=position) for each in image.problems),
            )
            for image in find_source_sets(prose, base_url=document.base_url)
        )
        yield from located(found, text)


def _may_have_images(token: Token) -> bool:
    if token.type == "html_block":
        return True
    text = token.content
    return token.type == "inline" and (
        "![" in text or "<" in text or "{%" in text or string_type(text) is StringType.LIST
    )


class _Blocks(list["Token"]):
    """Receives the blocks of a text, and keeps those that may have images.

    All tokens together would take twenty times the memory of the text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Token] = []
        self.is_too_deep = False
        self._last: Token | None = None
        """The latest token: the parser fills it after it has appended it."""

    def append(self, token: Token) -> None:
        """Receive a token."""
        self.end()
        self._last = token

    def end(self) -> None:
        """Keep the latest token if it may have images."""
        token, self._last = self._last, None
        if token is not None:
            self.is_too_deep = self.is_too_deep or token.level >= _MOST_NESTED - 1
            if _may_have_images(token):
                self.kept.append(token)


class _Page:
    """The images, links and HTML of Markdown, as a page."""

    _references: dict[str, Any]

    def __init__(self, text: str, start: int, *, is_mdx: bool = False) -> None:
        from markdown_it import MarkdownIt
        from markdown_it.renderer import RendererHTML

        self.writer = HtmlWriter()
        self.lists: list[tuple[str, int]] = []
        """Paragraphs with lists of candidates, and their positions."""
        self._start = start
        self._starts = [0, *(end.end() for end in re.finditer("\n", text))]
        parser = MarkdownIt("commonmark", {"maxNesting": _MOST_NESTED})
        if is_mdx:  # its tags stand in paragraphs, and indented code is none
            text = without_expressions(text)
            parser.disable(["html_block", "code"])
        parser.validateLink = lambda _: True  # type: ignore[method-assign,assignment] # nothing here follows a link
        self._parser, self._references = parser, {}
        self._alt = RendererHTML(parser).renderInlineAsText
        # A reference may be defined behind its use: the blocks come first, and those with images are kept.
        blocks = _Blocks()
        parser.block.parse(text.replace("\0", "\ufffd"), parser, self._references, blocks)
        blocks.end()
        self.is_too_deep = blocks.is_too_deep
        parser.options["maxNesting"] = _MOST_NESTED_LINKS
        for token in blocks.kept:
            self._block(token)

    def _block(self, token: Token) -> None:
        line = token.map[0] if token.map else 0
        position = self._start + self._starts[min(line, len(self._starts) - 1)]
        content = as_common_mark(token.content)
        if token.type == "html_block" and not _WITH_MARKDOWN.search(content):
            self.writer.append(token.content, position)
        else:
            if "![" in content or "<" in content:
                children: list[Token] = []
                self._parser.inline.parse(content, self._parser, self._references, children)
                for child in children:
                    self._inline(child, position)
            if string_type(token.content) is StringType.LIST:
                self.lists.append((token.content, position))

    def _inline(self, token: Token, position: int) -> None:
        match token.type:
            case "image":
                alt = self._alt(token.children or (), self._parser.options, self._references)
                self._image(str(token.attrs.get("src", "")), alt, position)
            case "html_inline":
                self.writer.append(token.content, position)
            case "link_open":
                self.writer.append(f'<a href="{escape(str(token.attrs.get("href", "")))}">', position)
            case "link_close":
                self.writer.append("</a>", position)
            case "text" if "![[" in token.content:
                for found in _WIKI_IMAGE.finditer(token.content):
                    name = found[1].strip()
                    if is_image_url("/" + name.replace(" ", "-")):
                        self._image(name, "", position)

    def _image(self, src: str, alt: str, position: int) -> None:
        self.writer.append(f'<img src="{escape(src)}" alt="{escape(alt)}">', position)
