"""The broker's face in the browser: pages for the operator.

They present the results of use cases.

It may import every room of the broker but `cli`. No page joins a customer's account and an order.
"""
