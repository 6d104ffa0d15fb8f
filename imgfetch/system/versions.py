"""The versions of the libraries that imgfetch uses, as they report them."""

from __future__ import annotations

import platform
import sqlite3
import ssl
from importlib import import_module
from importlib.metadata import version

PACKAGES = {
    "httpx": "httpx",
    "h11": "h11",
    "certifi": "certifi",
    "idna": "idna",
    "Pillow": "PIL.Image",
    "markdown-it-py": "markdown_it",
    "publicsuffixlist": "publicsuffixlist",
    "tenacity": "tenacity",
    "rich": "rich",
    "turbohtml": "turbohtml",
    "ada-url": "ada_url",
    "webencodings": "webencodings",
}
"""Packages, and the module of each that is imported to check it."""


def versions() -> dict[str, str | None]:
    """Return the version of each library; None if it is not installed, or cannot be imported."""
    packages = {name: _version(name, module) for name, module in PACKAGES.items()}
    linked = {"SQLite": sqlite3.sqlite_version, "OpenSSL": ssl.OPENSSL_VERSION.removeprefix("OpenSSL ")}
    return {"Python": platform.python_version(), **packages, **linked}


def _version(name: str, module: str) -> str | None:
    try:
        import_module(module)
        return version(name)
    except Exception:  # a package that cannot be imported may raise anything
        return None
