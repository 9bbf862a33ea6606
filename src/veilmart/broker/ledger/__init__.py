"""Double entry: the only code that moves money, and the stored answers that make moves repeatable.

It may import `schema` alone.
"""
