"""A tuning tone and the equal-tempered scale above it, as a sound file."""

import io
import math
import wave

import numpy as np
from numpy.typing import NDArray

from veilmart.demo.goods.good import Good, Recipe

SAMPLE_RATE_HZ = 44_100
CONCERT_PITCH_HZ = 440.0
TONE_SECONDS = 5.0
NOTE_SECONDS = 0.75
# relative strengths of the partials: soft, but easier to tune to than a bare sine
_PARTIALS = (1.0, 0.25, 0.12, 0.05)
_FADE_SECONDS = 0.02


def note(frequency_hz: float, seconds: float) -> NDArray[np.float64]:
    """One note between -1 and 1 that fades in and out, so that it does not click."""
    time = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = np.zeros_like(time)
    for multiple, strength in enumerate(_PARTIALS, start=1):
        sound += strength * np.sin(2 * math.pi * multiple * frequency_hz * time)
    edge = np.minimum(time, seconds - time) / _FADE_SECONDS
    faded: NDArray[np.float64] = sound / sum(_PARTIALS) * np.clip(edge, 0, 1)
    return faded


def tuning_tone() -> bytes:
    """WAV, mono, 16 bits, 44.1 kHz: A4 for five seconds, then the chromatic scale A4 to A5."""
    pieces = [note(CONCERT_PITCH_HZ, TONE_SECONDS)]
    for semitone in range(13):
        pieces.append(note(CONCERT_PITCH_HZ * 2 ** (semitone / 12), NOTE_SECONDS))
    samples = np.round(np.concatenate(pieces) * 0.8 * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE_HZ)
        sound.writeframes(samples.tobytes())
    return buffer.getvalue()


RECIPES = (
    Recipe(
        Good(
            "tuning-tone-a440.wav",
            "Tuning tone A 440 Hz and chromatic scale",
            "Five seconds of concert pitch, then the thirteen notes of the equal-tempered scale up "
            "to the next A; 44.1 kHz, 16 bits.",
        ),
        tuning_tone,
    ),
)
