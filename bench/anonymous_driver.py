"""Like `bench.driver`, without accounts: each purchase on a connection of its own, by a token.

New connection, session, both descriptors and the catalogue fetched anew each time, in one tunnel
with the choice. Tokens are withdrawn before, and not measured.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec

from bench.driver import PASSWORD, WARM_UP_PURCHASES
from veilmart.customer.connection.shopper import connect
from veilmart.customer.purchase.payment_rules import TokenPayment
from veilmart.customer.tokens.stock import withdraw_tokens
from veilmart.customer.wallet.seed import create_seed, draw_words
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.protocol.address import parse_link
from veilmart.terminal.clock import unix_now
from veilmart.terminal.memory import keep_freed_memory, serve_from_here

TOKENS_PER_SECOND = 14
PRICE = 100


async def open_customer(home: Path, link: str) -> Wallet:
    """A wallet with words and an account."""
    wallet = open_wallet(home, unix_now, os.urandom)
    async with await connect(wallet, link) as shopper:
        await shopper.account.register(home.name, PASSWORD)
    return create_seed(wallet, draw_words(wallet, 12), "")


async def buy_one(wallet: Wallet, link: str, merchant: bytes, turn: int, out: Path) -> None:
    payment = TokenPayment(wallet.seed or b"", wallet.clock, now=True)
    async with await connect(wallet, link, anonymous=True) as shopper:
        menu = await shopper.browse(merchant)
        product = menu.products[turn % len(menu.products)]
        bought = await shopper.buy(menu, product, out, payment=payment)
    bought.path.unlink()


async def buy_until(
    wallet: Wallet, link: str, merchant: bytes, out: Path, ends_at: float, took: list[float]
) -> None:
    turn = 0
    while time.perf_counter() < ends_at:
        began = time.perf_counter()
        await buy_one(wallet, link, merchant, turn, out)
        took.append(time.perf_counter() - began)
        turn += 1


async def prepare(wallet: Wallet, link: str, merchant: bytes, out: Path, tokens: int) -> None:
    async with await connect(wallet, link) as shopper:
        await withdraw_tokens(shopper, PRICE, tokens)
    out.mkdir()
    for turn in range(WARM_UP_PURCHASES):
        await buy_one(wallet, link, merchant, turn, out)


async def drive(link: str, folder: Path, names: list[str], seconds: float) -> dict[str, object]:
    homes = [folder / name for name in names]
    wallets = [await open_customer(home, link) for home in homes]
    print("registered", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    merchant = parse_link(link).merchant
    assert merchant is not None
    tokens = WARM_UP_PURCHASES + int(TOKENS_PER_SECOND * seconds)
    for home, wallet in zip(homes, wallets, strict=True):
        await prepare(wallet, link, merchant, home / "out", tokens)
    serve_from_here()
    print("warm", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    took: list[float] = []
    cpu = time.process_time()
    began = time.perf_counter()
    await asyncio.gather(
        *(
            buy_until(wallet, link, merchant, home / "out", began + seconds, took)
            for home, wallet in zip(homes, wallets, strict=True)
        )
    )
    result = {
        "purchases": len(took),
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "durations": sorted(took),
        "commits": sum(wallet.database.commits for wallet in wallets),
    }
    for wallet in wallets:
        await wallet.aclose()
    return result


def main() -> None:
    keep_freed_memory()
    link, folder, seconds, *names = sys.argv[1:]
    import uvloop

    result = uvloop.run(drive(link, Path(folder), names, float(seconds)))
    print(msgspec.json.encode(result).decode(), flush=True)


if __name__ == "__main__":
    main()
