"""What happens to a finished purchase later: fetch again, new versions, late refunds.

It may import `connection` and what lies below it, but not `tokens`.
"""
