"""The operator's use cases (admit, credit, pay out), and merchants' requests to the operator.

It may import everything below it, but not `audit`, `maintenance` or `server`.
"""
