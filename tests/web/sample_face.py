"""A small face for the tests of what all faces share: one form, one job, one stranger's text."""

import asyncio
import sys
from pathlib import Path
from unittest.mock import patch

from starlette.requests import Request
from starlette.responses import Response

from veilmart.storage.files.home import Home
from veilmart.terminal.console import Terminal
from veilmart.web.charts import bar_chart
from veilmart.web.forms import query, read_form
from veilmart.web.jobs import Report
from veilmart.web.plan import Plan, Web, WebRoute, get, post
from veilmart.web.rendering import MenuEntry, go_to
from veilmart.web.running import WebOptions, run_face


class Sample:
    """deeds: how often the form was acted on."""

    def __init__(self, web: Web) -> None:
        self.web, self.deeds, self.texts = web, 0, list[str]()

    def routes(self) -> list[WebRoute]:
        return [
            get("/", self.home),
            post("/deed", self.deed),
            post("/work", self.work),
            get("/long-work", self.long_work),
            get("/text", self.text),
        ]

    async def home(self, request: Request) -> Response:
        chart = bar_chart("Sales", ("Day", "Sales"), [(f"{n}.", n * n % 7) for n in range(1, 29)])
        nonce = self.web.offers.show("deed")
        return self.web.pages.page(
            request, "sample.html", deeds=self.deeds, nonce=nonce, chart=chart, root=b"\xa5" * 32
        )

    async def deed(self, request: Request) -> Response:
        form = await read_form(request)

        def act(value: str) -> str:
            self.deeds += 1
            return "/"

        return go_to(self.web.offers.confirm(form.text("nonce"), act))

    async def work(self, request: Request) -> Response:
        return self._counting_to(10)

    async def long_work(self, request: Request) -> Response:
        """A minute and a half."""
        return self._counting_to(600)

    def _counting_to(self, last: int) -> Response:
        async def count(report: Report) -> None:
            for number in range(1, last + 1):
                report.step(f"Counting {number}")
                report.advance(number * 300_000, last * 300_000, "bytes")
                await asyncio.sleep(0.15)
            report.leads_to("/", "Back")

        return go_to(self.web.jobs.start("count", "Counting", count).path)

    async def text(self, request: Request) -> Response:
        return self.web.pages.page(request, "stranger_page.html", text=query(request, "text"))


def main(home: str) -> None:
    async def unlock(passphrase: str) -> bool:
        return passphrase == "right"

    plan = Plan(
        title="veilmart sample",
        package="tests.web",
        menu=(MenuEntry("/", "Home"), MenuEntry("/text", "Text")),
        routes=lambda web: Sample(web).routes(),
        unlock=unlock,
    )
    options = WebOptions(open=False)
    # A stream that holds up the end would do so for a minute.
    with patch("veilmart.web.running.STOP_SECONDS", 60):
        asyncio.run(run_face(plan, Home(Path(home)), Terminal(json=True), options))


if __name__ == "__main__":
    main(sys.argv[1])
