"""What a wallet stores: orders, parcels, copies, tokens, seed, proxy.

It may import `schema`, `events` and `quote`. Nothing here talks to the network.
"""
