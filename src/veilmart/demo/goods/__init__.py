"""The demo shop's own goods: useful files that the program makes from facts when it needs them.

They fall into three sizes, so that they make three shelves: up to 16 KiB, up to 256 KiB and
1 to 2 MB. Every run makes the same bytes; nothing is downloaded.
"""

from pathlib import Path

from veilmart.demo.goods import mathematics, picture, places, reference, signs, sound
from veilmart.demo.goods.good import Good, Recipe
from veilmart.errors import CannotWrite

__all__ = ["Good", "make_goods", "recipes"]


def recipes() -> tuple[Recipe, ...]:
    """All goods with the functions that make them."""
    return (
        *reference.RECIPES,
        *signs.RECIPES,
        *places.RECIPES,
        *mathematics.RECIPES,
        *sound.RECIPES,
        *picture.RECIPES,
    )


def make_goods(folder: Path) -> list[Good]:
    """Write every good into `folder` (made if it is missing) and say what each one is.

    Files of the same names are overwritten. Raises `CannotWrite`.
    """
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for recipe in recipes():
            (folder / recipe.good.file_name).write_bytes(recipe.make())
            made.append(recipe.good)
    except OSError as error:
        raise CannotWrite(f"{folder}: {error.strerror}.") from error
    return made
