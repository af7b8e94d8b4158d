import torch
from torch.nn import functional

from nextgpt_chat.generate.output_projection import OutputProjection

KINDS, SIGNALS, LANGUAGE = 8, 4, 24


def test_pairs_that_were_never_met_are_read_from_their_parts() -> None:
    torch.manual_seed(0)
    colours, things = torch.randn(2, KINDS, SIGNALS, LANGUAGE)
    states = colours[:, None] + things[None]
    colour_words, thing_words = torch.randn(2, KINDS, 8)
    wanted = torch.stack(torch.broadcast_tensors(colour_words[:, None], thing_words[None]), dim=2)
    met = ~torch.eye(KINDS, dtype=torch.bool)
    projection = OutputProjection(LANGUAGE, hidden=32, layers=2, heads=4, queries=2, width=8)
    optimizer = torch.optim.AdamW(projection.parameters(), lr=2e-3, weight_decay=0)
    nothing = torch.zeros(KINDS, KINDS, SIGNALS, LANGUAGE)
    for _ in range(200):
        made = projection(states[met], nothing[met])
        optimizer.zero_grad()
        functional.mse_loss(made, wanted[met]).backward()
        optimizer.step()
    unmet = projection(states[~met], nothing[~met])
    assert made.shape == (KINDS * (KINDS - 1), 2, 8)
    assert functional.mse_loss(unmet, wanted[~met]) < 0.4  # about 2 for what belongs to another pair
