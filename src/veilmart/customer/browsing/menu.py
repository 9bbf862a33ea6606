"""A merchant's menu: the products on shelves of its descriptor, and the search in them."""

from dataclasses import dataclass, field

from veilmart.errors import NoSuchProduct
from veilmart.protocol.catalogue import Product, SignedCatalogue
from veilmart.protocol.descriptor import Shelf, SignedDescriptor
from veilmart.protocol.typed_text import sought


@dataclass(frozen=True)
class Menu:
    """A merchant's products. Prices are the shelves' (minor units)."""

    merchant: SignedDescriptor
    catalogue: SignedCatalogue = field(repr=False)

    @property
    def products(self) -> list[Product]:
        """Products on a shelf of the merchant's descriptor."""
        shelves = {shelf.id for shelf in self.merchant.descriptor.shelves}
        products = self.catalogue.catalogue.products
        return [product for product in products if product.shelf in shelves]

    def shelf(self, product: Product) -> Shelf:
        """Raises NoSuchProduct when the product's shelf is gone."""
        shelf = self.merchant.descriptor.shelf(product.shelf)
        if shelf is None:
            raise NoSuchProduct
        return shelf

    def search(self, text: str) -> list[tuple[int, Product]]:
        """Products whose title, tags, description or file name has every word of `text`, in any
        case, with their numbers in the menu from 1.
        """
        words = sought(text).split()
        return [
            (number, product)
            for number, product in enumerate(self.products, start=1)
            if not words or _has_all(product, words)
        ]


def _has_all(product: Product, words: list[str]) -> bool:
    about = (product.title, product.description, product.file_name, *product.tags)
    folded = sought("\n".join(about))
    return all(word in folded for word in words)
