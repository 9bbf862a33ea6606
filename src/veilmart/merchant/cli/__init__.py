"""The commands `veilmart merchant ...`: they parse, ask, call a use case and draw its result."""
