"""Business with the broker's operator: join, withdraw, statement, reconcile, refund, export.

It may import `home`, `publishing` and what lies below, but not `server` or `stocking`.
"""
