"""Health and metrics: on a port of their own, and silent about people."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from veilmart.errors import DatabaseFailure, Misuse, PortInUse
from veilmart.transport.metrics import Metrics
from veilmart.transport.status import StatusPlace, status_served


async def healthy() -> None:
    return None


@asynccontextmanager
async def served(
    metrics: Metrics, check: object = healthy, stop: asyncio.Event | None = None
) -> AsyncIterator[str]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    place = StatusPlace("127.0.0.1", 0, port.set_result)
    async with status_served(place, metrics, check, stop or asyncio.Event()):  # type: ignore[arg-type]
        yield f"http://127.0.0.1:{port.result()}"


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_metrics_have_prometheus_form() -> None:
    metrics = Metrics("veilmart_test")
    metrics.counter("sales", "Sales.")
    metrics.gauge("open", "Open ones.", lambda: 2.5)
    metrics.add("sales")
    metrics.add("sales", 2)
    async with served(metrics) as url:
        status, text = await get(f"{url}/metrics")
    assert status == 200
    assert text == (
        "# HELP veilmart_test_sales_total Sales.\n"
        "# TYPE veilmart_test_sales_total counter\n"
        "veilmart_test_sales_total 3\n"
        "# HELP veilmart_test_open Open ones.\n"
        "# TYPE veilmart_test_open gauge\n"
        "veilmart_test_open 2.5\n"
    )


async def test_health_follows_the_database_and_the_stop() -> None:
    broken = asyncio.Event()

    async def check() -> None:
        if broken.is_set():
            raise DatabaseFailure

    stop = asyncio.Event()
    async with served(Metrics("x"), check, stop) as url:
        assert await get(f"{url}/healthz") == (200, "ok\n")
        broken.set()
        assert (await get(f"{url}/healthz"))[0] == 503
        broken.clear()
        stop.set()
        assert await get(f"{url}/healthz") == (503, "stopping\n")
        assert (await get(f"{url}/v1/descriptor"))[0] == 404


async def test_a_port_that_is_taken_is_said() -> None:
    async with served(Metrics("x")) as url:
        taken = int(url.rpartition(":")[2])
        place = StatusPlace("127.0.0.1", taken, lambda _port: None)
        with pytest.raises(PortInUse):
            async with status_served(place, Metrics("y"), healthy, asyncio.Event()):
                pytest.fail("two listen on one port")


def test_names_are_claimed_once() -> None:
    metrics = Metrics("x")
    metrics.counter("a", "A.")
    for name in ("a", "", "A", "a b"):
        with pytest.raises(Misuse):
            metrics.gauge(name, "B.", lambda: 1.0)
    with pytest.raises(Misuse):
        metrics.add("b")
