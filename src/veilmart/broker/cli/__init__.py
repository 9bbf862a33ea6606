"""The broker's commands: they parse, call a use case and draw its result."""
