"""The running broker: HTTP application, dispatch of requests, background tasks, metrics, narration.

It may import everything but `cli` and `backup_layout`.
"""
