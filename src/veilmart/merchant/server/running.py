"""The running merchant: the HTTP server, the sweeper and the watch on the shop's changes."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from veilmart.errors import ClockInDoubt, VeilmartError
from veilmart.limits import (
    CLOCK_SKEW_SECONDS,
    COLLECT_EVERY_SECONDS,
    DESCRIPTOR_OVERLAP_SECONDS,
    SWEEP_EVERY_SECONDS,
)
from veilmart.merchant.collecting import collect_unnamed
from veilmart.merchant.events import (
    CatalogueChanged,
    Event,
    Faulted,
    Listening,
    Observer,
    PaymentStatus,
)
from veilmart.merchant.goods.shop_row import read_revision
from veilmart.merchant.home import SERVER_LOCK, MerchantHome, open_merchant
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.publishing.key_sets import drop_expired_keys
from veilmart.merchant.publishing.snapshot import Shop, open_snapshot
from veilmart.merchant.sales.code_stock_windows import open_windows
from veilmart.merchant.sales.codes import give_back_unpaid
from veilmart.merchant.sales.orders import expire_unpaid, forget_expired
from veilmart.merchant.server.counters import count, merchant_metrics
from veilmart.merchant.server.dialling import Refused, dial_brokers
from veilmart.merchant.server.http_app import MerchantApp
from veilmart.merchant.server.shared_tunnels import NotShared, SharedWithWorkers, Sharing
from veilmart.merchant.server.state import MerchantState
from veilmart.protocol.ports import Clock, Random
from veilmart.storage.products.folder_store import FolderStore
from veilmart.storage.session_rows.hourly_keys import RowKeys
from veilmart.terminal.clock_guard import ClockGuard
from veilmart.transport.metrics import Metrics
from veilmart.transport.server import serve, serve_on
from veilmart.transport.status import StatusPlace, status_served

WATCH_EVERY_SECONDS = 0.5


async def open_shop(market: MerchantHome, clock: Clock, random: Random) -> Shop:
    """Publish what is due and load the snapshot; no product's first sale is a slow one."""
    shop = await open_snapshot(
        market.database, market.identity, market.fingerprint, clock(), random
    )
    await asyncio.to_thread(market.store.learn)
    return shop


async def reload_shop(market: MerchantHome, state: MerchantState) -> None:
    """Replace the snapshot; report it when customers will see another catalogue."""
    before = state.shop.catalogue.serial
    state.shop = await open_shop(market, state.clock, state.random)
    if state.shop.catalogue.serial != before:
        products = len(state.shop.products)
        state.observe(CatalogueChanged(state.shop.catalogue.serial, products))


async def watch(market: MerchantHome, state: MerchantState) -> None:
    """Once: load the shop again if a command has changed it."""
    if await market.database.run(read_revision) != state.shop.revision:
        await reload_shop(market, state)


async def sweep(market: MerchantHome, state: MerchantState) -> None:
    """Once: drop expired sessions, and renew the descriptor when it is due."""
    now = state.clock()
    state.tunnels.drop_expired(now)
    state.links.drop_expired(now)
    if renewal_due(state.shop, now):
        await reload_shop(market, state)


async def sweep_for_all(
    market: MerchantHome, state: MerchantState, sure: Clock | None = None
) -> None:
    """Once: the work that one worker does for all.

    sure: the guarded time (ADR 23), the clock's unless given. By a clock that has jumped, a code
    that somebody is paying for would be sold again, and keys of open orders would be deleted.
    A failed task does not stop the others. Raises the first failure after all were tried.
    """
    now = state.clock() if sure is None else sure()
    works: list[Callable[[Connection, int], object]] = [forget_expired, drop_expired_keys]
    if state.shop.code_shelves:
        works[1:1] = [give_back_unpaid, open_windows]
    faults = [await _fault_of(expire_offers(market, state, now))]
    faults += [await _fault_of(market.database.run(work, now)) for work in works]
    for fault in faults:
        if fault is not None:
            raise fault


async def collect(market: MerchantHome, now: int) -> None:
    """Once: `merchant tidy`, where no other merchant can have products in the same store."""
    if isinstance(market.store, FolderStore):
        await asyncio.to_thread(collect_unnamed, market, now)


async def expire_offers(market: MerchantHome, state: MerchantState, now: int) -> None:
    """Offers that nobody paid in time."""
    for order in await market.database.run(expire_unpaid, now):
        state.observe(PaymentStatus(state.tunnels.label_of(order), False))


async def _fault_of(step: Awaitable[object]) -> Exception | None:
    try:
        await step
    except Exception as fault:
        return fault
    return None


def renewal_due(shop: Shop, now: int) -> bool:
    """Whether the newest descriptor or the keys in memory have to be replaced.

    So it is when the descriptor nears its end or is dated in the future, which a clock that was
    ahead leaves behind, and when keys in memory have passed their end.
    """
    newest = shop.newest.known.descriptor
    ends = [published.known.descriptor.not_after for published in shop.descriptors.values()]
    early = newest.not_before > now + CLOCK_SKEW_SECONDS
    return early or newest.not_after - now < DESCRIPTOR_OVERLAP_SECONDS or min(ends) <= now


async def _every(
    seconds: float,
    action: Callable[[MerchantHome, MerchantState], Awaitable[None]],
    market: MerchantHome,
    state: MerchantState,
) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await action(market, state)
        except Exception as fault:
            # A full disk today is no reason to stop selling: it is tried again next time. The text
            # of what is not ours may quote a row.
            told = str(fault) if isinstance(fault, VeilmartError) else type(fault).__name__
            state.observe(Faulted(told))


async def serve_merchant(
    home: Path,
    host: str,
    port: int,
    *,
    clock: Clock,
    random: Random,
    observe: Observer,
    stop: asyncio.Event,
    on_started: Callable[[int], None],
) -> None:
    """Serve the merchant in `home` until `stop` is set; `on_started` gets the actual port.

    Raises NotInitialised, HomeInUse (one server per home), PortInUse, StorageFailures.
    """
    with open_merchant(home) as market, market.home.lock(SERVER_LOCK, wait=False):
        await serve_opened(
            market,
            host,
            port,
            clock=clock,
            random=random,
            observe=observe,
            stop=stop,
            on_started=on_started,
        )


async def serve_opened(
    market: MerchantHome,
    host: str,
    port: int,
    *,
    clock: Clock,
    random: Random,
    observe: Observer,
    stop: asyncio.Event,
    on_started: Callable[[int], None],
    status: StatusPlace | None = None,
    refused: Refused | None = None,
) -> None:
    """`serve_merchant` for a home that the caller has opened and locked.

    status: where health and metrics are answered, if anywhere. refused: dial the brokers instead of
    listening, and this is what happens when one does not take us.
    """
    shop = await open_shop(market, clock, random)
    metrics = merchant_metrics()
    state = MerchantState(shop, market.identity, clock, random, _counting(metrics, observe))
    app = MerchantApp(market, state)

    def started(actual: int) -> None:
        observe(Listening(host, actual))
        on_started(actual)

    if refused is not None:
        serving = _dial(market, state, app, refused, stop)
        on_started(0)
    else:
        serving = serve(app.asgi, host, port, on_started=started, stop=stop)
    async with _status(market, state, metrics, stop, status):
        await _run(market, state, NotShared(), serving)


def _counting(metrics: Metrics, observe: Observer) -> Observer:
    def observed(event: Event) -> None:
        count(metrics, event)
        observe(event)

    return observed


def _status(
    market: MerchantHome,
    state: MerchantState,
    metrics: Metrics,
    stop: asyncio.Event,
    status: StatusPlace | None,
) -> AbstractAsyncContextManager[None]:
    database = market.database
    metrics.gauge("tunnels_open", "Tunnels in memory.", lambda: float(len(state.tunnels)))
    metrics.gauge("database_commits", "Durable commits.", lambda: float(database.commits))
    metrics.gauge(
        "database_log_bytes",
        "Size of SQLite's write-ahead log; 0 on PostgreSQL.",
        lambda: float(database.log_bytes),
    )
    return status_served(status, metrics, partial(database.run, read_revision), stop)


async def serve_worker(
    market: MerchantHome,
    listener: socket.socket,
    *,
    clock: Clock,
    random: Random,
    observe: Observer,
    stop: asyncio.Event,
    on_started: Callable[[int], None],
    status: StatusPlace | None = None,
    refused: Refused | None = None,
) -> None:
    """Be one of several workers, on a socket that their parent listens on.

    refused: dial instead, as in `serve_opened`; each worker has streams of its own.
    """
    shop = await open_shop(market, clock, random)
    metrics = merchant_metrics()
    state = MerchantState(shop, market.identity, clock, random, _counting(metrics, observe))
    sharing = SharedWithWorkers(market.database, RowKeys(market.home, random), state)
    app = MerchantApp(market, state, sharing)
    if refused is not None:
        serving = _dial(market, state, app, refused, stop)
        on_started(0)
    else:
        serving = serve_on(app.asgi, listener, on_started=on_started, stop=stop)
    async with _status(market, state, metrics, stop, status):
        await _run(market, state, sharing, serving)


async def _dial(
    market: MerchantHome,
    state: MerchantState,
    app: MerchantApp,
    refused: Refused,
    stop: asyncio.Event,
) -> None:
    brokers = await market.database.run(load_brokers)
    answer, random, observe = app.asgi.answer_frame, state.random, state.observe
    await dial_brokers(brokers, market.fingerprint, answer, random, observe, refused, stop)


async def prepare_workers(market: MerchantHome, clock: Clock, random: Random) -> None:
    """Before the first worker: publish what is due, and make what they share."""
    shop = await open_shop(market, clock, random)
    state = MerchantState(shop, market.identity, clock, random, lambda _event: None)
    SharedWithWorkers(market.database, RowKeys(market.home, random), state).make_tables()


async def _run(
    market: MerchantHome,
    state: MerchantState,
    sharing: Sharing,
    serving: Coroutine[object, object, None],
) -> None:
    lease = market.database.lease("background")
    guard = ClockGuard(state.clock, time.monotonic)

    async def sweep_if_ours(market: MerchantHome, state: MerchantState) -> None:
        if await lease.held():
            await sweep_for_all(market, state, guard)
            await sharing.tidy()
            if ahead := guard.doubt_seconds:
                raise ClockInDoubt(f"It is {ahead} seconds ahead of what has passed for certain.")

    async def collect_if_ours(market: MerchantHome, _state: MerchantState) -> None:
        if await lease.held():
            await collect(market, guard())

    tasks = [
        asyncio.create_task(_every(COLLECT_EVERY_SECONDS, collect_if_ours, market, state)),
        asyncio.create_task(_every(WATCH_EVERY_SECONDS, watch, market, state)),
        asyncio.create_task(_every(SWEEP_EVERY_SECONDS, sweep, market, state)),
        asyncio.create_task(_every(SWEEP_EVERY_SECONDS, sweep_if_ours, market, state)),
    ]
    try:
        await serving
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await lease.aclose()
