"""Register, login, resume, passwd: refusals look alike, and guessing gets slow."""

import os

import pytest

from tests.support.broker_market import PASSWORD, Market
from veilmart.broker.accounts.guess_limit import delay_seconds
from veilmart.broker.schema import tables
from veilmart.errors import (
    AuthenticationFailed,
    LoginRequired,
    MalformedMessage,
    NameTaken,
    SessionUnknown,
    TooManyAttempts,
)
from veilmart.protocol.customer_messages import (
    ChangePassword,
    GetAccount,
    Login,
    Register,
    Resume,
    Start,
)


def login(name: str = "anna", password: str = PASSWORD, device: bytes = b"") -> Login:
    return Login(username=name, password=password, device=device)


async def test_register_then_login_and_resume(market: Market) -> None:
    first = await market.ask(market.session(), Register(username="anna", password=PASSWORD))
    assert (first.username, first.balance, len(first.device)) == ("anna", 0, 32)
    second = await market.ask(market.session(), login(device=first.device))
    assert second.device == first.device
    third = await market.ask(market.session(), login())
    assert third.device not in (first.device, b"")
    session = market.session()
    await market.ask(session, Resume(username="anna", device=third.device))
    assert (await market.ask(session, GetAccount())).username == "anna"
    assert len({first.request_number, second.request_number, third.request_number}) == 3


async def test_names_are_unique_and_printable(market: Market) -> None:
    await market.customer("anna")
    for name in ("anna", " anna", "an\nna", "a" * 65, "\u202eanna", "e\u0301"):
        with pytest.raises((NameTaken, MalformedMessage)):
            await market.ask(market.session(), Register(username=name, password=PASSWORD))


@pytest.mark.parametrize("password", ["", "1234567", "x" * 129, "ü" * 65])
async def test_passwords_have_8_to_128_bytes(market: Market, password: str) -> None:
    with pytest.raises(MalformedMessage):
        await market.ask(market.session(), Register(username="anna", password=password))


async def test_wrong_name_and_wrong_password_are_one_refusal(market: Market) -> None:
    await market.customer("anna")
    refusals = []
    for name in ("anna", "nobody"):
        with pytest.raises(AuthenticationFailed) as caught:
            await market.ask(market.session(), login(name, "wrong horse"))
        refusals.append((caught.value.code, caught.value.detail))
    assert refusals[0] == refusals[1]


@pytest.mark.usefixtures("real_passwords")
async def test_an_unknown_name_costs_a_hash_as_well(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    passwords = market.broker.app._passwords
    real = passwords._hasher.verify

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            verified.append(hashed.split("$")[1:4])
            return bool(real(hashed, password))

    monkeypatch.setattr(passwords, "_hasher", Counting())
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), login("nobody"))
    assert verified == [["argon2id", "v=19", "m=19456,t=2,p=1"]]


def test_delays_double_up_to_half_a_minute() -> None:
    assert [delay_seconds(count) for count in range(1, 11)] == [0, 0, 1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize("name", ["anna", "nobody"])
async def test_guessing_is_slowed_down_for_each_name(market: Market, name: str) -> None:
    await market.customer("anna")
    await market.customer("berta")
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            await market.ask(market.session(), login(name, "wrong horse"))
    with pytest.raises(TooManyAttempts, match="1 second"):
        await market.ask(market.session(), login(name, PASSWORD))
    await market.ask(market.session(), login("berta"))
    market.clock.now += 1
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), login(name, "wrong horse"))
    with pytest.raises(TooManyAttempts, match="2 second"):
        await market.ask(market.session(), login(name, "wrong horse"))


async def test_a_known_device_is_exempt_and_does_not_reset_the_count(market: Market) -> None:
    device = (
        await market.ask(market.session(), Register(username="anna", password=PASSWORD))
    ).device
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            await market.ask(market.session(), login(password="wrong horse"))
    await market.ask(market.session(), login(device=device))
    with pytest.raises(TooManyAttempts):
        await market.ask(market.session(), login())
    with pytest.raises(TooManyAttempts):
        await market.ask(market.session(), login(device=os.urandom(32)))


async def test_success_resets_the_count(market: Market) -> None:
    await market.customer("anna")
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            await market.ask(market.session(), login(password="wrong horse"))
    await market.ask(market.session(), login())
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            await market.ask(market.session(), login(password="wrong horse"))
    await market.ask(market.session(), login())


async def test_the_tables_hold_neither_names_tried_nor_device_keys(market: Market) -> None:
    answer = await market.ask(market.session(), Register(username="anna", password=PASSWORD))
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), login("secretname", "wrong horse"))
    rows = market.run(lambda conn: conn.execute(tables.guesses.select()).all())
    assert [len(row.name) for row in rows] == [32]
    dump = b"".join(
        file.read_bytes() for file in market.opened.home.path.iterdir() if "sqlite" in file.name
    )
    assert b"secretname" not in dump
    assert answer.device not in dump
    assert PASSWORD.encode() not in dump


async def test_an_idle_device_key_ends(market: Market) -> None:
    device = (
        await market.ask(market.session(), Register(username="anna", password=PASSWORD))
    ).device
    market.clock.now += 90 * 24 * 3600
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), Resume(username="anna", device=device))


async def test_a_device_key_is_for_one_account(market: Market) -> None:
    await market.customer("anna")
    device = (
        await market.ask(market.session(), Register(username="berta", password=PASSWORD))
    ).device
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), Resume(username="anna", device=device))


async def test_a_new_password_ends_devices_and_other_sessions(market: Market) -> None:
    session, other = market.session(), market.session()
    old = await market.ask(session, Register(username="anna", password=PASSWORD))
    await market.ask(other, login())
    fresh = await market.ask(session, ChangePassword(old=PASSWORD, new="staple battery"))
    sessions = market.broker.state.sessions
    assert sessions.get(session.keys.session_id, market.clock()) is session
    with pytest.raises(SessionUnknown):
        sessions.get(other.keys.session_id, market.clock())
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), Resume(username="anna", device=old.device))
    await market.ask(market.session(), Resume(username="anna", device=fresh.device))
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), login())
    await market.ask(market.session(), login(password="staple battery"))


async def test_changing_the_password_needs_the_old_one(market: Market) -> None:
    session = await market.customer("anna")
    with pytest.raises(AuthenticationFailed):
        await market.ask(session, ChangePassword(old="wrong horse", new="staple battery"))
    with pytest.raises(LoginRequired):
        await market.ask(market.session(), ChangePassword(old=PASSWORD, new="staple battery"))
    await market.ask(market.session(), login())


async def test_an_anonymous_session_has_no_account(market: Market) -> None:
    session = market.session()
    welcome = await market.ask(session, Start())
    assert (welcome.username, welcome.device, welcome.balance) == ("", b"", 0)
    with pytest.raises(LoginRequired):
        await market.ask(session, GetAccount())


async def test_a_session_speaks_for_one_account(market: Market) -> None:
    await market.customer("berta")
    session = await market.customer("anna")
    for request in (login("berta"), Register(username="carla", password=PASSWORD), Start()):
        with pytest.raises(MalformedMessage):
            await market.ask(session, request)


async def test_register_and_login_may_be_sent_again_in_their_session(market: Market) -> None:
    session = market.session()
    request = Register(username="anna", password=PASSWORD)
    first = await market.ask(session, request)
    again = await market.ask(session, request)
    assert (again.username, again.device) == (first.username, first.device)
    with pytest.raises(AuthenticationFailed):
        await market.ask(session, Register(username="anna", password="wrong horse"))
