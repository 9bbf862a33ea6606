"""What belongs to a transaction and lies outside of the database: undone if it was rolled back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from veilmart.errors import DatabaseFailure, VeilmartError


@contextmanager
def undone_if_refused(undo: Callable[[], object]) -> Iterator[None]:
    """`undo` is called when the transaction that the block runs was refused, hence rolled back.

    However else the block ends, by a failure of the database or by Ctrl-C, the transaction may have
    been committed, and nothing is undone.
    """
    try:
        yield
    except DatabaseFailure:
        raise
    except VeilmartError:
        undo()
        raise
