"""The images of Markdown's dialects, rewritten as CommonMark or HTML for the parser.

    ![a](a.jpg =300x200) · ![a](my photo.png) · {{< figure src="a.jpg" >}} · <img src={require('./a.png')} />
        ─▶ ![a](a.jpg) · ![a](<my photo.png>) · <img src="a.jpg"> · <img src="./a.png" />

Editors (Obsidian, Typora, HackMD, Joplin), generators (Hugo, Jekyll, Eleventy, Pelican) and MDX write them.
Line ends stay where they are.
"""

from __future__ import annotations

import re
from html import escape

from imgfetch.readers.strings import is_image_url


def as_common_mark(text: str) -> str:
    """Return the text of a paragraph with the images of dialects as those of CommonMark."""
    if "{" in text:
        text = _SHORTCODE.sub(_image_of_shortcode, _SITE.sub(r"\1", text))
    return _DESTINATION.sub(_destination, text) if "](" in text else text


_SITE = re.compile(
    r"""\{\{-?\s*+(?:site\.(?:base)?url|["']([^"'{}]*+)["']\s*+\|[^{}]*+)\s*+-?\}\}"""  # Liquid
    r"""|\{(?:static|attach|photo)\}"""  # Pelican
)
"""What a generator puts before a path, or makes of one."""
_SHORTCODE = re.compile(r"\{\{[<%]([^{}]{1,2000}?)[>%]\}\}|\{%([^{}]{1,2000}?)%\}")
"""A call of a template: of Hugo, or of Liquid and Nunjucks."""
_ARGUMENT = re.compile(r"""(?:([\w-]++)\s*+=\s*+)?(?:"([^"]*+)"|'([^']*+)'|([^\s"'=,>]++))""")
_DESTINATION = re.compile(
    r"""\]\([ \t]*+([^\s<>()"']++(?:[ ][^\s<>()"'=][^\s<>()"']*+)*+)"""  # the address, with spaces
    r"""([ \t]++=[0-9]*+%?(?:x[0-9]*+%?)?)?"""  # the size
    r"""([ \t]++(?:"[^"\n]*+"|'[^'\n]*+'))?[ \t]*+\)"""  # the title
)


def _destination(found: re.Match[str]) -> str:
    """Return the end of an image without a size, and with its address in angle brackets if it has spaces."""
    url, size, title = found.groups()
    if not re.search(r"\s", url):
        return f"]({url}{title or ''})" if size else found[0]
    return f"](<{url}>{title or ''})" if _is_image(re.sub(r"\s", "-", url)) else found[0]


def _image_of_shortcode(found: re.Match[str]) -> str:
    """Return the image that a call of a template names; the call itself if it names none."""
    src = alt = ""
    for name, double, single, bare in _ARGUMENT.findall(found[1] or found[2]):
        value = double or single or bare
        if name in ("alt", "title", "caption"):
            alt = alt or value
        elif not src and _is_image(value):
            src = value
    return f'<img src="{escape(src)}" alt="{escape(alt)}">' if src else found[0]


def _is_image(url: str) -> bool:
    return is_image_url(url) or is_image_url(f"/{url}")


# ---------------------------------------------------------------------------------------------------
# MDX


def without_expressions(text: str) -> str:
    """Return MDX without imports, and with the address in an expression as the value of its attribute.

    An expression without the address of an image is an empty value.
    """
    imported = {name: url for name, url in _IMPORT.findall(text) if _is_image(url)}
    text = _STATEMENT.sub("", text)

    def value(found: re.Match[str]) -> str:
        expression = found[1].strip()
        strings = [each[1] for each in _STRING.findall(expression) if _is_image(each[1])]
        url = imported.get(expression.removesuffix(".src"), "") or (strings[0] if strings else "")
        return f'="{escape(url)}"' + "\n" * found[0].count("\n")

    return _EXPRESSION.sub(value, text)


_IMPORT = re.compile(r"""^import[ \t]++(\w++)[ \t]++from[ \t]++["']([^"'\n]++)["']""", re.MULTILINE)
_STATEMENT = re.compile(r"^(?:import|export)\b[^\n]*+", re.MULTILINE)
_EXPRESSION = re.compile(r"(?<=\w)=\{((?:[^{}]|\{[^{}]{0,1000}+\}){0,1000}+)\}")
_STRING = re.compile(r"""(["'`])([^"'`\n]++)\1""")
