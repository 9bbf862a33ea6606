"""HTTP client and server, workers, fair turns, metrics. It knows no role."""
