from io import BytesIO

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile", reason="the extra content is not installed")

from coterie.content.sounds import BANDS, SoundEncoder, log_mel, open_sound  # noqa: E402
from coterie.errors import BadInputError  # noqa: E402


def tone(pitch, seconds=1.0, rate=22_050, loud=0.4):
    return loud * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


def saved(samples, rate=22_050, kind="WAV"):
    out = BytesIO()
    soundfile.write(out, samples, rate, format=kind)
    return out.getvalue()


def test_a_higher_tone_is_in_a_higher_band():
    loudest = [log_mel(open_sound(saved(tone(p)))).mean(axis=0).argmax() for p in (200, 900, 4000)]
    assert loudest == sorted(set(loudest))


def test_every_band_hears_something():
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000)
    bands = log_mel(open_sound(saved(noise, 16_000))).mean(axis=0)
    assert len(bands) == BANDS
    assert bands.min() > bands.max() - 8


def test_a_sound_is_nearest_to_its_copy_at_another_rate_loudness_and_format():
    def sounds(rate, loud):
        noise = np.random.default_rng(1).normal(0, 0.2, 2 * rate)
        beat = tone(500, 2, rate) * (np.sin(np.arange(2 * rate) / rate * 40) > 0)
        return [loud * tone(300, 2, rate), loud * beat, loud * noise]

    encoder = SoundEncoder()
    first = encoder.encode([saved(one, 44_100) for one in sounds(44_100, 1.0)])
    again = encoder.encode([saved(one, 22_050, "FLAC") for one in sounds(22_050, 0.3)])
    assert not first.faults
    assert np.linalg.norm(first.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert (again.vectors @ first.vectors.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_one_bad_sound_spoils_no_other():
    good = saved(tone(400))
    found = SoundEncoder().encode([b"RIFF", saved(np.zeros(9000)), saved(tone(9), 400), good])
    assert sorted(found.faults) == [0, 1, 2]
    assert "silence" in found.faults[1]
    assert "400 samples a second" in found.faults[2]
    assert found.vectors.any(axis=1).tolist() == [False, False, False, True]


def test_only_the_first_minute_is_read():
    assert len(open_sound(saved(tone(300, 75, 8_000), 8_000))) == 60 * 16_000


def test_a_sound_of_a_few_samples_has_a_vector():
    assert SoundEncoder().encode([saved(tone(3000)[:50])]).vectors.any()


def test_no_sound_is_an_error_of_its_own():
    with pytest.raises(BadInputError, match="no sound that can be read"):
        open_sound(b"\0" * 100)
