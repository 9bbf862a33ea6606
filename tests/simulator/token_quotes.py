"""Offers to somebody without an account, and what is done with an order that a token paid for."""

from typing import Any

from tests.simulator.customers import Person
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.effects import KnownBalance
from veilmart.customer.purchase.select_rules import select
from veilmart.customer.quote import Choice, Quote
from veilmart.errors import VeilmartError
from veilmart.limits import INTEGER_MAX
from veilmart.protocol.customer_messages import Acknowledge, Cancel, OrderStatus, Release, Released
from veilmart.protocol.effects import Rule
from veilmart.protocol.order_key import operation_id, sign_action


async def quote_for(shopper: Shopper, merchant: bytes, price: int, person: Person) -> Quote:
    """An offer for some product of that price. Raises the errors of browsing and selecting."""
    menu = await shopper.browse(merchant)
    fitting = [product for product in menu.products if menu.shelf(product).price == price]
    product = person.random.choice(fitting)
    suite = shopper.suite_for(menu.merchant)
    choice = Choice(shopper.broker, menu.merchant, product, menu.shelf(product), suite, person.out)
    wallet = shopper.wallet
    rule = select(choice, wallet.clock(), wallet.random)
    found: Quote = await shopper.perform(_without_balance(rule))
    return found


def _without_balance(rule: Rule[Quote]) -> Rule[Quote]:
    """The rule asks for a balance; anyone who pays with a token has none."""
    try:
        effect = next(rule)
        while True:
            if isinstance(effect, KnownBalance):
                effect = rule.send(INTEGER_MAX)
                continue
            try:
                answer = yield effect
            except VeilmartError as fault:
                effect = rule.throw(fault)
            else:
                effect = rule.send(answer)
    except StopIteration as end:
        quote: Quote = end.value
        return quote


async def settle(shopper: Shopper, quote: Quote, wants: str) -> None:
    """Take the key and acknowledge, or cancel."""
    steps: tuple[tuple[Any, Any, Any], ...] = (
        (Release, Released, "release"),
        (Acknowledge, OrderStatus, "acknowledge"),
    )
    if wants == "money":
        steps = ((Cancel, OrderStatus, "cancel"),)
    for kind, answer, action in steps:
        request = kind(
            operation=operation_id(quote.order, action),
            order=quote.order,
            signature=sign_action(quote.order_seed, quote.order, action),
        )
        await shopper.session.ask(request, answer)
