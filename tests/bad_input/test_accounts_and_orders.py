"""What an account or an order can be asked wrongly, over the wire, in the issue's own words."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from tests.support.roles import CREDIT, PASSWORD, PRICE, Roles, product_of, told
from tests.support.tampering_proxy import Forward, Gone, HttpMessage
from veilmart.broker.accounts import customers
from veilmart.broker.schema import tables
from veilmart.customer.display.lists import find_product
from veilmart.customer.events import Event, StepReached
from veilmart.customer.quote import Quote
from veilmart.customer.wallet.orders import Order, all_orders
from veilmart.errors import (
    MONEY_SAFE,
    AuthenticationFailed,
    BrokerUnreachable,
    InsufficientBalance,
    NoSuchProduct,
    OperationConflict,
    ProductGone,
    SessionUnknown,
    UnknownRequestNumber,
    VeilmartError,
)
from veilmart.protocol.customer_messages import (
    GetMerchants,
    Login,
    Merchants,
    Open,
    Opened,
    Paid,
    Pay,
    Relay,
    Relayed,
    Welcome,
)
from veilmart.protocol.order_key import operation_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def login_refused(roles: Roles, username: str, password: str) -> VeilmartError:
    """Why the login failed; the session it was tried in is closed."""
    shopper = await roles.connect("stranger")
    keys = await shopper.session._handshake()
    request = Login(username=username, password=password, device=b"")
    with pytest.raises(AuthenticationFailed) as refused:
        await shopper.session._exchange(keys, request, Welcome, False)
    with pytest.raises(SessionUnknown):
        await shopper.session._exchange(keys, GetMerchants(after=b""), Merchants, False)
    return refused.value


async def test_unknown_user_and_wrong_password_are_one_refusal(shared: Roles) -> None:
    await shared.customer("mia")
    unknown = await login_refused(shared, "nobody", PASSWORD)
    wrong = await login_refused(shared, "mia", "not " + PASSWORD)
    for refusal in (unknown, wrong):
        told(refusal, code=4101, money="")
        assert refusal.summary == "Authentication failed. Closing connection."
    assert unknown.explain() == wrong.explain()
    assert (unknown.http_status, unknown.exit_code) == (wrong.http_status, wrong.exit_code)


async def test_unknown_user(shared: Roles) -> None:
    shopper = await shared.connect("unknown")
    with pytest.raises(AuthenticationFailed) as refused:
        await shopper.account.login("who is this", PASSWORD)
    told(refused.value, code=4101, money="")
    assert not shopper.logged_in


async def test_wrong_password(shared: Roles) -> None:
    shopper = await shared.customer("forgetful")
    with pytest.raises(AuthenticationFailed) as refused:
        await shopper.account.login("forgetful", "long enough but wrong")
    told(refused.value, code=4101, money="")
    assert await shared.balance("forgetful") == CREDIT


async def number_refused(answer: Awaitable[object]) -> None:
    with pytest.raises(UnknownRequestNumber) as refused:
        await answer
    told(refused.value, code=4105)


async def test_unknown_request_number(shared: Roles) -> None:
    """One that was never handed out, and one that was handed to somebody else."""
    shopper, other = await shared.customer("guesser"), await shared.customer("owner")
    merchant = await shopper.merchant(shared.merchant_print)
    for number in (bytes(16), await other.session.take_request_number()):
        opening = Open(
            merchant=merchant.fingerprint,
            request_number=number,
            suite=1,
            descriptor=merchant.hash,
            message=bytes(1300),
        )
        await number_refused(shopper.session.ask(opening, Opened))
        relayed = Relay(request_number=number, record=bytes(1200))
        await number_refused(shopper.session.ask(relayed, Relayed))
    await shared.check_books()


async def test_unknown_product(shared: Roles, tmp_path: Path) -> None:
    """At the customer by its name; at the merchant by an id that it never had."""
    shopper = await shared.customer("seeker")
    menu = await shopper.browse(shared.merchant_print)
    with pytest.raises(NoSuchProduct) as missing:
        find_product(menu, "no such thing")
    told(missing.value, code=1111)
    known = product_of(menu, "june.txt")
    values = {name: getattr(known, name) for name in known.__struct_fields__}
    with pytest.raises(ProductGone) as gone:
        await shopper.buy(menu, type(known)(**(values | {"id": bytes(16)})), tmp_path)
    told(gone.value, code=4106)
    assert await shared.balance("seeker") == CREDIT
    assert not await shopper.wallet.database.run(all_orders)


async def test_insufficient_balance(shared: Roles, tmp_path: Path) -> None:
    shopper = await shared.customer("poor", amount=PRICE - 1)
    menu = await shopper.browse(shared.merchant_print)
    asked: list[object] = []
    with pytest.raises(InsufficientBalance) as refused:
        await shopper.buy(
            menu, product_of(menu, "june.txt"), tmp_path / "out", lambda quote: bool(asked)
        )
    told(refused.value, code=4108)
    assert "4.99" in refused.value.detail and "5.00" in refused.value.detail
    assert await shared.balance("poor") == PRICE - 1
    assert not (tmp_path / "out").exists()


async def test_insufficient_balance_after_the_question(shared: Roles, tmp_path: Path) -> None:
    """The money is spent elsewhere while the person thinks about the question."""
    shopper = await shared.customer("slow", amount=PRICE)
    menu = await shopper.browse(shared.merchant_print)

    def change_balance(conn: Connection, by: int) -> None:
        found = customers.find_customer(conn, "slow")
        assert found is not None
        account = tables.accounts.c
        changed = update(tables.accounts).where(account.id == found.account)
        conn.execute(changed.values(balance=account.balance + by))

    def confirm(quote: Quote) -> bool:
        assert quote.balance_after == 0
        shared.database.run_now(change_balance, -1)
        return True

    with pytest.raises(InsufficientBalance) as refused:
        await shopper.buy(menu, product_of(menu, "june.txt"), tmp_path / "out", confirm)
    told(refused.value, code=4108)
    (order,) = await shopper.wallet.database.run(all_orders)
    assert order.state == "abandoned"
    assert await shared.balance("slow") == PRICE - 1
    shared.database.run_now(change_balance, 1)
    assert not (tmp_path / "out").exists()
    await shared.check_books()


async def confirmed_but_unpaid(roles: Roles, name: str, out: Path) -> Order:
    """An order of a new customer whose Pay never reached the broker."""
    await (await roles.customer(name)).aclose()
    reached: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, StepReached):
            reached.append(event.step)

    async def cut(request: HttpMessage, forward: Forward) -> HttpMessage:
        if reached[-1] == "pay":
            raise Gone
        return await forward(request)

    shopper = await roles.connect(name, observe=observe)
    menu = await shopper.browse(roles.merchant_print)
    roles.outside.handler = cut
    with pytest.raises(BrokerUnreachable) as gone:
        await shopper.buy(menu, product_of(menu, "june.txt"), out)
    roles.outside.reset()
    told(gone.value, code=3101, money=MONEY_SAFE)
    (order,) = await roles.wallet(name).database.run(all_orders)
    assert order.state == "confirming"
    return order


@pytest.mark.usefixtures("impatient")
async def test_double_confirmation(shared: Roles, tmp_path: Path) -> None:
    """The same payment five times at once from two sessions is one payment with one receipt."""
    order = await confirmed_but_unpaid(shared, "hasty", tmp_path)
    one, two = await shared.connect("hasty"), await shared.connect("hasty")
    pay = Pay(operation=operation_id(order.order, "pay"), order=order.order, amount=PRICE)
    paid = await asyncio.gather(
        *(shopper.session.ask_attached(pay, Paid) for shopper in (one, two, one, two, one))
    )
    assert len({answer.receipt for answer, _segment in paid}) == 1
    assert await shared.balance("hasty") == CREDIT - PRICE
    assert (await one.recover(order)).outcome == "done"
    assert (await one.session.ask(pay, Paid)).receipt == paid[0][0].receipt
    await shared.check_customer("hasty")
    await shared.check_books()


@pytest.mark.usefixtures("impatient")
async def test_the_same_operation_id_with_another_body(shared: Roles, tmp_path: Path) -> None:
    """Another amount, another account: refused, and nothing more is charged to anybody."""
    order = await confirmed_but_unpaid(shared, "changer", tmp_path)
    shopper, other = await shared.connect("changer"), await shared.customer("other")
    operation = operation_id(order.order, "pay")
    pay = Pay(operation=operation, order=order.order, amount=PRICE)
    await shopper.session.ask_attached(pay, Paid)
    more = Pay(operation=operation, order=order.order, amount=PRICE + 1)
    foreign = Pay(operation=operation_id(bytes(32), "pay"), order=order.order, amount=PRICE)
    for asker, body in ((shopper, more), (other, pay), (shopper, foreign)):
        with pytest.raises(OperationConflict) as refused:
            await asker.session.ask(body, Paid)
        told(refused.value, code=4112)
    assert await shared.balance("changer") == CREDIT - PRICE
    assert await shared.balance("other") == CREDIT
    assert (await shopper.recover(order)).outcome == "done"
    await shared.check_books()
