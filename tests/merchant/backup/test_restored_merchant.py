"""A merchant that goes back to a backup publishes nothing that wallets would take for a fork."""

from pathlib import Path
from typing import Any

from tests.support.scripted_merchant import Stall
from veilmart.merchant.backup_layout import LAYOUT
from veilmart.merchant.home import open_merchant
from veilmart.merchant.publishing.snapshot import load_shop
from veilmart.protocol.catalogue import open_catalogue
from veilmart.protocol.descriptor import check_descriptor
from veilmart.protocol.signed_chains import catalogue_contradiction
from veilmart.storage.backup.backup import back_up
from veilmart.storage.backup.restore import restore


def test_wallets_accept_what_follows(stall: Stall, tmp_path: Path) -> None:
    market, shop = stall.market, stall.state.shop
    archive = back_up(
        market.home, LAYOUT, tmp_path / "m.tar", identity=market.fingerprint, now=stall.now
    ).path
    content = archive.read_bytes()
    assert shop.newest.keys.seed in content
    for pair in shop.newest.keys.tunnel.values():
        assert pair.private not in content
    fresh = tmp_path / "restored"
    restore(archive, fresh, LAYOUT, identity=None, over_newer=False)
    with open_merchant(fresh) as restored:
        assert restored.fingerprint == market.fingerprint
        again = load_shop(
            restored.database, restored.identity, restored.fingerprint, stall.now, stall.random
        )
        assert again.newest.serial == shop.newest.serial + 1_000_000
        check_descriptor(
            again.newest.known.signed,
            role="merchant",
            fingerprint=market.fingerprint,
            now=stall.now,
            known=shop.newest.known,
        )
        old = open_catalogue(shop.catalogue.blob, shop.newest.keys.public, market.fingerprint)
        new = open_catalogue(again.catalogue.blob, again.newest.keys.public, market.fingerprint)
        assert new.catalogue.serial > old.catalogue.serial + 1
        assert catalogue_contradiction(new, old) is None
        for product in again.products.values():
            assert restored.store.piece_list(product.root) == product.pieces
        once = load_shop(
            restored.database, restored.identity, restored.fingerprint, stall.now, stall.random
        )
        assert once.newest.serial == again.newest.serial


def test_a_merchant_moves_to_postgresql_and_back_to_a_backup_there(
    stall: Stall, tmp_path: Path, postgres: str
) -> None:
    market, shop = stall.market, stall.state.shop
    kept: dict[str, Any] = {"identity": market.fingerprint, "now": stall.now}
    first = back_up(market.home, LAYOUT, tmp_path / "sqlite.tar", **kept).path
    fresh = tmp_path / "moved"
    restore(first, fresh, LAYOUT, identity=None, over_newer=False, database=postgres)
    with open_merchant(fresh) as moved:
        assert moved.database.shared
        again = load_shop(
            moved.database, moved.identity, moved.fingerprint, stall.now, stall.random
        )
        assert again.newest.serial == shop.newest.serial + 1_000_000
        assert again.products.keys() == shop.products.keys()
        file = tmp_path / "server.tar"
        second = back_up(moved.home, LAYOUT, file, database=moved.database, **kept).path
    for pair in again.newest.keys.tunnel.values():
        assert pair.private not in second.read_bytes()
    done = restore(second, fresh, LAYOUT, identity=market.fingerprint, over_newer=False)
    assert done.schema_aside == "veilmart_merchant_replaced_1"
    with open_merchant(fresh) as restored:
        once = load_shop(
            restored.database, restored.identity, restored.fingerprint, stall.now, stall.random
        )
        assert once.newest.serial == again.newest.serial + 1_000_000
        for product in once.products.values():
            assert restored.store.piece_list(product.root) == product.pieces
