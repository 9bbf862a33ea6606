"""Transcript equality: the history of one identity does not show in what another one sends.

Wallets that differ only in what their other identities have done play the same thing against a
real market; the sequences of requests (connection, method, path, sizes, order) are equal. The
matrix of histories is drawn by hypothesis, the same in each run.
"""

from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from tests.bad_input.buyers import buy, buyer
from tests.bad_input.roles import PRICE, Roles, product_of
from tests.privacy.recording import Seen, recording
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.purchase.payment_rules import AccountPayment, TokenPayment
from veilmart.customer.tokens.stock import deposit_tokens, withdraw_tokens
from veilmart.customer.wallet.wallet import Wallet

HISTORIES = st.lists(
    st.sampled_from(
        ["account buys", "account looks", "token buys", "withdraws", "deposits", "pins again"]
    ),
    min_size=1,
    max_size=3,
)


def histories(count: int) -> list[list[str]]:
    """So many different ones, and the empty one first."""
    found: list[list[str]] = [[]]

    @hypothesis.settings(
        max_examples=40 * count,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        deadline=None,
    )
    @hypothesis.given(HISTORIES)
    def draw(history: list[str]) -> None:
        if history not in found and len(found) < count:
            found.append(history)

    draw()
    return found


async def live(
    roles: Roles, shopper: Shopper, wallet: Wallet, history: list[str], out: Path
) -> None:
    """What the account and earlier anonymous purchases of this wallet have done."""
    for number, what in enumerate(history):
        folder = out / f"before-{number}"
        match what:
            case "account buys":
                menu = await shopper.browse(roles.merchant_print)
                product = product_of(menu, "july.txt")
                await shopper.buy(menu, product, folder, payment=AccountPayment())
            case "account looks":
                await shopper.browse(roles.merchant_print)
            case "token buys":
                await withdraw_tokens(shopper, PRICE, 1)
                await buy(roles, wallet, folder, title="july.txt")
            case "withdraws":
                await withdraw_tokens(shopper, 2 * PRICE, 1)
            case "deposits":
                await withdraw_tokens(shopper, PRICE, 1)
                await deposit_tokens(shopper, PRICE, 1)
            case "pins again":
                await shopper.refresh_broker()
                await shopper.merchant(roles.merchant_print, fresh=True)


async def anonymous_purchase(roles: Roles, wallet: Wallet, out: Path) -> list[Seen]:
    seen: list[Seen] = []
    opened = await connect(wallet, roles.link, anonymous=True, open_client=recording(seen))
    async with opened as shopper:
        await shopper.merchants()
        menu = await shopper.browse(roles.merchant_print)
        payment = TokenPayment(wallet.seed or b"", wallet.clock, now=True)
        product = product_of(menu, "june.txt")
        await shopper.buy(menu, product, out, payment=payment)
    return seen


async def test_an_anonymous_purchase_shows_nothing_of_the_wallets_other_identities(
    roles: Roles, tmp_path: Path
) -> None:
    transcripts = []
    for number, history in enumerate(histories(5)):
        name = f"buyer{number}"
        shopper, wallet = await buyer(roles, name, tokens=1)
        await live(roles, shopper, wallet, history, tmp_path / name)
        transcripts.append(await anonymous_purchase(roles, wallet, tmp_path / name / "out"))
    first = transcripts[0]
    assert any(path.startswith("/v1/token-keys/") for _, path, _, _ in first)
    assert [method for method, *_ in first].count("OPEN") == 1
    for history, transcript in zip(histories(5), transcripts, strict=True):
        assert transcript == first, history


async def test_an_accounts_purchase_shows_nothing_of_anonymous_ones(
    roles: Roles, tmp_path: Path
) -> None:
    transcripts = []
    for number, past in enumerate([[], ["token buys"], ["token buys", "token buys"]]):
        name = f"payer{number}"
        _, wallet = await buyer(roles, name, tokens=2)
        for again, _ in enumerate(past):
            await buy(roles, wallet, tmp_path / name / str(again), title="july.txt")
        seen: list[Seen] = []
        async with await connect(wallet, roles.link, open_client=recording(seen)) as account:
            menu = await account.browse(roles.merchant_print)
            product = product_of(menu, "june.txt")
            await account.buy(menu, product, tmp_path / name / "out", payment=AccountPayment())
        transcripts.append(seen)
    assert transcripts[0] == transcripts[1] == transcripts[2]
