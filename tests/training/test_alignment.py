import torch
from torch import nn

from nextgpt_chat.training.alignment import reading_distance


def test_the_reading_distance_compares_words_that_have_a_name() -> None:
    torch.manual_seed(0)
    embeddings = nn.Embedding(300, 64, padding_idx=0)
    captions = torch.randint(1, 300, (40, 9))
    words = embeddings(captions).detach()
    assert reading_distance(words, captions, embeddings) == 0
    alike = embeddings.weight.mean(dim=0).expand_as(words)
    assert 0.9 < reading_distance(alike, captions, embeddings) < 1.1
    wrong = words.clone()
    wrong[:, 3] += 100
    assert reading_distance(wrong, captions, embeddings) > 1
    captions[:, 3] = 0
    assert reading_distance(wrong, captions, embeddings) == 0
