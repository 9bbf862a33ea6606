"""Pages for pins, proofs and the proxy."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from veilmart.customer.trust.descriptors import (
    http_client,
    replace_broker,
    replace_merchant,
)
from veilmart.customer.trust.pins import PinnedBroker, pinned_merchant, pinned_merchants
from veilmart.customer.trust.proofs import Proof, all_proofs, verify_proof
from veilmart.customer.wallet.proxy import read_proxy, save_proxy, stored_proxy
from veilmart.customer.web.desk import Desk
from veilmart.errors import NoSuchProof, NotInitialised, VeilmartError
from veilmart.limits import WEB_IDLE_SECONDS
from veilmart.protocol.descriptor import SignedDescriptor, check_descriptor, read_descriptor
from veilmart.storage.files.partial_file import PartialFile
from veilmart.transport.broker_channel import BrokerDescriptors
from veilmart.web.forms import read_form
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to


@dataclass(frozen=True)
class Change:
    """What would be trusted from now on instead of `known`."""

    known: SignedDescriptor | None
    fresh: SignedDescriptor
    accept: Callable[[], Awaitable[None]]


class TrustPages:
    """Trust and proofs, and the settings."""

    def __init__(self, desk: Desk, web: Web) -> None:
        self._desk, self._web = desk, web

    def routes(self) -> list[WebRoute]:
        return [
            get("/trust", self.trust),
            post("/trust/broker", self.ask_broker),
            post("/trust/merchant", self.ask_merchant),
            get("/trust/{nonce}", self.change),
            post("/trust/accept", self.accept),
            post("/proofs/{proof}/save", self.save_proof),
            get("/settings", self.settings),
            post("/settings/proxy", self.proxy),
        ]

    async def trust(self, request: Request) -> Response:
        """Pinned fingerprints, and proofs."""
        desk = self._desk
        run, broker = desk.wallet.database.run, desk.broker()
        merchants = []
        for pin in await run(pinned_merchants, broker.fingerprint):
            known = None if pin.descriptor is None else read_descriptor(pin.descriptor)
            name = self._web.names.name("merchant", pin.fingerprint)
            merchants.append((name, pin.fingerprint, known))
        proofs = [
            (self._web.names.name("proof", proof.hash), proof, verify_proof(proof.content))
            for proof in await run(all_proofs)
        ]
        return self._web.pages.page(
            request,
            "trust.html",
            broker=broker,
            url=self._pin().url,
            merchants=merchants,
            proofs=proofs,
        )

    def _pin(self) -> PinnedBroker:
        pin = self._desk.pin()
        if pin is None:
            raise NotInitialised
        return pin

    # ---- a verified change ----------------------------------------------------------------------

    async def ask_broker(self, request: Request) -> Response:
        """Fetch what the broker shows now; trust nothing yet."""
        wallet, pin = self._desk.wallet, self._pin()
        async with http_client(wallet, pin.url) as http:
            shown = read_descriptor(await BrokerDescriptors(http).newest())
        fresh = check_descriptor(
            shown.signed,
            role="broker",
            fingerprint=shown.fingerprint,
            now=wallet.clock(),
            known=None,
        )

        async def accept() -> None:
            await replace_broker(wallet, pin.url, fresh)

        return self._show(Change(read_descriptor(pin.descriptor), fresh, accept))

    async def ask_merchant(self, request: Request) -> Response:
        """The same for a merchant."""
        desk, wallet = self._desk, self._desk.wallet
        merchant = self._web.names.value("merchant", (await read_form(request)).text("merchant"))
        async with desk.visit() as shopper:
            broker = shopper.broker.fingerprint
            signed = await shopper.descriptors_of(merchant).newest()
        fresh = check_descriptor(
            signed, role="merchant", fingerprint=merchant, now=wallet.clock(), known=None
        )
        pin = await wallet.database.run(pinned_merchant, broker, merchant)
        known = None
        if pin is not None and pin.descriptor is not None:
            known = read_descriptor(pin.descriptor)

        async def accept() -> None:
            await replace_merchant(wallet, broker, fresh)
            desk.shops.pop(merchant, None)

        return self._show(Change(known, fresh, accept))

    def _show(self, change: Change) -> Response:
        return go_to(f"/trust/{self._web.offers.show(change)}")

    async def change(self, request: Request) -> Response:
        nonce = request.path_params["nonce"]
        found: Change = self._web.offers.shown(nonce)
        return self._web.pages.page(request, "change.html", change=found, nonce=nonce)

    async def accept(self, request: Request) -> Response:
        """Trust what was shown. Safe to repeat."""
        change: Change = self._web.offers.shown((await read_form(request)).text("nonce"))
        await change.accept()
        return go_to("/trust")

    # ---- proofs ---------------------------------------------------------------------------------

    async def save_proof(self, request: Request) -> Response:
        name = self._web.names.value("proof", request.path_params["proof"])
        proofs: list[Proof] = await self._desk.wallet.database.run(all_proofs)
        proof = next((proof for proof in proofs if proof.hash == name), None)
        if proof is None:
            raise NoSuchProof
        with PartialFile(self._desk.out, f"{proof.hash.hex()[:16]}.proof") as partial:
            partial.write(proof.content)
            path = partial.finish()
        return self._web.pages.page(
            request,
            "done.html",
            heading="The proof was saved",
            text=str(path),
            href="/trust",
            label="Trust",
        )

    # ---- settings -------------------------------------------------------------------------------

    async def settings(self, request: Request) -> Response:
        return await self._settings(request)

    async def _settings(self, request: Request, error: VeilmartError | None = None) -> Response:
        stored = await self._desk.wallet.database.run(stored_proxy)
        return self._web.pages.page(
            request,
            "settings.html",
            proxy="" if stored is None else str(stored),
            out=str(self._desk.out),
            home=str(self._desk.wallet.home.path),
            minutes=WEB_IDLE_SECONDS // 60,
            error=error,
        )

    async def proxy(self, request: Request) -> Response:
        """Every connection from now on goes through it."""
        form = await read_form(request)
        desk = self._desk
        try:
            chosen = read_proxy(form.text("proxy") or "none")
        except VeilmartError as error:
            return await self._settings(request, error)
        await desk.wallet.database.run(save_proxy, chosen)
        desk.wallet = replace(desk.wallet, proxy=chosen)
        return go_to("/settings")
