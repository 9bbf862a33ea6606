"""What an account sends, after lives of the anonymous identities of its wallet."""

from pathlib import Path

from tests.privacy import lives
from tests.privacy.lives import market as market
from tests.privacy.recording import Seen
from tests.support.buyers import buyer
from tests.support.roles import Roles
from veilmart.customer.wallet.seed import restore_seed, seed_words
from veilmart.customer.wallet.wallet import Wallet

Acts = dict[str, list[Seen]]


def again_from_words(roles: Roles, name: str, wallet: Wallet) -> Wallet:
    """Another machine with the same words."""
    fresh = restore_seed(roles.wallet(f"{name}-again"), seed_words(wallet, ""), "")
    roles.wallets[f"{name}-again"] = fresh
    return fresh


async def account_acts(roles: Roles, name: str, past: list[str], out: Path) -> Acts:
    """What the account sends, after this wallet's anonymous identities lived through `past`."""
    shopper, wallet = await buyer(roles, name, tokens=0)
    # The account's own past is the same in each world: as many tokens withdrawn.
    for _ in range(3):
        await lives.live(roles, shopper, wallet, ["withdraw one"], out)
    await lives.live(roles, shopper, wallet, past, out)
    found: Acts = {}
    with lives.recorded() as found["purchase"]:
        await lives.buy_from_account(roles, wallet, out / "bought")
    with lives.recorded() as found["tokens"]:
        await lives.use_tokens_of_account(roles, wallet)
    fresh = again_from_words(roles, name, wallet)
    with lives.recorded() as found["restore"]:
        await lives.restore(roles, name, fresh)
    return found
