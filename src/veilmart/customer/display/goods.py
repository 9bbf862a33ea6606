"""What a product is, in words: kind, sizes, merchant, refund terms. And a licence key to copy."""

from dataclasses import dataclass
from pathlib import Path

from veilmart.limits import CODE_MAX_BYTES
from veilmart.storage.files.names import visible

FILE, LICENCE = "file", "licence key"


@dataclass(frozen=True)
class Deal:
    """kind: FILE or LICENCE. size: true bytes, 0 for a key. download: padded bytes of the shelf.

    deliver_within, settle_within: seconds.
    """

    title: str
    kind: str
    file_name: str
    size: int
    download: int
    merchant: str
    deliver_within: int
    settle_within: int


def deal_lines(deal: Deal) -> list[str]:
    """Before it is paid for: title, kind, sizes, merchant, refund terms."""
    download = f"the download has {deal.download:,} bytes, as every one of its shelf"
    kind = f"A file, {visible(deal.file_name)}, {deal.size:,} bytes"
    if deal.kind == LICENCE:
        kind = "A licence key"
    return [
        visible(deal.title),
        f"{kind}; {download}.",
        f"Sold by {visible(deal.merchant)}.",
        f"Refunded in full if it is not delivered within {span(deal.deliver_within)}, or is not "
        f"as promised; you have {span(deal.settle_within)} to look.",
    ]


def span(seconds: int) -> str:
    """As "24 hours"."""
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"


def licence_key(path: Path) -> str:
    """The key in a finished file, to be shown; "" where it is no line of text (any more)."""
    try:
        with path.open("rb") as file:
            text = file.read(CODE_MAX_BYTES + 2).decode().rstrip("\r\n")
    except (OSError, ValueError):
        return ""
    return text if text == visible(text) and len(text.encode()) <= CODE_MAX_BYTES else ""
