"""Build code reaches the index and the world, and no metadata server."""

from __future__ import annotations

import ipaddress

import pytest

from release_assets.distributions.build_network import index_hosts
from release_assets.distributions.build_proxy import parse_request
from release_assets.distributions.reachable import refusal

LOCAL = {("localhost", 3141)}


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",  # AWS, Google, Azure, OpenStack
        "169.254.170.2",  # the credentials of an ECS task
        "169.254.170.23",  # the identity of an EKS pod
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure's WireServer
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_no_metadata_server_may_be_reached(address: str) -> None:
    reason = refusal("files.example", 443, [ipaddress.ip_address(address)], LOCAL)
    assert reason is not None
    assert "a cloud's metadata server" in reason


@pytest.mark.parametrize(
    "name",
    ["metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data.ec2.internal"],
)
def test_metadata_is_refused_by_its_names(name: str) -> None:
    """Behind a proxy of the machine, names are all that is known."""
    assert refusal(name, 80, [], LOCAL) == "it is a cloud's metadata server"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"],  # noqa: S104  (nothing binds)
)
def test_this_machine_may_not_be_reached(address: str) -> None:
    """Dagster's webserver is there, and takes orders from everybody."""
    reason = refusal("localhost", 3000, [ipaddress.ip_address(address)], LOCAL)
    assert reason is not None
    assert reason.endswith("is this machine")


def test_one_bad_address_among_good_ones_is_enough() -> None:
    addresses = [ipaddress.ip_address("151.101.0.223"), ipaddress.ip_address("169.254.169.254")]
    assert refusal("rebind.example", 443, addresses, LOCAL) is not None


def test_the_index_and_all_others_may_be_reached() -> None:
    assert refusal("localhost", 3141, [ipaddress.ip_address("127.0.0.1")], LOCAL) is None
    assert refusal("pypi.org", 443, [ipaddress.ip_address("151.101.0.223")], LOCAL) is None
    assert refusal("mirror.example", 443, [ipaddress.ip_address("10.0.0.5")], LOCAL) is None
    assert refusal("known-to-the-proxy.example", 443, [], LOCAL) is None


def test_the_indexes_are_those_of_uvs_settings() -> None:
    settings = [
        "http://localhost:3141/root/pypi/+simple/",
        "mine=https://pypi.example/simple https://x.example/",
    ]
    assert index_hosts([*settings, "", "not a url", "http://[broken"]) == {
        ("localhost", 3141), ("pypi.example", 443), ("x.example", 443),
    }  # fmt: skip


def test_a_tunnel_leads_to_its_host() -> None:
    request = parse_request(b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n")
    assert (request.host, request.port, request.is_tunnel, request.head) == ("pypi.org", 443, True, b"")
    request = parse_request(b"CONNECT [fd00:ec2::254]:80 HTTP/1.1\r\n\r\n")
    assert (request.host, request.port) == ("fd00:ec2::254", 80)


def test_a_plain_request_is_one_and_the_last() -> None:
    """The next one on the connection could go elsewhere."""
    request = parse_request(
        b"GET http://mirror.example:8080/simple/?a=b HTTP/1.1\r\nHost: mirror.example:8080\r\n"
        b"Proxy-Connection: keep-alive\r\nConnection: keep-alive\r\nAccept: */*\r\n\r\n"
    )
    assert (request.host, request.port, request.is_tunnel) == ("mirror.example", 8080, False)
    assert request.head == (
        b"GET /simple/?a=b HTTP/1.1\r\nHost: mirror.example:8080\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"CONNECT pypi.org HTTP/1.1\r\n\r\n",
        b"CONNECT pypi.org:99999 HTTP/1.1\r\n\r\n",
        b"GET ftp://pypi.org/ HTTP/1.1\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"CONNECT\r\n\r\n",
    ],
)
def test_what_is_no_request_of_a_proxy_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (Python's own words, which nobody sees)
        parse_request(head)
