"""The merchant's commands: they parse, ask, call a use case and draw its result."""
