"""Every bound in one place; units last in the name.

The comment behind each says what it bounds; docs/generate.py writes both to
docs/protocol/10-limits-and-errors.md, one table for each heading here.
"""

# sizes
CELL_BYTES = 1024  # unit that records are padded to
HASH_BYTES = 32  # every hash and fingerprint
PIECE_BYTES = 1024 * 1024  # part of a product that becomes one segment
CHUNK_BYTES = 64 * 1024  # plaintext of a full chunk of a sealed object
CATALOGUE_PAGE_BYTES = 256 * 1024  # page of the catalogue's blob

# messages
BODY_MAX_BYTES = 2 * 1024 * 1024  # HTTP body
HANDSHAKE_MAX_BYTES = 16 * 1024  # Noise message inside `open`
NOISE_MESSAGE_MAX_BYTES = 65535  # any Noise message
REQUEST_MAX_BYTES = 64 * 1024  # request, and a record to relay
DESCRIPTOR_MAX_BYTES = 15 * 1024  # descriptor's body
SIGNED_DESCRIPTOR_MAX_BYTES = 384 + DESCRIPTOR_MAX_BYTES  # descriptor with its signature
INTEGER_MAX = 2**53 - 1  # integers in messages; amounts
MERCHANTS_PER_BROKER_MAX = 1000  # merchants that a broker carries
MERCHANTS_PER_ANSWER_MAX = 32  # entries of one `merchants` answer
SHELVES_MAX = 64  # shelves of a merchant
BROKERS_PER_MERCHANT_MAX = 16  # brokers that a merchant accepts
DIRECTORY_LINES_MAX = 100  # merchants of a directory whose own words are fetched
ABOUT_MAX_BYTES = 300  # a merchant's line about itself
PRICE_POINTS_MAX = 32  # price points of a broker
DESCRIPTORS_PER_EPOCH_MAX = 256  # descriptors that one party signs within 30 days
CHANGES_PER_EPOCH_MAX = 240  # of these, those that its own program signs for changes
TOKEN_KEYS_MAX = 256  # token keys that a broker lists
TOKENS_PER_REQUEST_MAX = 32  # tokens of one withdrawal
ISSUES_PER_ANSWER_MAX = 64  # entries of one `issues` answer
PREFIXES_PER_PAGE = 131072  # entries of one page of a published list
EVIDENCE_PART_BYTES = 48 * 1024  # part of a dispute's evidence
TOKEN_PACK = 8  # tokens of one pack, where nothing else is said
ORDER_KEYS_UNPAID_MAX = 1024  # order keys in a row that a restored wallet looks past
ORDER_KEYS_SKIPPED = 256  # order keys that a restored wallet leaves out
EVIDENCE_PARTS_MAX = 34  # parts of a dispute's evidence
EVIDENCE_PARTS_STORED_MAX = 4096  # parts of all disputes together that a broker keeps

# products
NAME_MAX_BYTES = 200  # product's file name
TITLE_MAX_BYTES = 200  # product's title
DESCRIPTION_MAX_BYTES = 2000  # product's description
TAGS_MAX = 16  # tags of one product
TAG_MAX_BYTES = 50  # one tag
COVER_MAX_BYTES = 48 * 1024  # product's cover, re-encoded
SAMPLE_MAX_BYTES = 256 * 1024  # product's free sample
SHOWCASE_MAX_BYTES = 64 * 1024 * 1024  # covers and samples of one shelf
CODE_MAX_BYTES = 700  # one unique code
PIECES_MAX = 16 * 1024  # pieces of one product
CATALOGUE_MAX_BYTES = 64 * 1024 * 1024  # catalogue's blob
PARCEL_IN_DATABASE_MAX_BYTES = 64 * 1024  # sealed parcel that a wallet keeps in its database
PRODUCTS_MAX = 100_000  # products of a merchant

# accounts
USERNAME_MAX_BYTES = 64  # username
PASSWORD_MIN_BYTES = 8  # shortest password
PASSWORD_MAX_BYTES = 128  # longest password
PASSPHRASE_MEMORY_MAX_KIB = 1024 * 1024  # memory of a wallet's passphrase hash, in KiB
PASSPHRASE_PASSES_MAX = 16  # passes of it
PASSPHRASE_LANES_MAX = 16  # lanes of it
GUESS_DELAY_MAX_SECONDS = 30  # longest delay after failed logins
GUESSES_FREE = 3  # failed logins before the delay begins
DEVICE_IDLE_MAX_SECONDS = 90 * 24 * 3600  # device key that is not used ends after
UNPAID_PER_SESSION_MAX = 64  # unpaid orders of one session
UNPAID_REFUSED_MAX = 4  # orders refused for want of room before the session relays nothing
UNPAID_MAX = 20_000  # unpaid orders that one broker process lets stand
UNNAMED_KEPT_SECONDS = 3 * 24 * 3600  # until packed bytes that nothing names are removed
PRODUCTS_AT_ONCE = 32  # products that an import puts on sale in one transaction
CODES_AT_ONCE = 200  # unique codes that are added in one transaction
CODES_AT_ONCE_MAX = 1000  # vouchers or invitations issued by one command
FEE_MAX_BASIS_POINTS = 5000  # the broker's fee per sale, in hundredths of a percent
JOIN_REQUESTS_MAX = 100  # merchants that wait for admission
WITHDRAWALS_OPEN_MAX = 16  # payments that one merchant waits for
STATEMENT_ENTRIES_MAX = 5_000_000  # entries of one statement that a merchant takes
SIGNED_OFF_MAX = 200  # findings of the audit that an operator has signed off
NOTE_MAX_CHARACTERS = 200  # note of a withdrawal

# time
SESSION_SECONDS = 3600  # life of a session
SESSIONS_MAX = 100_000  # sessions of one server
TUNNELS_MAX = 100_000  # tunnels of one merchant
REQUEST_NUMBER_SECONDS = 3600  # life of a request number
DESCRIPTOR_SECONDS = 7 * 24 * 3600  # longest validity of a descriptor
DESCRIPTOR_OVERLAP_SECONDS = 24 * 3600  # a descriptor is renewed this long before its end
CLOCK_SKEW_SECONDS = 300  # how far a descriptor may begin in the future
PAY_WITHIN_SECONDS = 15 * 60  # default from offer to payment
DELIVER_WITHIN_SECONDS = 24 * 3600  # default from payment to release of the key
SETTLE_WITHIN_SECONDS = 72 * 3600  # default from release to settlement
CODE_PAY_WITHIN_SECONDS = 5 * 60  # from offer to payment on a shelf of codes
CODE_DELIVER_WITHIN_SECONDS = 30 * 60  # from payment to release there
CODE_WINDOW_SECONDS = 3600  # stock of a shelf of codes is looked at once in
DELIVER_MIN_SECONDS = 600  # least time to deliver that a broker accepts
SETTLE_MIN_SECONDS = 3600  # least time to examine and settle that a broker accepts
FOLD_AFTER_SECONDS = 30 * 24 * 3600  # from the end of a month to the folding of its postings
REQUEST_KEPT_SECONDS = 30 * 24 * 3600  # a merchant's request to join, unanswered
WITHDRAWAL_KEPT_SECONDS = 90 * 24 * 3600  # a withdrawal that was paid or declined
TOKEN_REST_SECONDS = 24 * 3600  # a token rests between withdrawal and spending
REFILL_WINDOW_SECONDS = 2 * 3600  # a stock of tokens is refilled after its time of day within
UPDATE_WINDOW_SECONDS = 48 * 3600  # new versions are fetched at a random moment within
ERRAND_SPREAD_SECONDS = 4 * 3600  # over which an anonymous task is put off at random
TOKEN_ENDING_SECONDS = 30 * 24 * 3600  # tokens that end within it are named, and exchanged
TOKEN_ASK_AGAIN_SECONDS = 7 * 24 * 3600  # a spend whose key ends early, by the wallet's clock, for
EXCHANGE_SPREAD_SECONDS = 7 * 24 * 3600  # each at a random time of its own within it
REFUND_LOOK_SPREAD_SECONDS = 7 * 24 * 3600  # the same for asking about a settled order
FINISH_SLOT_SECONDS = 0.5  # a wallet that has all of a small parcel goes on at multiples of it
ANSWER_SLOT_SECONDS = 0.025  # answers about products leave at multiples of it
FIRST_SEGMENT_SECONDS = 2  # the answer to a payment waits for the first segment for
SEGMENTS_AFTER_SECONDS = 24 * 3600  # a merchant serves segments after the settlement
EPOCH_SECONDS = 30 * 24 * 3600  # a token key issues for
SPEND_AFTER_EPOCH_SECONDS = 60 * 24 * 3600  # its tokens can be spent after that for
TOKEN_KEY_EARLY_SECONDS = 24 * 3600  # a token key is made before its epoch, and unfit soon after
TOKEN_ORDER_MAX_SECONDS = 50 * 24 * 3600  # from payment to settlement of an order paid by a token
EVIDENCE_KEPT_SECONDS = 24 * 3600  # evidence that no dispute was opened on
REFUND_WATCH_SECONDS = 62 * 24 * 3600  # a wallet looks for refunds of settled orders for
DISPUTE_KEPT_SECONDS = 90 * 24 * 3600  # how a refused dispute was decided
SOLVENCY_KEPT_SECONDS = 60  # the solvency line is counted once in
SIGNED_REQUEST_SECONDS = 600  # how old a merchant's signed request may be
CLOCK_JUMP_MAX_SECONDS = 300  # by which a server believes that its clock was corrected in an hour
CLOCK_STOPPED_MAX_SECONDS = 3 * 24 * 3600  # for which it believes that it was stopped
SWEEP_EVERY_SECONDS = 5  # how often deadlines are looked at
COLLECT_EVERY_SECONDS = 6 * 3600  # how often a merchant looks for packed bytes that nothing names

# transport
HANDSHAKES_WAITING_MAX = 256  # handshakes waiting for their turn at one server
HEADER_SECONDS = 10  # to send an HTTP header
REQUEST_SECONDS = 60  # to send an HTTP body
CONNECT_SECONDS = 5  # to connect
PROXY_CONNECT_SECONDS = 30  # to connect through a proxy
ANSWER_SECONDS = 30  # to wait for an answer
CONNECTIONS_MAX = 2000  # open connections of one server
SEGMENTS_IN_FLIGHT = 8  # segments that a wallet fetches at once
PASSWORD_HASHES_AT_ONCE = 2  # password hashes computed at once
EXAMINED_AT_ONCE = 1  # disputes of one broker process examined at once
LONG_READS_AT_ONCE = 1  # statements of one broker process read at once
EXAMINED_WAITING_MAX = 16  # disputes that wait for that
BLIND_SIGNINGS_AT_ONCE = 2  # requests whose tokens are signed at once
BLIND_SIGNINGS_WAITING_MAX = 256  # requests that wait for that
PUBLIC_READS_WAITING_MAX = 256  # requests for published lists that wait
KEEP_ALIVE_SECONDS = 75  # idle connection stays open
GRACEFUL_STOP_SECONDS = 10  # to finish requests when a server stops
LINGER_SECONDS = 2  # to let a refused sender read the answer
HTTP_HEADER_MAX_BYTES = 16 * 1024  # HTTP request line and headers
PIPELINE_MAX = 16  # HTTP requests sent ahead on one connection
STREAMS_MAX = 12_000  # open streams of one server process
STREAM_IDLE_SECONDS = 900  # stream on which nothing is asked stays open
STREAM_FRAMES_MAX = 256  # questions on one stream and in one direction that wait for an answer
STREAM_AT_ONCE = 8  # of them that are worked on at once
LINK_AT_ONCE = 256  # the same between broker and merchant
LINK_SILENT_SECONDS = 90  # a stream that a merchant dialled ends when nothing is heard for
LINK_PING_SECONDS = 20  # a merchant asks on it whether the broker is there
STREAM_QUEUED_BYTES = 256 * 1024  # questions on one stream that wait for their turn
STREAMS_HELD_BYTES = 256 * 1024 * 1024  # parts of messages and answers not taken, all streams
STREAM_PINGS_MAX = 60  # pings on one stream in a minute

# storage
DATABASE_BUSY_SECONDS = 10  # to wait for another process's transaction
TRANSACTIONS_WAITING_MAX = 10_000  # transactions that wait for the writer
WORKERS_MAX = 64  # worker processes of one server
DATABASE_CONNECTIONS_MAX = 8  # connections of one server process to PostgreSQL
READING_LOG_MAX_BYTES = 1024 * 1024 * 1024  # that SQLite's WAL may grow by during one reading
TRANSACTIONS_PER_COMMIT_MAX = 512  # transactions that share one commit

# web
WEB_TICKET_SECONDS = 60  # life of the ticket that opens a page in the browser
WEB_IDLE_SECONDS = 600  # time without its person after which a page is locked
WEB_SESSIONS_MAX = 8  # browsers that one face serves at a time
WEB_FORM_MAX_BYTES = 256 * 1024  # form sent by a browser
WEB_FORM_FIELDS_MAX = 400  # fields of one form
WEB_UPLOAD_CHUNK_BYTES = 8 * 1024 * 1024  # part of a file sent by a browser
WEB_STREAMS_MAX = 32  # event streams of one face
WEB_JOBS_KEPT_MAX = 64  # finished jobs of one face that can still be looked at
WEB_NAMES_MAX = 400_000  # opaque names of addresses that one face remembers
WEB_OFFERS_MAX = 256  # confirmations that one face waits for
WEB_OFFER_SECONDS = 15 * 60  # life of a question that waits for its confirmation
WEB_PAGE_MAX_BYTES = 60 * 1024  # page without its pictures
WEB_PRODUCTS_PER_PAGE = 40  # products of a shop on one page
WEB_ROWS_PER_PAGE = 25  # rows of a long list on one page
WEB_COVERS_MAX_BYTES = 64 * 1024 * 1024  # covers and samples of one shop that a page fetches
WEB_COVER_SIDE_MAX_PIXELS = 1024  # side of a cover that a page shows
