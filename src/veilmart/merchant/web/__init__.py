"""The merchant's face in the browser: pages for the shop's owner. They draw what use cases say.

It may import every room of the merchant but `cli`.
"""
