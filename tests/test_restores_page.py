"""Every table of every role has its line in docs/restores.md, and none is there that is gone."""

import re
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from veilmart.broker.schema import metadata as of_broker
from veilmart.customer.schema import token_tables
from veilmart.customer.schema.tables import metadata as of_wallet
from veilmart.merchant.schema.tables import metadata as of_merchant

PAGE = Path(__file__).resolve().parents[1] / "docs" / "restores.md"
assert token_tables.token_keys.metadata is of_wallet


def lines_of(role: str) -> dict[str, tuple[str, str]]:
    """Table → what only it knew, and how that is got back."""
    section = PAGE.read_text().split(f"\n## {role}\n")[1].split("\n## ")[0]
    found: dict[str, tuple[str, str]] = {}
    for row in re.findall(r"^\| (`.*) \|$", section, re.MULTILINE):
        names, lost, back = (cell.strip() for cell in row.split(" | "))
        for name in re.findall(r"`(\w+)`", names):
            assert name not in found, f"{name} is there twice"
            found[name] = (lost, back)
    return found


@pytest.mark.parametrize(
    ("role", "metadata"),
    [("Broker", of_broker), ("Merchant", of_merchant), ("Wallet", of_wallet)],
)
def test_every_table_says_what_a_restore_loses(role: str, metadata: MetaData) -> None:
    lines = lines_of(role)
    assert set(lines) == set(metadata.tables)
    for lost, back in lines.values():
        assert len(lost) > 8 and len(back) > 8
