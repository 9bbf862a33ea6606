"""Wallets of nutshell (PyPI `cashu`) that mint, swap and melt again and again.

Run by `bench.nutshell` with the interpreter of nutshell's own environment; nothing of veilmart is
imported here. Arguments: URL of the mint, folder, wallets, seconds. Prints one JSON object.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from cashu.core.base import Amount, Unit  # type: ignore[import-not-found, unused-ignore]
from cashu.lightning.fake import FakeWallet  # type: ignore[import-not-found, unused-ignore]
from cashu.wallet.wallet import Wallet  # type: ignore[import-not-found, unused-ignore]

MINTED, MELTED = 64, 60  # one token; an invoice that leaves room for the fee reserve
WARM_UP_CYCLES = 2


async def opened(url: str, folder: Path, number: int) -> "Wallet":
    wallet = await Wallet.with_db(url, str(folder / f"wallet{number}"), f"wallet{number}")
    await wallet.load_mint()
    return wallet


async def cycle(wallet: "Wallet", invoices: "FakeWallet") -> None:
    """One quote and a token for it; the token swapped for another; that one melted."""
    quote = await wallet.request_mint(MINTED)
    await wallet.get_mint_quote(quote.quote)
    minted = await wallet.mint(MINTED, quote_id=quote.quote, split=[MINTED])
    _kept, swapped = await wallet.split(minted, MINTED)
    invoice = (await invoices.create_invoice(Amount(Unit.sat, MELTED))).payment_request
    asked = await wallet.melt_quote(invoice)
    await wallet.melt(swapped, invoice, asked.fee_reserve, asked.quote)


async def main(url: str, folder: Path, count: int, seconds: float) -> None:
    invoices = FakeWallet(unit=Unit.sat)
    wallets = [await opened(url, folder, number) for number in range(count)]
    for wallet in wallets:
        for _ in range(WARM_UP_CYCLES):
            await cycle(wallet, invoices)
    began, done = time.perf_counter(), 0
    ends = began + seconds

    async def again(wallet: "Wallet") -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await cycle(wallet, invoices)
            done += 1

    await asyncio.gather(*(again(wallet) for wallet in wallets))
    print(json.dumps({"cycles": done, "seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    url, folder, count, seconds = sys.argv[1:]
    asyncio.run(main(url, Path(folder), int(count), float(seconds)))
