"""More codes for a product that is on sale, some at a time: a shop that sells never waits long."""

from veilmart.limits import CODES_AT_ONCE
from veilmart.merchant.goods.products import ShopProduct
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.sales.codes import SALT_BYTES, restock
from veilmart.protocol.ports import Random


def restock_in_parts(
    market: MerchantHome, product: ShopProduct, lines: list[str], random: Random
) -> int:
    """Use case: how many were new. Blocks. Interrupted, the same lines go on where it ended."""
    added = 0
    for start in range(0, len(lines), CODES_AT_ONCE):
        part = lines[start : start + CODES_AT_ONCE]
        salts = [random(SALT_BYTES) for _ in part]
        added += market.database.run_now(restock, product, part, salts).added
    return added
