"""Nobody answers the questions of commands that are called in this process."""

from tests.support.called_commands import nobody, taken_port

__all__ = ["nobody", "taken_port"]
