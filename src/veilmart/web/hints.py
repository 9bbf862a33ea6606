"""What to do next on a page, where an error's own text speaks of the command line."""

from veilmart import errors
from veilmart.errors import VeilmartError

COMMON: dict[type[VeilmartError], str] = {
    errors.BadArgument: "Change it and send the form again.",
    errors.HomeInUse: "A command is at work in the same folder. Try again when it has ended.",
    errors.PortInUse: "Another program may hold the port; choose another with --port.",
}
