"""What the merchant publishes: key sets, descriptor, catalogue, the snapshot that is served.

It may import `sales`, `goods` and `schema`.
"""
