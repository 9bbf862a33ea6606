"""Every label that begins the input of a hash, a signature or a key derivation.

No two uses share a label, so bytes made for one purpose never pass for another
(docs/protocol/01-notation.md).
"""

DESCRIPTOR = "veilmart 2026 descriptor"
CATALOGUE = "veilmart 2026 catalogue"
OFFER = "veilmart 2026 offer"
INVOICE = "veilmart 2026 invoice"
PAYMENT_RECEIPT = "veilmart 2026 payment receipt"
SEGMENT = "veilmart 2026 segment"
ORDER_ACTION = "veilmart 2026 order action"
LINK_MERCHANT = "veilmart 2026 link merchant"
LINK_BROKER = "veilmart 2026 link broker"

DESCRIPTOR_HASH = "veilmart 2026 descriptor hash"
CATALOGUE_HASH = "veilmart 2026 catalogue hash"
OFFER_HASH = "veilmart 2026 offer hash"
INVOICE_HASH = "veilmart 2026 invoice hash"
CONTENT_KEY_HASH = "veilmart 2026 content key hash"
ESCROW_KEY_HASH = "veilmart 2026 escrow key hash"
SHOWCASE_HASH = "veilmart 2026 showcase hash"
PIECE_LIST = "veilmart 2026 piece list"
SEGMENT_NONCE = "veilmart 2026 segment nonce"
ESCROW_KEY = "veilmart 2026 escrow key"
OPERATION = "veilmart 2026 operation"
OPERATION_BODY = "veilmart 2026 operation body"
REQUEST = "veilmart 2026 request"
SESSION_FINGERPRINT = "veilmart 2026 session fingerprint"

PROLOGUE_CUSTOMER_BROKER = "veilmart 2026 customer-broker"
PROLOGUE_BROKER_MERCHANT = "veilmart 2026 broker-merchant"
PROLOGUE_CUSTOMER_MERCHANT = "veilmart 2026 customer-merchant"

USE_REQUEST = "request"
USE_ANSWER = "answer"
USE_SEALED_KEY = "sealed key"
USE_PARCEL = "parcel"
USE_SESSION_ROW = "session row"
