"""Measurements, as ratios taken in one run (`make bench`); never part of the tests."""
