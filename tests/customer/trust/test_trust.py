"""Whom the wallet believes: pins, chains, and refusals that come before any password."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from tests.support.scripted_customer import NOW, Keys, changed, counting_random
from veilmart.crypto import signing
from veilmart.customer.connection.shopper import connect
from veilmart.customer.trust.descriptors import accept_merchant, refuse
from veilmart.customer.trust.pins import PinnedMerchant, broker_at, pin_merchant
from veilmart.customer.trust.proofs import settle_proofs
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    DescriptorExpired,
    DescriptorForked,
    FingerprintChanged,
    MalformedMessage,
    NotInitialised,
    NotPinned,
    SerialLower,
    SignatureInvalid,
    UnknownSuite,
    VeilmartError,
    ViewsForked,
)
from veilmart.protocol.address import Link
from veilmart.protocol.catalogue import Catalogue, open_catalogue, sign_catalogue
from veilmart.protocol.descriptor import SignedDescriptor, choose_suite, read_descriptor
from veilmart.protocol.signed_chains import catalogue_contradiction

URL = "http://127.0.0.1:8000"


def approve_all(role: str, fresh: object) -> bool:
    return True


class OnlyDescriptor:
    """Answers GET /v1/descriptor and those below it; nothing may ever be posted to it."""

    def __init__(self, signed: bytes, below: dict[int, bytes]) -> None:
        self.signed = signed
        self.below = below
        self.closed = False

    async def get(self, path: str, *, max_bytes: int) -> bytes:
        if path == "/v1/descriptor":
            return self.signed
        return self.below[int(path.removeprefix("/v1/descriptor/"))]

    async def post(self, path: str, body: bytes, *, max_bytes: int) -> bytes:
        raise AssertionError("Something was sent to a broker that is not trusted.")

    async def rest(self) -> None:
        """Nothing is read."""

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def meet(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Connect to a broker that shows this descriptor."""

    below: dict[int, bytes] = {}

    def meeting(signed: bytes, *, broker: bytes | None = None, approve: Any = refuse) -> Any:
        http = OnlyDescriptor(signed, dict(below))
        with suppress(VeilmartError):
            below.setdefault(read_descriptor(signed).descriptor.serial, signed)
        monkeypatch.setattr(
            "veilmart.customer.connection.shopper.http_client", lambda wallet, url, _open: http
        )
        link = Link("127.0.0.1", 8000, broker, None, None)
        try:
            return asyncio.run(connect(wallet, link, approve=approve))
        except BaseException:
            assert http.closed
            raise

    return meeting


def pinned_serial(wallet: Wallet, keys: Keys) -> tuple[bytes, SignedDescriptor]:
    pin = wallet.database.run_now(broker_at, URL)
    assert pin is not None
    return pin.fingerprint, keys.descriptor("broker", [])


def test_unknown_broker_is_pinned_only_with_approval(wallet: Wallet, keys: Keys, meet: Any) -> None:
    shown = keys.descriptor("broker", [])
    with pytest.raises(NotPinned):
        meet(shown.signed)
    assert wallet.database.run_now(broker_at, URL) is None
    meet(shown.signed, approve=approve_all)
    meet(shown.signed)  # pinned now: nobody is asked
    assert pinned_serial(wallet, keys)[0] == shown.fingerprint


def test_link_pins_without_asking_and_refuses_another(keys: Keys, meet: Any) -> None:
    shown = keys.descriptor("broker", [])
    with pytest.raises(FingerprintChanged):
        meet(shown.signed, broker=b"f" * 32)
    meet(shown.signed, broker=shown.fingerprint)
    with pytest.raises(FingerprintChanged):
        meet(shown.signed, broker=b"f" * 32)


def test_other_identity_behind_a_pinned_address_is_refused(meet: Any, keys: Keys) -> None:
    meet(keys.descriptor("broker", []).signed, approve=approve_all)
    other = Keys()
    with pytest.raises(FingerprintChanged):
        meet(other.descriptor("broker", []).signed, approve=approve_all)


def test_serials_go_up_on_one_chain(wallet: Wallet, keys: Keys, meet: Any) -> None:
    first = keys.descriptor("broker", [], serial=1)
    second = keys.descriptor("broker", [], serial=2, previous=first.hash)
    meet(first.signed, broker=first.fingerprint)
    with pytest.raises(DescriptorForked):
        meet(keys.descriptor("broker", [], serial=1, name="Another").signed)
    with pytest.raises(DescriptorForked):
        meet(keys.descriptor("broker", [], serial=2).signed)
    with pytest.raises(ViewsForked):  # two proofs stand against it
        meet(second.signed)
    wallet.database.run_now(settle_proofs, first.fingerprint)
    meet(second.signed)
    with pytest.raises(SerialLower):
        meet(first.signed)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"not_before": NOW - 700_000, "not_after": NOW - 100_000}, DescriptorExpired),
        ({"not_before": NOW - 1000, "not_after": NOW}, DescriptorExpired),
        ({"not_before": NOW + 301, "not_after": NOW + 1000}, DescriptorExpired),
        ({"not_after": NOW + 8 * 24 * 3600}, MalformedMessage),
    ],
    ids=["expired", "expires-now", "from-the-future", "valid-too-long"],
)
def test_descriptor_outside_its_time_is_refused(
    keys: Keys, meet: Any, changes: Any, error: Any
) -> None:
    shown = keys.descriptor("broker", [], **changes)
    with pytest.raises(error):
        meet(shown.signed, broker=shown.fingerprint)


def test_merchants_descriptor_is_no_brokers(keys: Keys, meet: Any) -> None:
    shown = keys.descriptor("merchant", [])
    with pytest.raises(MalformedMessage):
        meet(shown.signed, broker=shown.fingerprint)


@pytest.mark.parametrize("position", [0, 383, 400, -1])
def test_descriptor_with_a_changed_byte_is_refused(keys: Keys, meet: Any, position: int) -> None:
    shown = keys.descriptor("broker", [])
    bad = bytearray(shown.signed)
    bad[position] ^= 1
    with pytest.raises((SignatureInvalid, MalformedMessage)):
        meet(bytes(bad), broker=shown.fingerprint)


def test_merchant_is_held_to_its_fingerprint_and_chain(
    wallet: Wallet, keys: Keys, meet: Any
) -> None:
    broker = keys.descriptor("broker", [])
    meet(broker.signed, broker=broker.fingerprint)
    first = keys.descriptor("merchant", [], serial=1)
    shown = keys.descriptor("merchant", [], serial=2, previous=first.hash)

    def accept(signed: bytes, merchant: bytes = shown.fingerprint) -> SignedDescriptor:
        class Source:
            async def newest(self) -> bytes:
                return signed

            async def numbered(self, serial: int) -> bytes:
                return {1: first.signed}[serial]

        return asyncio.run(accept_merchant(wallet, broker.fingerprint, merchant, Source()))

    with pytest.raises(NotPinned):
        accept(shown.signed)
    for merchant in (shown.fingerprint, b"m" * 32):
        pin = PinnedMerchant(broker.fingerprint, merchant, None)
        wallet.database.run_now(pin_merchant, pin, NOW)
    with pytest.raises(FingerprintChanged):
        accept(shown.signed, b"m" * 32)
    assert accept(shown.signed).hash == shown.hash
    with pytest.raises(SerialLower):
        accept(first.signed)


def test_nothing_to_connect_to_without_a_join(wallet: Wallet) -> None:
    with pytest.raises(NotInitialised):
        asyncio.run(connect(wallet))


def test_suite_that_is_not_offered_is_not_used(keys: Keys) -> None:
    first, second = keys.suites
    both = keys.descriptor("broker", [])
    assert choose_suite(both, None) is first
    assert choose_suite(both, second) is second
    keys_of_first = [key for key in both.descriptor.tunnel_keys if key.suite == first.id]
    one = keys.descriptor("broker", [], tunnel_keys=keys_of_first)
    with pytest.raises(UnknownSuite):
        choose_suite(one, second)


def test_catalogues_lie_on_one_chain() -> None:
    seed = counting_random(b"catalogue")(32)
    plain = Catalogue(
        merchant=b"m" * 32, serial=3, previous=bytes(32), made_at=NOW, products=[], showcases=[]
    )

    def signed(**changes: Any) -> Any:
        blob = sign_catalogue(seed, changed(plain, **changes))
        return open_catalogue(blob, signing.public_key(seed), b"m" * 32)

    known = signed()
    assert catalogue_contradiction(signed(), known) is None
    assert catalogue_contradiction(signed(serial=4, previous=known.hash), known) is None
    assert catalogue_contradiction(signed(serial=9), known) is None
    assert catalogue_contradiction(signed(serial=1), known) is None
    assert catalogue_contradiction(signed(made_at=NOW + 1), known) == "There are two catalogues 3."
    assert catalogue_contradiction(signed(serial=4), known) is not None
