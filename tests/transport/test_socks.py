"""The HTTP client through a real SOCKS 5 server on loopback, and without one that answers."""

import socket

import pytest

from tests.support.socks_server import socks_server
from tests.transport.shop import Shop, running
from veilmart.errors import BadArgument, BrokerUnreachable, ProxyFailed
from veilmart.transport.client import HttpClient
from veilmart.transport.socks import SocksProxy, parse_proxy


def client(address: str, proxy: SocksProxy) -> HttpClient:
    return HttpClient(address, BrokerUnreachable, proxy=proxy)


async def test_each_client_shows_credentials_of_its_own_and_the_proxy_resolves() -> None:
    async with running(Shop()) as (port, _), socks_server() as proxy:
        proxy.names["market.invalid"] = "127.0.0.1"
        address = SocksProxy("127.0.0.1", proxy.port)
        for _ in range(2):
            async with client(f"market.invalid:{port}", address.isolated()) as http:
                for body in (b"one", b"two"):
                    assert await http.post("/echo", body, max_bytes=100) == body + b"!"
        assert [(host, at) for _, _, host, at in proxy.seen] == [("market.invalid", port)] * 2
        assert len({username for username, *_ in proxy.seen}) == 2
        assert len({password for _, password, *_ in proxy.seen}) == 2


async def test_a_proxy_that_is_down_means_that_nothing_is_sent() -> None:
    shop = Shop()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        down = SocksProxy("127.0.0.1", closed.getsockname()[1])
        async with running(shop) as (port, _), client(f"127.0.0.1:{port}", down) as http:
            with pytest.raises(ProxyFailed) as caught:
                await http.post("/echo", b"secret", max_bytes=100)
            assert str(down) in caught.value.detail
            assert http.exchanges == 0


async def test_a_server_behind_the_proxy_that_is_down_is_not_the_proxys_fault() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with socks_server() as proxy:
            address = f"127.0.0.1:{closed.getsockname()[1]}"
            async with client(address, SocksProxy("127.0.0.1", proxy.port).isolated()) as http:
                with pytest.raises(BrokerUnreachable):
                    await http.get("/v1/descriptor", max_bytes=100)


def test_addresses() -> None:
    assert parse_proxy("socks5h://127.0.0.1:9050") == SocksProxy("127.0.0.1", 9050)
    assert parse_proxy(" socks5h://[::1]:9 ") == SocksProxy("::1", 9)
    assert str(parse_proxy("socks5h://[::1]:9")) == "socks5h://[::1]:9"
    assert parse_proxy("socks5h://tor/").port == 9050


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tor",
        "socks5://127.0.0.1:9050",
        "http://127.0.0.1:1",
        "socks5h://",
        "socks5h://a:0x1",
        "socks5h://a:99999",
        "socks5h://u:p@a:1",
        "socks5h://a/b",
        "socks5h://a?b",
        "socks5h://[a",
    ],
)
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(BadArgument):
        parse_proxy(text)


def test_credentials_stay_out_of_repr_and_text() -> None:
    proxy = SocksProxy("127.0.0.1", 1).isolated()
    assert proxy.username and proxy.password
    for secret in (proxy.username, proxy.password):
        assert secret not in repr(proxy) + str(proxy)
