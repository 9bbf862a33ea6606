"""A broker's changes wait where one more would look like a descriptor made for one visitor."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from veilmart.broker import settings
from veilmart.broker.home import BrokerHome, initialise, renew_descriptor
from veilmart.limits import EPOCH_SECONDS

NOW = 1_800_000_000


def rename(opened: BrokerHome, number: int) -> None:
    current = opened.database.run_now(settings.load)
    opened.database.run_now(settings.replace, replace(current, name=f"Broker {number}"))


def test_a_change_too_many_is_signed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilmart.broker.keys.descriptors.CHANGES_PER_EPOCH_MAX", 3)
    with initialise(tmp_path / "broker", os.urandom) as opened:
        for number in range(3):
            rename(opened, number)
            newest = renew_descriptor(opened, NOW + number, os.urandom).newest
            assert newest.public.descriptor.name == f"Broker {number}"
        rename(opened, 9)
        newest = renew_descriptor(opened, NOW + 60, os.urandom).newest
        assert newest.public.descriptor.name == "Broker 2"
        newest = renew_descriptor(opened, NOW + EPOCH_SECONDS + 5, os.urandom).newest
        assert newest.public.descriptor.name == "Broker 9"
