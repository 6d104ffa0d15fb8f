"""Remove secrets from a text that is to be shown."""

from __future__ import annotations

import re


def without_credentials(text: str) -> str:
    """Return a text, as it is to be shown, without the user and password of each URL in it."""
    return _CREDENTIALS.sub(r"\1", text) if "@" in text else text


_CREDENTIALS = re.compile(
    r"""( (?<=:)[\\/]{2,}                       # `https://`; browsers take backslashes, too
        | (?<![^\s"'`(<>,;=])[\\/]{2,}          # `//host`, at the beginning of a word
        | (?<=http:)[\\/]? | (?<=https:)[\\/]?  # `http:host`, which browsers read as `http://host`
        ) [^\\/?#\s]{1,4096}@""",
    re.VERBOSE | re.IGNORECASE,
)
