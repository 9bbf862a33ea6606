"""After a purchase: fetching again, new versions, due work by identity.

It may import `connection` and what lies below it, but not `tokens`.
"""
