"""The whole market in one process, driven by one seed (docs/reliability.md)."""
