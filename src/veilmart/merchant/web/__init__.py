"""The merchant's face in the browser: pages for the shop's owner.

They present the results of use cases.

It may import every room of the merchant but `cli`.
"""
