"""The origin's three transcripts, typed by a person at the real programs."""

from pathlib import Path

import pexpect

from tests.support.programs import environment, run_command, run_json
from tests.support.screen import Screen
from tests.support.shop_market import GOODS, PASSWORD, Market, running_market


def shop(market: Market, home: Path, out: Path) -> Screen:
    out.mkdir(parents=True, exist_ok=True)
    words = ("customer", "shop", "--home", str(home), "--out", str(out))
    return Screen(*words, env=environment(TERM="dumb"))


async def give_the_merchant(market: Market, amount: str) -> None:
    await run_command(
        "broker", "credit", "merchant", amount, "--merchant", "--home", str(market.broker_home)
    )
    market.merchant.forget()


async def balance_of_merchant(market: Market) -> str:
    return await run_command("merchant", "balance", "--home", str(market.merchant_home))


async def test_a_purchase_from_100_to_95_and_from_100_to_105(tmp_path: Path) -> None:
    async with running_market(tmp_path) as market:
        await give_the_merchant(market, "100")
        home = await market.customer("observer", credit="100")
        screen = shop(market, home, tmp_path / "out")
        screen.expect("Username: ")
        screen.sendline("observer")
        screen.expect("Password: ")
        screen.sendline(PASSWORD)
        screen.expect("Broker authenticated successfully.")
        screen.expect(r"session fingerprint ([0-9a-f]{16})")
        fingerprint = screen.match.group(1)
        screen.expect("atlas.txt|atlas")
        screen.expect("Enter your selection: ")
        screen.sendline("99")
        screen.expect("Please enter a number from 1 to 3")
        screen.expect("Enter your selection: ")
        screen.sendline("1")
        screen.expect(r"Pay to deliver: 5\.00")
        screen.expect("Do you want to pay")
        screen.sendline("maybe")
        screen.expect("Please answer y or n.")
        screen.sendline("y")
        screen.expect(r"Remaining balance: 95\.00")
        screen.expect("Integrity check successful")
        screen.expect(r"Saved to (\S+)")
        delivered = Path(screen.match.group(1))
        screen.expect("Enter your selection: ")
        screen.sendline("0")
        screen.expect(pexpect.EOF)
        screen.close()
        assert screen.exitstatus == 0
        assert delivered.read_bytes() == GOODS[delivered.name]

        await market.merchant.wait_for_line("Transaction Done")
        told = "\n".join(market.merchant.lines)
        for line in (
            "Menu",
            "Selection",
            "awaiting payment Pay to deliver",
            "Payment Status - True",
            "Delivered - Transaction complete",
            "Total funds: 105.00",
        ):
            assert line in told, line
        assert fingerprint in told, "the session fingerprint is equal at both ends"
        broker = "\n".join(market.broker.lines)
        assert "Payment Status - True" in broker
        assert delivered.name not in broker
        assert "105.00" in await balance_of_merchant(market)
        balance = await run_json("customer", "balance", "--home", str(home))
        assert "95" in str(balance)


async def test_a_purchase_declined_with_n(tmp_path: Path) -> None:
    async with running_market(tmp_path) as market:
        home = await market.customer("observer", credit="100")
        screen = shop(market, home, tmp_path / "out")
        screen.expect("Username: ")
        screen.sendline("observer")
        screen.expect("Password: ")
        screen.sendline(PASSWORD)
        screen.expect("Enter your selection: ")
        screen.sendline("2")
        screen.expect("Do you want to pay")
        screen.sendline("n")
        screen.expect("Order dropped. No money moved.")
        screen.sendline("0")
        screen.expect(pexpect.EOF)
        screen.close()
        assert not list((tmp_path / "out").iterdir())
        listed = await run_json("customer", "orders", "--home", str(home))
        assert (listed["orders"], listed["lost"]) == ([], [])
        assert "100.00" in await run_command("customer", "balance", "--home", str(home))
        await market.merchant.wait_for_line("awaiting payment Pay to deliver")
        told = "\n".join(market.merchant.lines)
        assert "Payment Status - True" not in told


async def test_wrong_passwords_close_the_connection_and_are_asked_for_again(
    tmp_path: Path,
) -> None:
    async with running_market(tmp_path) as market:
        home = await market.customer("observer", credit="100")
        screen = shop(market, home, tmp_path / "out")
        screen.expect("Username: ")
        screen.sendline("observer")
        screen.expect("Password: ")
        screen.sendline("not " + PASSWORD)
        screen.expect("Authentication failed. Closing connection.")
        screen.expect(r"Username \(observer\): ")
        screen.sendline("")
        screen.expect("Password: ")
        screen.sendeof()
        screen.expect(pexpect.EOF)
        screen.close()
        assert screen.exitstatus != 0
        await market.broker.wait_for_line("Authentication failed. Closing connection.")
