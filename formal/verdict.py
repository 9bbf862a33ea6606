"""What is said about one claim."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    PROVED = "proved"
    REACHED = "reached"
    ATTACK = "attack found (expected)"
    EXPLAINED = "still proved (explained)"
    FAILED = "failed"


@dataclass(frozen=True)
class Line:
    """One claim of one model. note: state count or seconds."""

    model: str
    claim: str
    verdict: Verdict
    text: str
    note: str
