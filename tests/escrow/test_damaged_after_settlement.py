"""A key that is here, segments that are not, and a merchant that serves none any more."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from tests.escrow.stage import staged
from tests.support.buyers import Killed
from tests.support.roles import GOODS, Roles
from veilmart.customer.connection.shopper import connect
from veilmart.customer.events import Event, KeyReleased
from veilmart.customer.library.updates import fetch_again
from veilmart.customer.schema.tables import parcels
from veilmart.customer.wallet.orders import terms_of
from veilmart.errors import WrongOrderState
from veilmart.limits import SEGMENTS_AFTER_SECONDS


def lose_segments(connection: Connection) -> None:
    connection.execute(delete(parcels))


async def test_it_comes_by_fetching_again_and_the_order_is_done(
    roles: Roles, tmp_path: Path
) -> None:
    def watch(event: Event) -> None:
        if isinstance(event, KeyReleased):
            raise Killed

    async with staged(roles, tmp_path) as stage:
        stage.shopper.observe = watch
        with pytest.raises(Killed):
            await stage.buy()
        stage.shopper.observe = lambda event: None
        assert stage.order.state == "released"
        roles.clock.ahead += terms_of(stage.order).offer.settle_within + 1
        await stage.until("settled")
        await stage.merchant_says("settled")
        stage.wallet.database.run_now(lose_segments)
        roles.clock.ahead += SEGMENTS_AFTER_SECONDS + 3600
        with pytest.raises(WrongOrderState, match="segments ended"):
            await stage.sync()
        async with await connect(stage.wallet, roles.link, anonymous=True) as shopper:
            copy = await fetch_again(shopper, stage.order, tmp_path / "again", newest=False)
        assert Path(copy.file_path or "").read_bytes() in GOODS.values()
        assert (stage.order.state, stage.order.file_path) == ("done", copy.file_path)
