"""Makes a client from the options of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfetch.api.client import Client
from imgfetch.cli import output
from imgfetch.cli.inputs import headers_of, netrc_of
from imgfetch.model.options import every
from imgfetch.model.request import Limits

if TYPE_CHECKING:
    import argparse


def client_for(options: argparse.Namespace, **others: Any) -> Client:  # noqa: ANN401 (arguments of Client)
    """Return a client with the options that the command has; `others` are further arguments of `Client`."""
    values = vars(options)
    present = [option for option in every() if option.attribute in values]
    limits = {option.attribute: values[option.attribute] for option in present if option.is_limit}
    keywords = {option.keyword: values[option.attribute] for option in present if option.keyword}
    secrets = {"headers": headers_of(options), "netrc": netrc_of(options)}
    return Client(**{**keywords, "limits": Limits(**limits), **secrets, **others})


def release(client: Client, *, quiet: bool) -> None:
    """Release the cache of a client, and print its notices."""
    for notice in client.release():
        if not quiet:
            output.say(notice)
