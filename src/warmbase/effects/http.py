"""HTTP requests that warmbase makes itself. Proxies, CA bundles and netrc are the environment's."""

import os
import ssl
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


def ask_size(address: str) -> int:
    """Ask for the size in bytes of the file at `address`; 0 where the server does not say."""
    import httpx

    try:
        response = _client().head(address)
        return int(response.headers.get("Content-Length", 0)) if response.is_success else 0
    except (httpx.HTTPError, ValueError):
        return 0


@cache
def _client() -> "httpx.Client":
    import httpx

    bundle = os.environ.get("SSL_CERT_FILE")
    context = ssl.create_default_context(cafile=bundle) if bundle else ssl.create_default_context()
    return httpx.Client(verify=context, auth=_netrc(), follow_redirects=True, timeout=30)


def _netrc() -> "httpx.NetRCAuth | None":
    """The credentials in NETRC or ~/.netrc; the user information of an address goes before them."""
    import netrc

    import httpx

    try:
        return httpx.NetRCAuth(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return None
