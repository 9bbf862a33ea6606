"""Two years of a market on virtual time: `make soak`."""
