"""The commands `veilmart customer ...`: they parse, ask, call a use case and draw its result."""
