"""Remove the userinfo of URLs from texts that are shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def without_credentials(text: str) -> str:
    """Return a text without the user and password of each URL in it."""
    return re.sub(_CREDENTIALS, r"\1", text) if "@" in text else text


def redacted_repr(value: object, names: Iterable[str]) -> str:
    """Return a `repr` that shows the attributes `names`, without the user and password of each URL."""
    shown = ", ".join(f"{name}={getattr(value, name)!r}" for name in names)
    return without_credentials(f"{type(value).__qualname__}({shown})")


# Browsers leave out tabs and line ends, which may be escapes in a text that was made printable.
_LEFT_OUT = r"(?:[\t\n\r]|\\[tnr])*"

_WORD_BEGINS = r"""(?<![^\s"'`(<>,;=])"""

# What may follow a host and its port; what follows a colon and is not a port belongs to a password.
_PORT = r"""[0-9]{0,5}(?:[\\/?\#\s"'<>,):;.…]|$)"""

# Compiled by its first use, which `re` remembers: most runs show no text with an `@`.
_CREDENTIALS = rf"""(?xi)
        ( (?<=:){_LEFT_OUT}(?:[\\/]{_LEFT_OUT}){{2,}}  # `https://`; browsers take backslashes, too
        | {_WORD_BEGINS}[\\/]{{2,}}                    # `//host`
        | (?<=http:)[\\/]? | (?<=https:)[\\/]?       # `http:host`, which browsers read as `http://host`
        | {_WORD_BEGINS}(?!(?:mailto|cid|mid):)  # `user:password@host`, and no address
          (?=[\w.%+-]{{1,255}}:[^\\/?\#\s:@"'<>,]{{1,255}}@)
        ) (?: [^\\/?\#\s]{{1,4096}}@
        | (?!\[)[^\\/?\#\s:@]{{1,255}}:(?!\s|{_PORT})[^@,"'<>\n]{{1,255}}@  # a password that is not escaped
        )"""
