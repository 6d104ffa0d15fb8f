"""Where settings are kept besides the command line."""

from __future__ import annotations


def configuration() -> tuple[str, bytes] | None:
    """The first file of the current directory that has settings, and what is in it; None where none has."""
    for name in ("imgfetch.toml", "pyproject.toml"):
        try:
            with open(name, "rb") as file:  # noqa: PTH123 (pathlib is slow to import)
                text = file.read()
        except OSError:
            continue
        if name == "imgfetch.toml" or b"tool.imgfetch" in text:
            return name, text
    return None
