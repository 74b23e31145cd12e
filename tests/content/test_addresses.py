import socket

import httpcore
import pytest

from coterie.content.addresses import PublicNetwork, is_public, resolve
from coterie.errors import BadInputError, UnavailableError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
        "localhost",
        "",
    ],
)
def test_what_lies_within_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_the_rest_is(address):
    assert is_public(address)


class Dialled(httpcore.MockBackend):
    def __init__(self):
        super().__init__([])
        self.to = []

    def connect_tcp(self, host, *args, **named):
        self.to.append(host)
        return super().connect_tcp(host, *args, **named)


def test_a_name_is_asked_once_and_the_address_that_was_checked_is_the_one_connected_to():
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    dialled = Dialled()
    network = PublicNetwork(lambda host, port: next(answers), dialled)
    network.connect_tcp("changes.example", 443)
    with pytest.raises(BadInputError, match=r"stands for 127\.0\.0\.1"):
        network.connect_tcp("changes.example", 443)
    assert dialled.to == ["93.184.216.34"]


@pytest.mark.parametrize("found", [["93.184.216.34", "10.0.0.1"], []])
def test_a_name_that_stands_for_something_within_as_well_is_refused(found):
    dialled = Dialled()
    with pytest.raises(BadInputError, match="not of the public network"):
        PublicNetwork(lambda host, port: found, dialled).connect_tcp("mixed.example", 443)
    assert dialled.to == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "::1"])
def test_other_spellings_of_this_machine_are_seen_through(host):
    try:
        resolve(host, 443)
    except UnavailableError:
        pytest.skip(f"{host} means nothing on this machine")
    with pytest.raises(BadInputError, match="not of the public network"):
        PublicNetwork(inner=Dialled()).connect_tcp(host, 443)


def test_a_name_that_does_not_resolve_may_do_so_later(monkeypatch):
    def fails(*_, **__):
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(UnavailableError, match="does not resolve"):
        resolve("gone.example", 443)


def test_sockets_of_this_machine_are_not_opened():
    with pytest.raises(NotImplementedError):
        PublicNetwork().connect_unix_socket("/var/run/docker.sock")
