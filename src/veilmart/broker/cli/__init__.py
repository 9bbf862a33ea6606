"""The commands `veilmart broker ...`: they parse, call a use case and draw its result."""
