"""Uploads by a face: what belongs to one file stays with that file."""

import os
from pathlib import Path

from veilmart.merchant.web.uploads import Uploads


def test_a_file_that_changed_between_two_parts_is_another_upload(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", os.urandom)
    before = uploads.begin("stars.bin", "1000", "1790000000000")
    again = uploads.begin("stars.bin", "1000", "1790000000000")
    after = uploads.begin("stars.bin", "1000", "1790000000001")
    assert before.name == again.name != after.name
