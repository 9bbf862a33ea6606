"""Orders, and unique codes with their announced stock.

It may import `goods` and `schema`.
"""
