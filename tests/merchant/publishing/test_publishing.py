"""Descriptors, keys and catalogues: renewed by themselves, chained, the same for everyone."""

import os
from dataclasses import replace

import pytest

from tests.support.scripted_merchant import NOW, FakeBroker, Stall
from veilmart.crypto.suite import all_suites
from veilmart.errors import ChangedTooOften, DescriptorUnknown, MalformedMessage, OrderUnknown
from veilmart.limits import CELL_BYTES, DESCRIPTOR_OVERLAP_SECONDS, DESCRIPTOR_SECONDS
from veilmart.merchant.goods.products import edit_product, load_products, remove_product
from veilmart.merchant.goods.shelves import create_shelf
from veilmart.merchant.publishing.brokers import renew_broker
from veilmart.merchant.publishing.catalogue import draft_catalogue, newest_catalogue
from veilmart.merchant.publishing.descriptors import signed_descriptor
from veilmart.merchant.publishing.key_sets import (
    SEGMENT_SECONDS,
    drop_expired_keys,
    load_key_set,
    signing_seed,
)
from veilmart.merchant.server.running import renewal_due
from veilmart.protocol.catalogue import open_catalogue
from veilmart.protocol.descriptor import check_descriptor
from veilmart.protocol.link_messages import FetchSegment
from veilmart.protocol.merchant_messages import CataloguePage, GetCatalogue, Offered
from veilmart.protocol.offer import order_of
from veilmart.protocol.parcel import check_segment


def test_the_descriptor_says_what_there_is(stall: Stall, broker: FakeBroker) -> None:
    descriptor = stall.state.shop.newest.known.descriptor
    assert (descriptor.name, descriptor.currency, descriptor.decimals) == ("shop", "EUR", 2)
    assert descriptor.brokers == [broker.fingerprint]
    assert descriptor.shelves == [stall.added.shelf]
    assert [suite.id for suite in descriptor.suites()] == [suite.id for suite in all_suites()]
    assert descriptor.not_after - descriptor.not_before == DESCRIPTOR_SECONDS


def test_nothing_new_means_no_new_serial(stall: Stall) -> None:
    before = stall.state.shop
    commits = stall.market.database.commits
    stall.now += 3600
    stall.reload()
    assert stall.state.shop.newest.known.signed == before.newest.known.signed
    assert stall.state.shop.catalogue == before.catalogue
    assert stall.market.database.commits == commits


def test_changes_that_would_look_like_descriptors_made_for_one_visitor_wait(
    stall: Stall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("veilmart.merchant.publishing.descriptors.CHANGES_PER_EPOCH_MAX", 3)
    for number in range(2):
        stall.now += 60
        stall.market.database.run_now(create_shelf, f"more{number}", 100, 1024 * (number + 2))
        stall.reload()
    serial = stall.state.shop.newest.serial
    stall.market.database.run_now(create_shelf, "one too many", 100, 8192)
    with pytest.raises(ChangedTooOften):
        stall.reload()
    assert stall.state.shop.newest.serial == serial, "what is served stays"
    stall.now += DESCRIPTOR_SECONDS - DESCRIPTOR_OVERLAP_SECONDS
    stall.reload()
    assert stall.state.shop.newest.serial == serial + 1, "a renewal by time may always be signed"


def test_a_new_shelf_is_a_new_serial_with_the_same_keys(stall: Stall) -> None:
    before = stall.state.shop.newest
    stall.now += 3600
    stall.market.database.run_now(create_shelf, "more", 100, 1024)
    stall.reload()
    after = stall.state.shop.newest
    check_descriptor(
        after.known.signed,
        role="merchant",
        fingerprint=stall.market.fingerprint,
        now=stall.now,
        known=before.known,
    )
    assert after.serial == before.serial + 1
    assert after.keys.id == before.keys.id
    assert after.known.descriptor.not_after == before.known.descriptor.not_after
    assert len(stall.state.shop.descriptors) == 2
    assert stall.state.shop.catalogue.serial == 1


def test_the_brokers_price_points_stay_out_of_the_merchants_descriptor(
    stall: Stall, broker: FakeBroker
) -> None:
    fresh = broker.renew(price_points=[100, 500, 700])
    stall.market.database.run_now(renew_broker, 1, fresh)
    stall.reload()
    assert stall.state.shop.newest.known.descriptor.price_points == []
    assert stall.state.shop.newest.known.descriptor.serial == 1


def test_keys_are_renewed_a_day_before_their_end_and_overlap(stall: Stall) -> None:
    stall.now = NOW + DESCRIPTOR_SECONDS - DESCRIPTOR_OVERLAP_SECONDS
    link, first = stall.link(), stall.state.shop
    early = stall.customer(link)
    offered, _, _ = stall.tell(link, early, stall.selection(early), Offered)
    assert not renewal_due(first, stall.now)
    stall.now += 1
    assert renewal_due(first, stall.now)
    stall.reload()
    shop = stall.state.shop
    assert shop.newest.keys.id == first.newest.keys.id + 1
    assert shop.newest.known.descriptor.previous == first.newest.known.hash
    assert set(shop.descriptors) == {first.newest.known.hash, shop.newest.known.hash}
    assert shop.catalogue.serial == 2

    link = stall.link()
    signer = shop.newest.known.descriptor.signing_key
    catalogue = open_catalogue(shop.catalogue.blob, signer, stall.market.fingerprint).catalogue
    assert catalogue.previous == first.catalogue.hash
    stall.state.shop = first
    late = stall.customer(link)
    stall.state.shop = shop
    with pytest.raises(DescriptorUnknown):
        stall.tell(link, late, GetCatalogue(page=0, known=b""), CataloguePage)
    stall.tell(link, late, stall.selection(late), Offered)
    # The order made under the old key is delivered under the old key.
    order = order_of(offered.offer)
    segment = stall.ask(link, FetchSegment(order=order, index=0, held_at=stall.now)).attachment
    size = stall.added.shelf.size
    check_segment(first.newest.known.descriptor.signing_key, order, 0, size, segment or b"")


def test_expired_keys_are_deleted(stall: Stall) -> None:
    first = stall.state.shop.newest.keys
    stall.now = NOW + DESCRIPTOR_SECONDS
    assert renewal_due(stall.state.shop, stall.now)
    run = stall.market.database.run_now
    assert run(drop_expired_keys, stall.now) == len(all_suites())
    stall.reload()
    assert set(stall.state.shop.descriptors) == {stall.state.shop.newest.known.hash}
    assert run(load_key_set, first.id).tunnel == {}
    assert run(signing_seed, first.id) == first.seed
    run(drop_expired_keys, stall.now + SEGMENT_SECONDS)
    with pytest.raises(OrderUnknown):
        run(signing_seed, first.id)
    raw = stall.market.home.file("merchant.sqlite").read_bytes()
    assert all(pair.private not in raw for pair in first.tunnel.values())


def test_a_tunnel_under_an_expired_descriptor_is_refused(stall: Stall) -> None:
    link = stall.link()
    stall.now = NOW + DESCRIPTOR_SECONDS
    with pytest.raises(DescriptorUnknown):
        link.expires_at = stall.now + 1
        stall.customer(link)


def test_descriptors_by_serial(stall: Stall) -> None:
    run = stall.market.database.run_now
    newest = stall.state.shop.newest.known.signed
    assert run(signed_descriptor, 0) == run(signed_descriptor, 1) == newest
    with pytest.raises(DescriptorUnknown):
        run(signed_descriptor, 2)


def test_the_catalogue_is_one_blob_for_everyone(stall: Stall) -> None:
    link = stall.link()
    pages = []
    for _ in range(2):
        customer = stall.customer(link)
        page, _, record = stall.tell(
            link, customer, GetCatalogue(page=0, known=bytes(32)), CataloguePage
        )
        pages.append((page, len(record)))
    assert pages[0] == pages[1]
    blob = stall.state.shop.catalogue.blob
    assert pages[0][0].data == blob and len(blob) % CELL_BYTES == 0


def test_catalogues_are_chained_and_say_what_changed(stall: Stall) -> None:
    run = stall.market.database.run_now
    signer = stall.state.shop.newest.known.descriptor.signing_key
    first = stall.state.shop.catalogue
    product = run(load_products)[0]
    run(edit_product, product.id, "Renamed", None, False)
    stall.reload()
    second = stall.state.shop.catalogue
    run(remove_product, product.id, True)
    stall.reload()
    third = stall.state.shop.catalogue
    opened = [
        open_catalogue(found.blob, signer, stall.market.fingerprint)
        for found in (first, second, third)
    ]
    assert [found.catalogue.serial for found in opened] == [1, 2, 3]
    assert [found.catalogue.previous for found in opened] == [bytes(32), first.hash, second.hash]
    assert [len(found.catalogue.products) for found in opened] == [2, 2, 1]
    shown = {p.title: p.available for p in opened[1].catalogue.products}
    assert shown == {"Renamed": False, "beta.txt": True}


def test_one_more_character_does_not_show_in_the_catalogues_length(stall: Stall) -> None:
    before = len(stall.state.shop.catalogue.blob)
    product = stall.market.database.run_now(load_products)[0]
    stall.market.database.run_now(edit_product, product.id, product.title + "x", None, None)
    stall.reload()
    assert len(stall.state.shop.catalogue.blob) == before


def test_a_catalogue_of_many_pages(stall: Stall) -> None:
    run = stall.market.database.run_now
    ids = [product.id for product in run(load_products)]
    for product in ids:
        run(edit_product, product, None, "d" * 2000, None)
    model = run(load_products)[0]
    many = tuple(replace(model, id=os.urandom(16)) for _ in range(200))
    keys = stall.state.shop.newest.keys
    draft = draft_catalogue(run(newest_catalogue), stall.market.fingerprint, keys, many, [], NOW)
    assert draft is not None
    stall.state.shop = replace(stall.state.shop, catalogue=draft.catalogue)
    link = stall.link()
    customer = stall.customer(link)
    blob, number, pages = b"", 0, 1
    while number < pages:
        page, _, _ = stall.tell(link, customer, GetCatalogue(page=number, known=b""), CataloguePage)
        blob, number, pages = blob + page.data, number + 1, page.pages
    assert pages > 1
    opened = open_catalogue(blob, keys.public, stall.market.fingerprint)
    assert len(opened.catalogue.products) == 200
    with pytest.raises(MalformedMessage):
        stall.tell(link, customer, GetCatalogue(page=pages, known=b""), CataloguePage)
