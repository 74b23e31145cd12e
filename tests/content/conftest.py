import pytest

from coterie.content import lite, sentences


@pytest.fixture(scope="session")
def texts_encoder():
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    if not sentences.WEIGHTS.installed:
        pytest.skip(f"{sentences.WEIGHTS.distribution} is not installed: the extra content")
    return sentences.SentenceEncoder()


@pytest.fixture(scope="session")
def pictures_encoder():
    pytest.importorskip("PIL", reason="the extra content is not installed")
    if not lite.WEIGHTS.installed:
        pytest.skip(f"{lite.WEIGHTS.distribution} is not installed: the extra content")
    from coterie.content.pictures import PictureEncoder

    return PictureEncoder()
