"""Corruptions of what the broker keeps of tokens. OLD and NEW: keys of two months."""

OLD = "(SELECT min(key) FROM spent_tokens)"
NEW = "(SELECT max(key) FROM spent_tokens)"
OF_TOKEN = '(SELECT hold FROM invoices WHERE "order" = :by_token)'

TOKEN_CORRUPTIONS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "a token key under another id": (
        "token-key",
        (f"UPDATE token_keys SET id = :junk WHERE number = {OLD}",),
        False,
    ),
    "two token keys with one account": (
        "token-account",
        ("UPDATE token_keys SET account = (SELECT min(account) FROM token_keys)",),
        False,
    ),
    "an account of tokens that no key has": (
        "token-account",
        ("INSERT INTO accounts (kind, balance) VALUES ('tokens', 0)",),
        True,
    ),
    "a withdrawal removed": (
        "token-solvency",
        ("DELETE FROM token_issues WHERE first = 0 AND count = 4",),
        True,
    ),
    "a withdrawal of more tokens than were paid": (
        "token-solvency",
        ("UPDATE token_issues SET count = count + 1",),
        False,
    ),
    "a token that was shown and is forgotten": (
        "token-solvency",
        ('DELETE FROM spent_tokens WHERE "order" = :by_token',),
        True,
    ),
    "a token shown that nobody withdrew": (
        "token-solvency",
        (
            "INSERT INTO spent_tokens (key, nonce, account, late, reissued) "
            "SELECT max(key), :junk, max(account), 0, 0 FROM spent_tokens",
        ),
        False,
    ),
    "a retired key whose tokens go on": (
        "token-retired",
        (f"UPDATE token_keys SET retired_at = 1, secret = NULL WHERE number = {NEW}",),
        False,
    ),
    "a retired key whose private half was kept": (
        "token-retired",
        (f"UPDATE token_keys SET retired_at = 1 WHERE number <> {OLD}",),
        True,
    ),
    "a private half that is none": (
        "token-secret",
        (f"UPDATE token_keys SET secret = :junk WHERE number = {OLD}",),
        True,
    ),
    "the private half of another key": (
        "token-secret",
        ("UPDATE token_keys SET secret = (SELECT min(secret) FROM token_keys)",),
        False,
    ),
    "a withdrawal by nobody": (
        "issue-owner",
        ("UPDATE token_issues SET account = 9999",),
        False,
    ),
    "counters withdrawn twice": (
        "issue-counters",
        (
            "INSERT INTO token_issues (account, key, first, count, request, body, answer) "
            "SELECT account, key, first + 1, count, :junk, body, answer FROM token_issues "
            "WHERE count = 4",
        ),
        False,
    ),
    "an answer without signatures": (
        "issue-answer",
        ("UPDATE token_issues SET answer = :junk",),
        True,
    ),
    "money taken for another withdrawal": (
        "issue-money",
        ("UPDATE token_issues SET request = :junk WHERE count = 4",),
        True,
    ),
    "a token both spent and deposited": (
        "spent-token",
        ('UPDATE spent_tokens SET account = 4 WHERE "order" = :by_token',),
        False,
    ),
    "a token of a key that is not there": (
        "spent-token",
        ('UPDATE spent_tokens SET key = 999 WHERE "order" = :by_token',),
        False,
    ),
    "a token deposited by nobody": (
        "spent-token",
        ("UPDATE spent_tokens SET account = 9999 WHERE account IS NOT NULL",),
        False,
    ),
    "a refund of a token that paid for a sale": (
        "spent-refund",
        ('UPDATE spent_tokens SET reissued = 1 WHERE "order" = :by_token',),
        True,
    ),
    "a token that came too late and got nothing": (
        "spent-refund",
        ('UPDATE spent_tokens SET reissued = 0 WHERE "order" = :too_late',),
        False,
    ),
    "a refund worth another price": (
        "spent-refund",
        (
            "UPDATE spent_tokens SET refund_key = (SELECT number FROM token_keys "
            "WHERE price = 100 AND epoch = (SELECT max(epoch) FROM token_keys)) "
            'WHERE "order" = :held_by_token',
        ),
        False,
    ),
    "an exchange without a token": (
        "spent-exchange",
        ('UPDATE spent_tokens SET "order" = :junk WHERE "order" = :too_late',),
        True,
    ),
    "a token left out of the public list": (
        "published-list",
        ("DELETE FROM published WHERE id = (SELECT max(id) FROM published WHERE list > 0)",),
        True,
    ),
    "a token in the public list that was never shown": (
        "published-list",
        (f"INSERT INTO published (list, prefix) SELECT {OLD}, :short",),
        False,
    ),
    "a sale that another token paid for": (
        "token-payment",
        (
            'UPDATE spent_tokens SET key = (SELECT key FROM spent_tokens WHERE "order" = '
            ':token_back) WHERE "order" = :by_token',
        ),
        True,
    ),
    "a token-paid order laid on a customer": (
        "token-payment",
        (
            "UPDATE postings SET account = (SELECT account FROM customers WHERE username = "
            f"'bert') WHERE amount < 0 AND entry = {OF_TOKEN}",
        ),
        False,
    ),
    "the token of an order that another key ordered": (
        "token-payment",
        ('UPDATE spent_tokens SET order_key = :junk WHERE "order" = :by_token',),
        False,
    ),
    "a token's receipt that is none": (
        "operation-answer",
        ('UPDATE spent_tokens SET answer = :junk WHERE "order" = :by_token',),
        False,
    ),
    "a token's receipt that is gone": (
        "operation-missing",
        ('UPDATE spent_tokens SET answer = NULL WHERE "order" = :by_token',),
        False,
    ),
    "a token's refund paid into the fees": (
        "refund-differs",
        (
            "UPDATE postings SET account = 3 WHERE amount > 0 AND entry = (SELECT id FROM "
            "transactions WHERE kind = 'refund' AND reference = :token_back)",
        ),
        True,
    ),
}
