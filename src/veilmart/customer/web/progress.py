"""A purchase's events as a job's report."""

from veilmart.customer import events
from veilmart.customer.display.goods import licence_key
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.names import shown_path
from veilmart.web.jobs import Report

STEPS = {
    "session": "Connecting to the broker",
    "login": "Logging in",
    "descriptor": "Checking the merchant's signed descriptor",
    "tunnel": "Opening a tunnel to the merchant",
    "catalogue": "Fetching the catalogue",
    "select": "Choosing, sealed from the broker",
    "pay": "Paying: the money is held by the broker until you have the goods",
    "segment": "Receiving the goods, sealed",
    "release": "Asking for the key",
    "acknowledge": "Opening, checking and saving the file",
}


class Progress:
    """An observer of one purchase. decimals: of the broker's currency."""

    def __init__(self, report: Report, decimals: int) -> None:
        self._report, self._decimals = report, decimals
        self._done = self._total = 0

    def __call__(self, event: events.Event) -> None:
        report = self._report
        match event:
            case events.StepReached():
                report.step(STEPS.get(event.step, event.step))
            case events.PaymentHeld(amount=amount):
                report.line(f"Held: {format_amount(amount, self._decimals)}")
            case events.ParcelBegun():
                self._total = event.total
                self._done = event.total * event.stored // max(event.count, 1)
                report.advance(self._done, self._total, "bytes")
            case events.SegmentStored():
                self._done = min(self._total, self._done + event.length)
                report.advance(self._done, self._total, "bytes")
            case events.SegmentRefetched():
                report.line(f"Segment {event.index + 1} arrived damaged and is fetched again.")
            case events.ReceiptUseless():
                report.line("The broker's receipt is for another invoice; it proves nothing.")
            case events.IntegrityChecked():
                report.line("Every piece is what the merchant signed.")
            case events.FileSaved():
                report.line(f"Saved to {shown_path(event.path)}")
                key = licence_key(event.path) if event.licence else ""
                if key:
                    report.line(f"Licence key: {key}")
            case events.SettlementFailed():
                report.line("The broker was not told yet that the file is here; sync tells it.")
