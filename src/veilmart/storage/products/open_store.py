"""The product store behind a place: a folder, or a bucket."""

from pathlib import Path

from veilmart.errors import BadArgument
from veilmart.storage.products.folder_store import FolderStore, ProductStore


def open_store(place: str | Path) -> ProductStore:
    """A folder by its path, S3-compatible storage by s3://bucket/prefix. Raises BadArgument."""
    if isinstance(place, Path):
        return FolderStore(place)
    if not place.startswith("s3://"):
        raise BadArgument("A product store is s3://BUCKET/PREFIX.")
    # Its library costs a command start-up time that a folder need not pay.
    from veilmart.storage.products.bucket_store import ObjectStore

    return ObjectStore(place)
