"""A second customer, made from docs/protocol alone. It imports nothing of veilmart."""
