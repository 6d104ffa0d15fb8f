"""From options to a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfetch.api.client import Client
from imgfetch.cli import output
from imgfetch.cli.headers import headers_of
from imgfetch.model.request import Limits

if TYPE_CHECKING:
    import argparse


def client_for(options: argparse.Namespace, **others: Any) -> Client:  # noqa: ANN401 (arguments of Client)
    """A client with the network that the options ask for; `others` are further arguments of `Client`."""
    return Client(
        limits=Limits(**{name: getattr(options, name) for name in _LIMITS}),
        user_agent=options.user_agent,
        headers=headers_of(options),
        allow_downgrade=options.allow_downgrade,
        offline=options.offline,
        allow_hosts=options.allow_host,
        proxy=options.proxy,
        ca_bundle=options.ca_bundle,
        contact=options.contact,
        robots=options.robots,
        referer=options.referer,
        referrer_policy=options.referrer_policy,
        **others,
    )


def getting_client_for(options: argparse.Namespace, **others: Any) -> Client:  # noqa: ANN401 (as above)
    """A client that keeps images as the options of `get` ask."""
    return client_for(
        options,
        cache=options.cache,
        verify=options.verify,
        strict_width=options.strict_width,
        expect_width=options.expect_width,
        reject_fakes=options.reject_fakes,
        sandbox=options.sandbox,
        refresh=options.refresh,
        reuse=options.reuse,
        key_ignore=options.key_ignore,
        max_cache=options.max_cache,
        max_age=options.max_age,
        check_age=options.check_age,
        **others,
    )


def let_go(client: Client, *, quiet: bool) -> None:
    """Let go of the cache, and say what is to be said of it."""
    for notice in client.release():
        if not quiet:
            output.say(notice)


_LIMITS = (
    "jobs",
    "per_host",
    "per_address",
    "retries",
    "backoff_base",
    "connect_timeout",
    "read_timeout",
    "total_timeout",
    "lowest_speed",
    "max_bytes",
    "max_pixels",
    "max_images",
    "max_total_pixels",
    "max_frames",
    "decode_memory",
    "max_redirects",
)
