"""The event stream of a job: every follower sees the end."""

import asyncio
from types import SimpleNamespace
from typing import Any

from veilmart.web.jobs import Jobs, Report
from veilmart.web.shared_pages import SharedPages


async def test_a_job_that_ends_while_a_piece_is_sent_is_shown_as_ended() -> None:
    go_on = asyncio.Event()

    async def work(report: Report) -> None:
        await go_on.wait()

    jobs = Jobs()
    job = jobs.start("key", "Work", work)
    pages = SimpleNamespace(part=lambda _template, job: job.state)
    unused: Any = None
    web: Any = SimpleNamespace(pages=pages)
    pieces = SharedPages(unused, web, unused)._pieces(job)
    assert await anext(pieces) == "running"
    go_on.set()
    await jobs.wait(job, 5)
    assert [piece async for piece in pieces] == ["done"]
