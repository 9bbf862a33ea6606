"""What has to hold after every step, and what has to hold when everything has ended.

Each is a function of the books that yields a sentence for everything that is wrong. None of them
uses a rule of the programs: they reckon anew.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.simulator.books import Books

Invariant = Callable[[Books], Iterator[str]]

CHARGED = ("held", "released", "settled")
ENDED_INVOICES = ("settled", "refunded", "expired")
ENDED_WALLETS = ("done", "refunded", "abandoned")
ENDED_SALES = ("settled", "refunded", "expired")


def postings_sum_to_zero(books: Books) -> Iterator[str]:
    sums: Counter[int] = Counter()
    for posting in books.postings:
        sums[posting.entry] += posting.amount
    for entry, total in sums.items():
        if total:
            yield f"The postings of transaction {entry} sum to {total}."


def replayed_ledger_is_stored_ledger(books: Books) -> Iterator[str]:
    """Every balance from its postings, in their order; nothing but cash was ever below zero."""
    balances: Counter[int] = Counter()
    for posting in books.postings:
        balances[posting.account] += posting.amount
    for account, (kind, stored) in books.accounts.items():
        if balances[account] != stored:
            yield f"Account {account} ({kind}) stores {stored}, replayed {balances[account]}."
        if stored < 0 and kind != "cash":
            yield f"Account {account} ({kind}) is at {stored}."


def money_in_is_money_there(books: Books) -> Iterator[str]:
    """What came in = balances + escrow + outstanding tokens and vouchers + fees + what went out."""
    known = books.known
    came_in = sum(known.credited.values()) + sum(value for _, value in known.vouchers.values())
    there = sum(balance for kind, balance in books.accounts.values() if kind != "cash")
    if came_in != there + known.paid_out:
        yield f"{came_in} came in, {there} is there, {known.paid_out} went out."


def vouchers_are_good_once(books: Books) -> Iterator[str]:
    """What stands in the vouchers' account is what is not redeemed yet."""
    vouchers = books.known.vouchers
    waiting = sum(value for hashed, (_, value) in vouchers.items() if hashed not in books.redeemed)
    booked = sum(balance for kind, balance in books.accounts.values() if kind == "vouchers")
    if waiting != booked:
        yield f"Vouchers worth {waiting} are not redeemed, {booked} is booked for them."


def escrow_is_what_orders_hold(books: Books) -> Iterator[str]:
    held = sum(i.amount for i in books.invoices.values() if i.state in ("held", "released"))
    escrow = sum(balance for kind, balance in books.accounts.values() if kind == "escrow")
    if held != escrow:
        yield f"Orders hold {held}, escrow has {escrow}."


def no_order_is_charged_twice(books: Books) -> Iterator[str]:
    """By postings, and by what each customer ought to have according to all wallets together."""
    held: dict[bytes, list[int]] = defaultdict(list)
    for posting in books.postings:
        if posting.kind == "hold" and posting.amount < 0:
            held[posting.reference].append(-posting.amount)
    for order, amounts in held.items():
        invoice = books.invoices.get(order)
        if invoice is None or amounts != [invoice.amount]:
            yield f"Order {order.hex()[:8]} was charged {amounts}."
    owed: Counter[str] = Counter(books.known.credited)
    for hashed in books.redeemed:
        name, value = books.known.vouchers[hashed]
        owed[name] += value
    owners = books.known.cheated | {order: line.owner for order, line in books.wallets.items()}
    for order, owner in owners.items():
        invoice = books.invoices.get(order)
        if invoice is not None and invoice.state in CHARGED:
            owed[owner] -= invoice.amount
    for issue in books.issues:
        owed[issue.username] -= issue.count * issue.price
    for token in books.taken:
        owed[token.username or ""] += token.price
    for name, account in books.names.items():
        balance = books.accounts[account][1]
        if balance != owed[name]:
            yield f"{name} has {balance} and ought to have {owed[name]}."


def no_token_is_spent_twice(books: Books) -> Iterator[str]:
    """Neither a nonce for two things, nor two tokens for one order."""
    for what, count in Counter(token.nonce for token in books.taken).items():
        if count > 1:
            yield f"The token {what.hex()[:8]} was taken {count} times."
    for order, count in Counter(token.order for token in books.taken if token.order).items():
        if count > 1:
            yield f"Order {order.hex()[:8]} was paid by {count} tokens."


def solvency_line_holds(books: Books) -> Iterator[str]:
    """withdrawn + reissued = redeemed + returned + outstanding, in money and for each key."""
    due: Counter[int] = Counter()
    for issue in books.issues:
        due[issue.account] += issue.count * issue.price
    for token in books.taken:
        due[token.account] -= token.price
        if token.reissued:
            due[token.refund_account] += token.price  # type: ignore[index]
    for account, (kind, balance) in books.accounts.items():
        if kind == "tokens" and balance != due[account]:
            yield f"Outstanding tokens are {balance}, the solvency line says {due[account]}."


def never_released_and_refunded(books: Books) -> Iterator[str]:
    """Without a decided dispute, which only a crooked order can lose, or a signed refund."""
    for order in books.known.released & books.known.refunded:
        if books.known.may_be_returned(order):
            continue
        yield f"Order {order.hex()[:8]} was released and refunded."


def a_key_is_out_only_when_released(books: Books) -> Iterator[str]:
    for order, line in books.wallets.items():
        if line.has_key and order not in books.known.released:
            yield f"{line.owner} has the key of an order that was never released."


def charged_means_deliverable(books: Books) -> Iterator[str]:
    """A customer who is charged has the goods, or can get them: merchant and wallet know the order.

    Or the money is on its way back: held, and the time to deliver is over.
    """
    for order, invoice in books.invoices.items():
        if invoice.state not in CHARGED:
            continue
        if invoice.state == "held" and invoice.due <= books.now:
            continue
        if books.known.keeps_no_wallet(order) or order in books.known.crooked:
            continue
        if order not in books.sold:
            yield f"Order {order.hex()[:8]} is {invoice.state}; its merchant does not know it."
        line = books.wallets.get(order)
        if line is None:
            yield f"Order {order.hex()[:8]} is {invoice.state}; no wallet knows it."
        elif line.state == "refunded":
            yield f"{line.owner} believes that order {order.hex()[:8]} was refunded."


def merchants_get_what_was_settled(books: Books) -> Iterator[str]:
    """What it gave back after that it gave back whole; the broker keeps its fee."""
    due: Counter[int] = Counter()
    fees = 0
    for order, invoice in books.invoices.items():
        if order in books.known.settled:
            due[invoice.merchant_account] += invoice.amount - invoice.fee
            fees += invoice.fee
            if invoice.state == "refunded":
                due[invoice.merchant_account] -= invoice.amount
    for account, (kind, balance) in books.accounts.items():
        if kind == "merchant" and balance != due[account] - books.known.paid_out:
            ought = due[account] - books.known.paid_out
            yield f"The merchant has {balance} and ought to have {ought}."
        if kind == "fees" and balance != fees:
            yield f"Fees are {balance} and ought to be {fees}."


ALWAYS: tuple[Invariant, ...] = (
    postings_sum_to_zero,
    replayed_ledger_is_stored_ledger,
    money_in_is_money_there,
    vouchers_are_good_once,
    escrow_is_what_orders_hold,
    no_order_is_charged_twice,
    no_token_is_spent_twice,
    solvency_line_holds,
    never_released_and_refunded,
    a_key_is_out_only_when_released,
    charged_means_deliverable,
    merchants_get_what_was_settled,
)


def every_purchase_has_ended(books: Books) -> Iterator[str]:
    for order, invoice in books.invoices.items():
        if invoice.state not in ENDED_INVOICES:
            yield f"Order {order.hex()[:8]} is still {invoice.state} at the broker."
    for order, line in books.wallets.items():
        if line.state not in ENDED_WALLETS and not _came_too_late(books, order):
            yield f"Order {order.hex()[:8]} is still {line.state} in {line.owner}'s wallet."


def _came_too_late(books: Books, order: bytes) -> bool:
    """Cheated by the merchant, and back only after the time to complain was over."""
    invoice = books.invoices.get(order)
    return order in books.known.crooked and invoice is not None and invoice.state == "settled"


def all_three_agree_in_the_end(books: Books) -> Iterator[str]:
    for order, line in books.wallets.items():
        invoice = books.invoices.get(order)
        state = "expired" if invoice is None else invoice.state
        allowed = {
            "done": ("settled",),
            "refunded": ("refunded",),
            "abandoned": ("expired", "refunded"),
        }
        if line.state == "done" and state == "refunded" and books.known.may_be_returned(order):
            continue  # the merchant gave it back after the wallet had ended
        if state not in allowed.get(line.state, (state,)):
            yield f"Order {order.hex()[:8]}: wallet says {line.state}, broker says {state}."
    for order, sale in books.sold.items():
        invoice = books.invoices.get(order)
        state = "expired" if invoice is None else invoice.state
        if sale != state and not books.known.keeps_no_wallet(order):
            yield f"Order {order.hex()[:8]}: merchant says {sale}, broker says {state}."


def files_are_what_was_bought(books: Books) -> Iterator[str]:
    for order, line in books.wallets.items():
        if line.state != "done":
            continue
        path = Path(line.path or "")
        if not path.is_file():
            yield f"Order {order.hex()[:8]} is done without a file."
        elif path.read_bytes() != books.known.goods[line.file_name]:
            yield f"Order {order.hex()[:8]} delivered something else."


def every_done_order_has_its_receipt(books: Books) -> Iterator[str]:
    """A payer can prove it. (The broker keeps its answers for longer than any run lasts.)"""
    for order, line in books.wallets.items():
        if line.state == "done" and not line.has_receipt:
            yield f"Order {order.hex()[:8]} is done without a receipt."


IN_THE_END: tuple[Invariant, ...] = (
    every_done_order_has_its_receipt,
    every_purchase_has_ended,
    all_three_agree_in_the_end,
    files_are_what_was_bought,
)


def problems(books: Books, invariants: tuple[Invariant, ...]) -> list[str]:
    """Every sentence of every invariant, each with the invariant's name."""
    return [
        f"{invariant.__name__}: {sentence}"
        for invariant in invariants
        for sentence in invariant(books)
    ]
