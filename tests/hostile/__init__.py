"""Honest purchases while somebody attacks the servers: `make hostile` (docs/reliability.md)."""
