"""Carrying messages: tunnels between customer and merchant, links with merchants, the reporter.

It may import `escrow` and what lies below it, but not `disputes`.
"""
