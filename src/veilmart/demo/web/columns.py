"""What stands in the three columns: read from each party's own database and printed lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from veilmart.customer.web.open_shop import OpenShop
from veilmart.demo import records
from veilmart.demo.market import Stage
from veilmart.demo.web.watched_client import Seen, Watch
from veilmart.web.jobs import Job

LINES_SHOWN = 10


@dataclass(frozen=True)
class Columns:
    """One moment. waiting: exchanges that wait for the next step."""

    job: Job | None
    balance: int | None
    files: Sequence[str]
    seen: Sequence[Seen]
    waiting: int
    broker: Sequence[records.BrokerRow]
    broker_lines: Sequence[str]
    merchant: Sequence[records.MerchantRow]
    merchant_lines: Sequence[str]
    titles_at_broker: int
    names_at_merchant: int


def look(
    stage: Stage, watch: Watch, job: Job | None, balance: int | None, out: Path, name: str
) -> Columns:
    """Blocks: reads databases and files, and looks through what broker and merchant have."""
    broker_lines, merchant_lines = list(stage.broker.lines), list(stage.merchant.lines)
    secrets = records.product_secrets(stage.merchant_home)
    _, titles = records.search(stage.broker_home, broker_lines, secrets)
    _, names = records.search(stage.merchant_home, merchant_lines, [name.encode()])
    return Columns(
        job=job,
        balance=balance,
        files=sorted(path.name for path in out.glob("*")) if out.is_dir() else [],
        seen=list(watch.seen),
        waiting=watch.gate.waiting,
        broker=records.broker_rows(stage.broker_home),
        broker_lines=broker_lines[-LINES_SHOWN:],
        merchant=records.merchant_rows(stage.merchant_home),
        merchant_lines=merchant_lines[-LINES_SHOWN:],
        titles_at_broker=len(titles),
        names_at_merchant=len(names),
    )


def products_of(shop: OpenShop) -> list[tuple[str, str, int]]:
    """(id in hexadecimal, title, price in minor units)."""
    return [
        (product.id.hex(), product.title, shop.price(product)) for product in shop.by_id.values()
    ]
