"""Every named step at which a process is killed, and the points of each (see points.py).

A point's name here is "DOING/WHAT", "@N" behind it means its N-th occurrence only. The moments are
not listed: a run without any kill notes them down, and every one that passes becomes a case. A
point that passes and is not here fails the run, and so does a step whose points never pass.
"""

from dataclasses import dataclass, field

from veilmart.protocol.purchase_steps import PURCHASE_STEPS


@dataclass(frozen=True)
class Step:
    """points: of each program that has a part in the step."""

    name: str
    points: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _step(name: str, **points: tuple[str, ...]) -> Step:
    return Step(name, points)


REPORT = _step(
    "report",
    broker=(
        "/>Report",
        "/outbox.next_reports",
        "/outbox.mark_delivered",
        "/hot_rows.add_up",
        "/token_keys.note_plenty",
    ),
    merchant=("Report/", "Report/orders.apply_report"),
)
VISIT = (
    _step("session", broker=("Handshake/",), customer=("/>Handshake", "/pins.pin_broker")),
    _step("login", broker=("Resume/",), customer=("/>Resume", "/account_use.note_account_use")),
)
ANONYMOUS = (
    _step("session", broker=("Handshake/",), customer=("/>Handshake", "/pins.pin_broker")),
    _step(
        "start",
        broker=("Start/",),
        customer=("/>Start", "/seen_descriptors.keep_seen"),
    ),
)
# When `sync` does a task of its own: the task gets a time, and is forgotten once it was tried.
TASK = _step("task", customer=("/errands._due_at", "/errands._forget"))
STATUS = _step("status", broker=("GetStatus/",), customer=("/>GetStatus",))
# The first segment comes with the payment's answer; a small parcel has no other.
FIRST_SEGMENT = ("FetchSegment/@1", "FetchSegment/orders.segment_asked@1")
SMALL_PARCEL = _step("segment", customer=("/parcels.save_held",))
LARGE_PARCEL = _step(
    "segment",
    broker=("GetSegment/", "GetSegment/>FetchSegment"),
    merchant=("FetchSegment/", "FetchSegment/orders.segment_asked"),
    customer=("/>GetSegment", "/parcels.save_held"),
)
RELEASE = _step(
    "release",
    broker=("Release/", "Release/release_rules._step"),
    customer=("/>Release", "/orders.save_order"),
)
RELEASE_REFUSED = _step("release", broker=("Release/",), customer=("/>Release",))
CANCEL = _step(
    "cancel",
    broker=("Cancel/", "Cancel/release_rules._step"),
    customer=("/>Cancel", "/parcels.save_ended"),
)
DELIVER = _step("deliver", customer=("/file",))
ACKNOWLEDGE = _step(
    "acknowledge",
    broker=("Acknowledge/", "Acknowledge/release_rules._step"),
    customer=("/>Acknowledge", "/parcels.save_ended"),
)
PURCHASE = (
    *VISIT,
    ANONYMOUS[1],
    _step(
        "descriptor",
        broker=("GetMerchants/", "GetMerchant/", "GetMerchant/>FetchDescriptor"),
        merchant=("FetchDescriptor/",),
        customer=(
            "/>GetMerchants",
            "/>GetMerchant",
            "/pins.pin_merchant",
            "/two_views._keep_chain",
        ),
    ),
    _step(
        "tunnel",
        broker=("Open/", "Open/>TunnelOpen"),
        merchant=("TunnelOpen/",),
        customer=("/>Open",),
    ),
    _step(
        "catalogue",
        broker=("Relay/@1", "Relay/>TunnelRelay@1"),
        merchant=("TunnelRelay/@1", "GetCatalogue/"),
        customer=("/>Relay:GetCatalogue", "/anonymous_pins.save_seen"),
    ),
    _step(
        "select",
        broker=("Relay/@2", "Relay/>TunnelRelay@2", "Relay/invoices.add_invoice"),
        merchant=("TunnelRelay/@2", "Select/", "Select/orders.store_order"),
        customer=("/>Relay:Select", "/orders.add_order"),
    ),
    _step(
        "pay",
        broker=("Pay/", "Pay/payment_rules._pay", "Pay/>FetchSegment"),
        merchant=FIRST_SEGMENT,
        customer=("/>Pay",),
    ),
    SMALL_PARCEL,
    RELEASE,
    DELIVER,
    ACKNOWLEDGE,
    REPORT,
)
LARGE_PURCHASE = tuple(LARGE_PARCEL if step is SMALL_PARCEL else step for step in PURCHASE)
BROWSE = PURCHASE[3:6]
TOKENS: dict[str, tuple[Step, ...]] = {
    "token withdrawal": (
        *VISIT,
        _step("key", customer=("/tokens.save_keys",)),
        _step(
            "withdraw",
            broker=("Issue/", "Issue/withdrawal_rules._issue"),
            customer=("/>Issue", "/tokens.begin_withdrawal", "/tokens.finish_withdrawal"),
        ),
    ),
    "token purchase": (
        *ANONYMOUS,
        *BROWSE,
        _step(
            "select",
            broker=("Relay/@2", "Relay/>TunnelRelay@2", "Relay/invoices.add_invoice"),
            merchant=("TunnelRelay/@2", "Select/", "Select/orders.store_order"),
            customer=(
                "/>Relay:Select",
                "/seed_state.take_order_number",
                "/payment_rules._add_with_token",
            ),
        ),
        _step(
            "spend",
            broker=("Spend/", "Spend/token_payment_rules._spend", "Spend/>FetchSegment"),
            merchant=FIRST_SEGMENT,
            customer=("/>Spend",),
        ),
        SMALL_PARCEL,
        RELEASE,
        DELIVER,
        ACKNOWLEDGE,
        REPORT,
    ),
    "token refund": (
        *ANONYMOUS,
        STATUS,
        CANCEL,
        _step(
            "refund",
            broker=("GetRefund/",),
            customer=("/>GetRefund", "/tokens.add_refund"),
        ),
        REPORT,
    ),
    "token deposit": (
        *VISIT,
        _step(
            "deposit",
            broker=("Deposit/", "Deposit/withdrawal_rules._deposit"),
            customer=("/>Deposit", "/tokens.move_token"),
        ),
    ),
}
STEPS: dict[str, tuple[Step, ...]] = {
    "purchase": PURCHASE,
    "large purchase": LARGE_PURCHASE,
    "dialled purchase": PURCHASE,
    "cancellation": (
        *VISIT,
        STATUS,
        CANCEL,
        REPORT,
    ),
    "refund by time": (
        _step("deadline", broker=("/sweeper.sweep_invoices",)),
        TASK,
        *VISIT,
        RELEASE_REFUSED,
        STATUS,
        _step("refund seen", customer=("/parcels.save_ended",)),
        REPORT,
    ),
    "settlement by time": (
        _step("deadline", broker=("/sweeper.sweep_invoices",)),
        TASK,
        *VISIT,
        DELIVER,
        ACKNOWLEDGE,
        REPORT,
    ),
    "merchant refund": (
        TASK,
        _step(
            "session",
            broker=("Handshake/",),
            office=("/>Handshake",),
            customer=("/>Handshake", "/pins.pin_broker"),
        ),
        _step(
            "refund",
            broker=("RefundOrder/", "RefundOrder/merchant_refund_rules._refund"),
            office=("/>RefundOrder",),
        ),
        VISIT[1],
        STATUS,
        _step("refund seen", customer=("/orders.save_order",)),
        REPORT,
    ),
    "dispute": (
        *ANONYMOUS,
        STATUS,
        _step(
            "evidence",
            broker=("SendEvidence/", "SendEvidence/dispute_rules._keep"),
            customer=("/>SendEvidence",),
        ),
        _step(
            "dispute",
            broker=("Dispute/", "Dispute/dispute_rules._conclude"),
            customer=("/>Dispute", "/parcels.save_ended"),
        ),
        REPORT,
    ),
    "voucher issue": (_step("issue", operator=("/kept_codes.issue_and_keep",)),),
    "voucher redeem": (
        *VISIT,
        _step(
            "redeem",
            broker=("Redeem/", "Redeem/vouchers.redeem"),
            customer=("/>Redeem",),
        ),
    ),
    "voucher void": (_step("void", operator=("/vouchers.void_batch",)),),
    "withdrawal": (
        _step("session", broker=("Handshake/",), office=("/>Handshake",)),
        _step(
            "ask",
            broker=("AskToWithdraw/", "AskToWithdraw/merchant_requests._note_withdrawal"),
            office=("/>AskToWithdraw",),
        ),
    ),
    "payout": (_step("pay out", operator=("/bookkeeping.payout",)), REPORT),
    **TOKENS,
}
assert set(PURCHASE_STEPS) <= {step.name for step in PURCHASE}


def step_of(scenario: str, party: str, name: str, occurrence: int) -> str | None:
    """The step that a point ("DOING/WHAT", without its moment) belongs to."""
    for step in STEPS[scenario]:
        points = step.points.get(party, ())
        if name in points or f"{name}@{occurrence}" in points:
            return step.name
    return None
