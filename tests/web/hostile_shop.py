"""A shop whose merchant is hostile: 10,000 products of markup, bidi, huge texts and bad covers.

Everything is signed as a merchant signs it and opened as a wallet opens it; what the protocol's
own checks refuse is not in it.
"""

import io

from PIL import Image

from tests.support.scripted_customer import NOW, Keys
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.web.open_shop import OpenShop, open_shop
from veilmart.protocol.catalogue import Catalogue, Product, open_catalogue, sign_catalogue
from veilmart.protocol.descriptor import Shelf, SignedDescriptor
from veilmart.protocol.showcase import Picture

PRODUCTS = 10_000
MARKUP = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
BREAKOUT = "\"'></bdi></a></option></title><svg/onload=document.title='taken'>{{7*7}}"
BIDI = "invoice\u202efdp.exe\u2066\u061c"
STEER = "a\x1b[2Jb\x00c\nd"
ARABIC = "\u0645\u0631\u062d\u0628\u0627"
WIDE = "W" * 200
HOSTILE = (
    MARKUP,
    BREAKOUT,
    BIDI,
    STEER,
    WIDE,
    "javascript:alert(1)",
    "\u0645\u0631\u062d\u0628\u0627",
)
SHELF = Shelf(
    id=1,
    name="<b>shelf",
    price=500,
    size=4096,
    pay_within=900,
    deliver_within=86400,
    settle_within=259200,
)


def picture_bytes(side: int) -> bytes:
    """A real JPEG of that side."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(out, "JPEG")
    return out.getvalue()


def bomb() -> bytes:
    """A JPEG of few bytes whose header says 65,500 pixels a side."""
    small = bytearray(picture_bytes(16))
    at = small.index(b"\xff\xc0")
    small[at + 5 : at + 9] = (65_500).to_bytes(2, "big") * 2
    return bytes(small)


COVERS = (
    picture_bytes(64),
    bomb(),
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    b"\xff\xd8\xff<html><script>document.title='taken'</script>",
    b"",
)


def hostile_product(number: int) -> Product:
    text = HOSTILE[number % len(HOSTILE)]
    return Product(
        id=number.to_bytes(16, "big"),
        shelf=SHELF.id,
        version=1,
        file_name=f"file-{number}.txt",
        title=f"{text[:180]} {number}"[:200].encode()[:200].decode(errors="ignore"),
        description=(text * 40).encode()[:2000].decode(errors="ignore"),
        size=100,
        root=number.to_bytes(32, "big"),
        available=True,
        tags=[text[:40].encode()[:50].decode(errors="ignore") or "tag", f"tag {number % 50}"],
    )


def hostile_merchant(keys: Keys) -> SignedDescriptor:
    return keys.descriptor("merchant", [SHELF], name=MARKUP[:64], not_before=1, not_after=2**40)


def hostile_menu(keys: Keys, products: int = PRODUCTS) -> Menu:
    """Signed and verified."""
    merchant = hostile_merchant(keys)
    catalogue = Catalogue(
        merchant=merchant.fingerprint,
        serial=1,
        previous=bytes(32),
        made_at=NOW,
        products=[hostile_product(number) for number in range(products)],
        showcases=[],
    )
    blob = sign_catalogue(keys.seeds["merchant"], catalogue)
    signing_key = merchant.descriptor.signing_key
    return Menu(merchant, open_catalogue(blob, signing_key, merchant.fingerprint))


def hostile_shop(menu: Menu) -> OpenShop:
    """With a cover or a sample for each of the first products."""
    pictures = {
        number.to_bytes(16, "big"): Picture(
            product=number.to_bytes(16, "big"),
            cover=COVERS[number % len(COVERS)],
            sample_name="../../evil.html",
            sample=MARKUP.encode() if number % 2 else b"\xff\xfe",
        )
        for number in range(40)
    }
    return open_shop(menu, pictures, (2, "EUR"), NOW)
