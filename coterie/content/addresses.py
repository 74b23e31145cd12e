"""Connections that reach the public network alone, whatever a name turns out to mean.

Addresses of pictures come from a shop's export, and who follows them stands inside, beside stores,
the cluster's interface, and the cloud's service that hands out keys. So a name is resolved here,
all that it stands for is looked at, and the connection goes to the very address that was looked at:
a name that means something else a moment later changes nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final

import httpcore

from coterie.errors import BadInputError, UnavailableError

Resolve = Callable[[str, int], list[str]]
"""From a name and a port to addresses."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def resolve(host: str, port: int) -> list[str]:
    """Ask the system what a name stands for.

    Raises:
        UnavailableError: It does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnavailableError(f"{host} does not resolve: {error}") from error
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Whether an address is one of the public network.

    Addresses that carry another one within are what they carry.

    >>> [is_public(a) for a in ("93.184.216.34", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False, False]
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return is_public(str(found.ipv4_mapped))
        if found in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
        if found.sixtofour or found.teredo:
            return False
    return found.is_global and not found.is_multicast


class PublicNetwork(httpcore.NetworkBackend):
    """Opens connections to public addresses only."""

    def __init__(
        self, resolve: Resolve = resolve, inner: httpcore.NetworkBackend | None = None
    ) -> None:
        """Nothing is asked yet; ``inner`` opens what was found to be public."""
        self._resolve, self._inner = resolve, inner or httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve once, check all answers, and connect to one of these.

        Raises:
            BadInputError: One of the addresses is not public.
            UnavailableError: The name does not resolve.
        """
        found = self._resolve(host, port)
        inner = [address for address in found if not is_public(address)]
        if inner or not found:
            raise BadInputError(
                f"{host} stands for {inner[0] if inner else 'no address'}, which is not of the "
                "public network: nothing within it is fetched"
            )
        return self._inner.connect_tcp(found[0], port, timeout, local_address, socket_options)
