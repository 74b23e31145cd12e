"""Sounds as vectors: how loud each band of pitches is, how much that varies, and how fast.

Statistics of the mel spectrogram's logarithm, nothing learned. No package brings weights of CLAP,
PANNs or VGGish; where a shop has such a network, its vectors come as a folder or a file of its own.
"""

from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from math import gcd
from typing import Final

import numpy as np
from scipy.signal import resample_poly

from coterie.content.encoder import EncodedBatch, Floats, digest_of, unit_rows
from coterie.errors import BadInputError

RATE: Final = 16_000
"""Samples a second, after all is brought to one rate: pitches up to 8 kHz count."""
MAX_S: Final = 60
"""Seconds of a sound that are read."""
BANDS: Final = 64
_WINDOW: Final = 512
_HOP: Final = 256
_QUIETEST: Final = 1e-6
"""Below the loudest by 60 dB is silence."""
MIN_RATE: Final = 4_000
MAX_RATE: Final = 192_000


def open_sound(data: bytes) -> Floats:
    """Read the first minute of a sound, all channels as one, at 16 kHz, shape (samples,).

    Raises:
        BadInputError: It is no sound that can be read, or has nothing but silence.
    """
    import soundfile

    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            if not MIN_RATE <= file.samplerate <= MAX_RATE or file.channels > 8:
                raise BadInputError(
                    f"has {file.samplerate} samples a second in {file.channels} channels: "
                    f"{MIN_RATE} to {MAX_RATE} in at most 8 are read"
                )
            rate = int(file.samplerate)
            samples = file.read(MAX_S * rate, dtype="float32", always_2d=True).mean(axis=1)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        if isinstance(error, BadInputError):
            raise
        raise BadInputError(f"is no sound that can be read: {error}") from error
    if not np.isfinite(samples).all() or not samples.any():
        raise BadInputError("is a sound of nothing but silence")
    shared = gcd(rate, RATE)
    return np.asarray(resample_poly(samples, RATE // shared, rate // shared), np.float32)


def log_mel(samples: Floats) -> Floats:
    """Compute the logarithm of the mel spectrogram, shape (frames, 64)."""
    padded = np.pad(samples, (0, max(0, _WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2
    bands = power @ _mel_bands().T
    loud = np.log(np.maximum(bands, bands.max() * _QUIETEST) + 1e-12)
    return np.asarray(loud, np.float32)


def _mel_bands() -> Floats:
    """Triangles over frequencies, even in mel, shape (64, 257)."""
    top = 2595.0 * np.log10(1.0 + RATE / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    heard = np.fft.rfftfreq(_WINDOW, 1.0 / RATE)
    # A band narrower than what the window tells apart still has its nearest frequency.
    width = np.maximum(np.diff(edges), RATE / _WINDOW)
    rising = (heard - edges[:-2, None]) / width[:-1, None]
    falling = (edges[2:, None] - heard) / width[1:, None]
    return np.maximum(np.minimum(rising, falling), 0.0).astype(np.float32)


class SoundEncoder:
    """The default for sounds: mean, deviation and change of 64 bands."""

    kind: Final = "audio"
    name: Final = "log-mel-statistics"
    width: Final = 3 * BANDS

    @cached_property
    def digest(self) -> str:
        """Of its settings: there are no weights."""
        return digest_of(name=self.name, rate=RATE, seconds=MAX_S, bands=BANDS, version=1)

    def encode(self, batch: Sequence[bytes]) -> EncodedBatch:
        """Encode the bytes of sound files."""
        faults: dict[int, str] = {}
        vectors = np.zeros((len(batch), self.width), np.float32)
        for place, data in enumerate(batch):
            try:
                vectors[place] = _statistics(log_mel(open_sound(data)))
            except BadInputError as error:
                faults[place] = str(error)
        return EncodedBatch(unit_rows(vectors), faults)


def _statistics(bands: Floats) -> Floats:
    """Tell a sound by its bands, shape (192,): each third has about the same say.

    The mean is taken off the bands' means, so that a louder copy is the same sound.
    """
    mean = bands.mean(axis=0)
    change = np.abs(np.diff(bands, axis=0)).mean(axis=0) if len(bands) > 1 else np.zeros(BANDS)
    thirds = np.stack([mean - mean.mean(), bands.std(axis=0), change])
    return unit_rows(thirds).reshape(-1)
