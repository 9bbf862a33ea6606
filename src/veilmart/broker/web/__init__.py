"""The broker's face in the browser: pages for the operator. They draw what the use cases say.

It may import every room of the broker but `cli`. No page joins a customer's account and an order.
"""
