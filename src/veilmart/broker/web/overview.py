"""Start page: where the money is, what waits for the operator; disputes; the audit as a job."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from veilmart.broker import settings
from veilmart.broker.audit import Check, Progress, audit
from veilmart.broker.audit.total_money import TotalMoney, total_money
from veilmart.broker.disputes.records import dispute_lines
from veilmart.broker.maintenance.duty import DutyLine, duty_lines
from veilmart.broker.operator.admission import merchant_lines
from veilmart.broker.operator.merchant_requests import join_lines, withdrawal_lines
from veilmart.broker.schema.operator_tables import ASKED
from veilmart.broker.tokens.key_totals import key_lines, key_totals
from veilmart.broker.web.desk import Desk
from veilmart.protocol.accounting import format_amount
from veilmart.web.charts import bar_chart
from veilmart.web.jobs import Job, Report
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to

AUDIT = "audit"


@dataclass(frozen=True)
class Overview:
    """waiting: (what, how many, path) for the operator. merchants: (admitted, suspended).

    duties: what the broker does by itself; none before it has run.
    """

    money: TotalMoney
    outstanding: int
    outstanding_value: int
    waiting: tuple[tuple[str, int, str], ...]
    merchants: tuple[int, int]
    duties: list[DutyLine]

    @property
    def failing(self) -> list[DutyLine]:
        return [line for line in self.duties if line.failing_since is not None]


@dataclass(frozen=True)
class AuditResult:
    """What an audit found, at the end of its job."""

    at: int
    checks: list[Check]
    money: TotalMoney
    decimals: int

    @property
    def holds(self) -> bool:
        return self.money.holds and all(check.holds for check in self.checks)


def read_overview(conn: Connection) -> Overview:
    """One snapshot of what the start page shows. It reads balances, never single orders."""
    keys = key_totals(conn)
    asked = [line for line in withdrawal_lines(conn) if line.state == ASKED]
    states = [line.state for line in merchant_lines(conn)]
    return Overview(
        money=total_money(conn),
        outstanding=sum(key.outstanding for key in keys),
        outstanding_value=sum(key.outstanding * key.price for key in keys),
        waiting=(
            ("requests of merchants to join", len(join_lines(conn)), "/merchants"),
            ("requests for a payout", len(asked), "/payouts"),
        ),
        merchants=(states.count("admitted"), len(states) - states.count("admitted")),
        duties=duty_lines(conn),
    )


class OverviewPages:
    """Everything here is read only."""

    def __init__(self, desk: Desk, web: Web) -> None:
        self._desk, self._web = desk, web

    def routes(self) -> list[WebRoute]:
        return [
            get("/", self.home),
            get("/metrics", self.metrics),
            get("/disputes", self.disputes),
            get("/audit", self.audit),
            post("/audit", self.begin_audit),
        ]

    async def home(self, request: Request) -> Response:
        current = await self._desk.settings()
        return self._web.pages.page(
            request,
            "overview.html",
            overview=await self._desk.read(read_overview),
            settings=current,
            own=self._desk.opened.fingerprint,
            audit=self._last_audit(),
        )

    async def metrics(self, request: Request) -> Response:
        current = await self._desk.settings()
        lines = await self._desk.read(key_lines, self._desk.clock())
        money = await self._desk.read(total_money)

        def shown(minor: int) -> str:
            return format_amount(minor, current.decimals)

        by_price: dict[int, int] = {}
        for line in lines:
            by_price[line.price] = by_price.get(line.price, 0) + line.outstanding
        return self._web.pages.page(
            request,
            "metrics.html",
            held=bar_chart(
                f"What accounts hold, in {current.currency}",
                ("kind of account", "amount"),
                list(money.held.items()),
                shown,
            ),
            tokens=bar_chart(
                "Tokens outstanding",
                ("price", "tokens"),
                [(shown(price), count) for price, count in sorted(by_price.items())],
            ),
            keys=lines,
            settings=current,
        )

    async def disputes(self, request: Request) -> Response:
        """Decided by the protocol's rule from signed evidence; the operator decides nothing."""
        return self._web.pages.page(
            request,
            "disputes.html",
            paged=one_page(request, await self._desk.read(dispute_lines)),
            settings=await self._desk.settings(),
        )

    # ---- audit ----------------------------------------------------------------------------------

    def _last_audit(self) -> Job | None:
        return self._web.jobs.latest(AUDIT)

    async def audit(self, request: Request) -> Response:
        return self._web.pages.page(request, "audit.html", job=self._last_audit())

    async def begin_audit(self, request: Request) -> Response:
        return go_to(self._web.jobs.start(AUDIT, "Recomputing the books", self._audit).path)

    async def _audit(self, report: Report) -> AuditResult:
        report.step("Reading one snapshot; the broker goes on meanwhile")

        def progress(name: str, rows: int) -> None:
            report.line(f"{name}: {rows} rows so far")

        def read(conn: Connection, progress: Progress) -> AuditResult:
            checks = audit(conn, self._desk.opened.fingerprint, progress)
            decimals = settings.load(conn).decimals
            return AuditResult(self._desk.clock(), checks, total_money(conn), decimals)

        found = await asyncio.to_thread(self._desk.opened.database.read_long, read, progress)
        for check in found.checks:
            report.line(f"{'ok' if check.holds else 'BROKEN'}: {check.name} ({check.counted})")
        report.step("The books are in order." if found.holds else "The books are broken.")
        report.leads_to("/audit", "What the audit found")
        return found
