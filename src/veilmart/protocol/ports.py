"""Ports to the world that are passed in: the clock and the source of randomness."""

from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Unix seconds."""

Random: TypeAlias = Callable[[int], bytes]
"""n → n unpredictable bytes."""
