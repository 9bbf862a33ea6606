"""Real processes killed by SIGKILL at every named step: `make crash` (docs/reliability.md)."""
