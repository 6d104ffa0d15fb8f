"""`python -m imgfetch`."""

from imgfetch.cli import entry

entry()
