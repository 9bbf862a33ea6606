"""The running merchant: HTTP application, rules of link and tunnel, state that workers share.

It may import `home`, `publishing` and what lies below, but not `back_office` or `stocking`.
"""
