"""From options to a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfetch.api.client import Client
from imgfetch.model import Limits

if TYPE_CHECKING:
    import argparse


def client_for(options: argparse.Namespace, **others: Any) -> Client:  # noqa: ANN401 (arguments of Client)
    """A client with the network that the options ask for; `others` are further arguments of `Client`."""
    return Client(
        limits=Limits(**{name: getattr(options, name) for name in _LIMITS}),
        user_agent=options.user_agent,
        headers=dict(options.header),
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


_LIMITS = (
    "jobs",
    "per_host",
    "retries",
    "backoff_base",
    "connect_timeout",
    "read_timeout",
    "total_timeout",
    "lowest_speed",
    "max_bytes",
    "max_pixels",
    "max_redirects",
)
