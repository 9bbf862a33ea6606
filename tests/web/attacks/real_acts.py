"""The acts of the three faces that move money or destroy, each prepared to its last click.

A real market; a person who has all three faces open in one browser. An attacker is taken to know
everything that the person's own form sends: the nonce, a voucher's code, the passphrase.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, expect

from tests.support.real_market import RealMarket, real_market, run, serving, wait_for
from tests.web.browser import Face, Watched, running_face, watched_page
from tests.web.desk_pictures import desk_of
from tests.web.seeded_market import customer_face
from tests.web.shopper import PASSPHRASE, customer, make_words, open_product, pay

BUYER = "clara"
CHEAP, DEAR = "june.txt", "july.txt"
STATES = {
    "broker": (
        "SELECT sum(abs(balance)), count(*) FROM accounts",
        "SELECT kind, sum(balance) FROM accounts GROUP BY kind ORDER BY kind",
        "SELECT state, count(*) FROM vouchers GROUP BY state ORDER BY state",
        "SELECT name, state FROM merchants ORDER BY name",
        "SELECT state, count(*) FROM withdrawals GROUP BY state ORDER BY state",
        "SELECT count(*) FROM refund_papers",
    ),
    "merchant": (
        "SELECT count(*) FROM products WHERE removed = 0",
        "SELECT state, count(*) FROM orders WHERE paid_at > 0 GROUP BY state ORDER BY state",
    ),
    "customer": ("SELECT count(*) FROM orders", "SELECT count(*) FROM tokens"),
}


@dataclass(frozen=True)
class Act:
    """The request that the last click sends. face: whose desk it is on."""

    name: str
    face: str
    path: str
    fields: dict[str, str]


ACTS: tuple[tuple[str, str], ...] = (
    ("pay", "customer"),
    ("redeem", "customer"),
    ("withdraw tokens", "customer"),
    ("refund", "merchant"),
    ("ask for a payout", "merchant"),
    ("remove a product", "merchant"),
    ("credit", "broker"),
    ("issue vouchers", "broker"),
    ("book a payout", "broker"),
    ("admit", "broker"),
    ("suspend", "broker"),
)


@dataclass
class ThreeFaces:
    """One browser profile with a page in each face."""

    home: Path
    market: RealMarket
    faces: dict[str, Face]
    pages: dict[str, Watched]
    context: BrowserContext
    newcomer: str = ""

    def state(self) -> dict[str, object]:
        """Everything that an act could have changed, read from the three databases."""
        return {
            f"{role}: {query}": rows
            for role, queries in STATES.items()
            for query, rows in zip(queries, self._ask(role, *queries), strict=True)
        }

    def on_its_way(self) -> bool:
        """Whether the money or the goods of a purchase are between two parties."""
        held = "SELECT 1 FROM accounts WHERE kind = 'escrow' AND balance > 0"
        paid = "SELECT 1 FROM orders WHERE state = 'paid'"
        return any(self._ask("broker", held)) or any(self._ask("merchant", paid))

    def _ask(self, role: str, *queries: str) -> list[list[tuple[object, ...]]]:
        name = "wallet" if role == "customer" else role
        file = f"file:{self.home / role / name}.sqlite?mode=ro"
        with closing(sqlite3.connect(file, uri=True)) as database:
            return [database.execute(query).fetchall() for query in queries]

    def origin(self, face: str) -> str:
        return self.faces[face].origin

    def port(self, face: str) -> int:
        return int(self.origin(face).rsplit(":", 1)[1])

    def name(self, face: str) -> str:
        return str(urlsplit(self.origin(face)).hostname)

    # ---- preparing ------------------------------------------------------------------------------

    def _shown(self, face: str, name: str, more: dict[str, str] | None = None) -> Act:
        """The form of the page that is open, with its nonce and what has to be typed."""
        page = self.pages[face].page
        form = page.locator("main form:has(input[name=nonce])").first
        nonce = form.locator("input[name=nonce]").get_attribute("value")
        path = form.get_attribute("action")
        assert nonce is not None and path is not None, page.inner_text("main")
        typed = page.locator("main label bdi")
        fields = {"nonce": nonce} | (more or {})
        if form.locator("input[name=name]").count():
            fields["name"] = typed.first.inner_text()
        return Act(name, face, path, fields)

    def prepare(self) -> dict[str, Act]:
        """Each act, as far as its last click."""
        found = [*self._of_customer(), *self._of_merchant(), *self._of_broker()]
        assert [(act.name, act.face) for act in found] == list(ACTS)
        return {act.name: act for act in found}

    def _of_customer(self) -> Iterator[Act]:
        watched = self.pages["customer"]
        page = watched.page
        watched.goto("/merchants")
        page.get_by_role("link", name="Open the shop").click()
        open_product(watched, CHEAP)
        page.get_by_role("link", name="Buy").click()
        yield self._shown("customer", "pay", {"passphrase": PASSPHRASE})
        made = self.market.run("broker", "voucher", "issue", "--value", "7.00")
        code = next(line for line in made.out.split() if line.count("-") == 3)
        yield Act("redeem", "customer", "/money/redeem", {"code": code})
        watched.goto("/tokens")
        page.get_by_label("Price of one").select_option(label="1.00")
        page.get_by_label("How many").fill("2")
        page.get_by_role("button", name="Go on").click()
        yield self._shown("customer", "withdraw tokens", {"passphrase": PASSPHRASE})

    def _of_merchant(self) -> Iterator[Act]:
        desk = self.pages["merchant"]
        desk.goto("/orders")
        desk.page.get_by_role("button", name="Refund").first.click()
        yield self._shown("merchant", "refund")
        desk.goto("/payouts")
        desk.page.get_by_label("Amount").fill("1.00")
        desk.page.get_by_role("button", name="Go on").click()
        yield self._shown("merchant", "ask for a payout")
        desk.goto("/goods")
        desk.page.get_by_role("link", name=DEAR).click()
        desk.page.get_by_label("Accept that another").check()
        desk.page.get_by_role("button", name="Take it off").click()
        yield self._shown("merchant", "remove a product")

    def _of_broker(self) -> Iterator[Act]:
        desk = self.pages["broker"]
        page = desk.page
        desk.goto("/people")
        page.get_by_label("Username", exact=True).fill(BUYER)
        page.get_by_label("Amount").fill("3.00")
        page.get_by_role("button", name="Go on").click()
        yield self._shown("broker", "credit")
        desk.goto("/vouchers")
        page.get_by_label("Value of each").fill("20")
        page.get_by_role("button", name="Go on").first.click()
        yield self._shown("broker", "issue vouchers")
        desk.goto("/payouts")
        page.get_by_role("button", name="I have paid it").click()
        yield self._shown("broker", "book a payout")
        desk.goto("/merchants")
        page.get_by_label("Address of the merchant").fill(self.newcomer)
        page.get_by_role("button", name="Look at it").click()
        yield self._shown("broker", "admit")
        desk.goto("/merchants")
        page.get_by_role("button", name="Suspend").first.click()
        yield self._shown("broker", "suspend")


@contextmanager
def three_faces(home: Path, context: BrowserContext) -> Iterator[ThreeFaces]:
    """A market with one settled sale, a merchant that waits to be admitted and a payout asked for.

    The customer has money, words and an order that can be refunded.
    """
    with ExitStack() as stack:
        market = stack.enter_context(real_market(home))
        faces = {
            "customer": stack.enter_context(running_face(*customer_face(home))),
            "merchant": stack.enter_context(running_face(*desk_of(market, "merchant"))),
            "broker": stack.enter_context(running_face(*desk_of(market, "broker"))),
        }
        newcomer = home / "newcomer"
        newcomer.mkdir()
        pages = {role: watched_page(context, face) for role, face in faces.items()}
        watched = customer(context, faces["customer"], market, BUYER, entered=pages["customer"])
        open_product(watched, CHEAP)
        pay(watched, "Pay 5.00")
        make_words(watched)
        done = run(newcomer, "merchant", "init", "--broker", market.url, "--yes", "--name", "new")
        assert done.code == 0, done.err
        url = stack.enter_context(serving(newcomer, "merchant"))
        found = ThreeFaces(home, market, faces, pages, context, url)
        desk = pages["merchant"]
        for _ in range(100):
            desk.goto("/orders")
            if desk.page.get_by_text("settled", exact=False).nth(1).count():
                break
            desk.page.wait_for_timeout(100)
        expect(desk.page.get_by_role("button", name="Refund")).to_be_visible()
        done = market.run("merchant", "withdraw-request", "2.00")
        assert done.code == 0, done.err
        wait_for(home / "broker.log", "listening on ")
        yield found
