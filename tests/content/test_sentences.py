import numpy as np
import pytest
import torch

from coterie.content import sentences

# Each English text and what it says in Chinese.
PAIRS = [
    ("red running shoes", "红色跑鞋"),
    ("electric kettle", "电热水壶"),
    ("wooden dining table", "木制餐桌"),
    ("children's story book", "儿童故事书"),
    ("wireless headphones", "无线耳机"),
    ("cotton bed sheets", "纯棉床单"),
    ("green tea", "绿茶"),
    ("winter coat for women", "女士冬季外套"),
]
# The first numbers of what the package's own code makes of these texts.
THEIRS = {
    "red running shoes": [0.0446, 0.0291, -0.0851, 0.0631],
    "红色跑鞋": [0.056, 0.0304, -0.0853, 0.0488],
}


def test_each_text_is_nearest_to_its_own_translation(texts_encoder):
    english = texts_encoder.encode([one for one, _ in PAIRS]).vectors
    chinese = texts_encoder.encode([one for _, one in PAIRS]).vectors
    assert (chinese @ english.T).argmax(axis=1).tolist() == list(range(len(PAIRS)))


@pytest.mark.parametrize("text", THEIRS)
def test_vectors_are_those_that_the_weights_were_trained_for(texts_encoder, text):
    found = texts_encoder.encode([text]).vectors[0, :4]
    assert found.tolist() == pytest.approx(THEIRS[text], abs=2e-3)


def test_a_text_has_one_vector_whatever_it_is_encoded_with(texts_encoder):
    texts = [
        "a drill",
        "",
        "a much longer text about drills and what is done with them",
        "灯",
        "  ",
    ]
    together = texts_encoder.encode(texts).vectors
    alone = np.concatenate([texts_encoder.encode([text]).vectors for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.linalg.norm(together, axis=1) == pytest.approx([1, 0, 1, 1, 0], abs=1e-5)


def test_only_the_beginning_of_a_long_text_counts(texts_encoder):
    long = "lamp " * 400
    both = texts_encoder.encode([long, long + "shoe " * 400]).vectors
    assert both[0].tolist() == both[1].tolist()


def test_no_texts_have_no_vectors(texts_encoder):
    assert texts_encoder.encode([]).vectors.shape == (0, texts_encoder.width)


def test_the_network_can_be_fine_tuned():
    torch.manual_seed(0)
    network = sentences.SentenceNetwork(34)
    pieces, lengths = torch.randint(0, 34, (4, 6)), torch.tensor([6, 3, 1, 2])
    network.scale.fill_(0.01)
    network.table.random_(0, 255)
    before = network(pieces, lengths)
    loss = before[0] @ before[1]
    loss.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.05 * parameter.grad
    after = network(pieces, lengths)
    assert float((after[0] @ after[1]).detach()) < float(loss.detach())
