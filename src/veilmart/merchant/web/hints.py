"""What to do next in the merchant's face, where an error's own text names a command."""

from veilmart import errors
from veilmart.errors import VeilmartError
from veilmart.web.hints import COMMON

HINTS: dict[type[VeilmartError], str] = COMMON | {
    errors.ShelfTooSmall: "Choose another price, or let the page Shelves plan a larger shelf.",
    errors.AloneOnShelf: "Add at least two products at once, or tick that you accept it.",
    errors.NoSuchShelf: "See the page Shelves.",
    errors.NoSuchProduct: "See the page Goods.",
    errors.NoSuchOrder: "See the page Orders.",
    errors.NoSuchBroker: "Choose one of your brokers in the list.",
    errors.DiskFull: "Free some space, then try again.",
    errors.ClockInDoubt: "Set the clock right. If it is right, start the merchant's server again.",
}
