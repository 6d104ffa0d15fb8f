"""From options to the headers that a caller gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def headers_of(options: argparse.Namespace) -> dict[str, str | dict[str, str]]:
    """Return the headers that the options give, as `Client` takes them."""
    headers: dict[str, str | dict[str, str]] = dict(options.header)
    for origin, name, value in options.header_for:
        of_origin = headers.setdefault(origin, {})
        assert isinstance(of_origin, dict)  # noqa: S101 (an origin is not the name of a header)
        of_origin[name] = value
    return headers
