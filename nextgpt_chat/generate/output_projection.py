"""From signal tokens to a decoder's prompt embeddings: the only trained part of tier 3 (sections 3 and 4.2 of the paper)."""

import torch
from torch import Tensor, nn

BRANCH = 0.1
"""Initial scale of the last layer of each residual branch. What the signal tokens carry then passes nearly linearly at first, and what is
carried word by word is also read so. From full branches the projection reads more of the pairs that it never met as other ones."""


class OutputProjection(nn.Module):
    """A transformer that reads the signal tokens and writes prompt embeddings from learned queries.

    The weights have the names and the meaning of the published projections: `in_fc`, `tfm`, `query_embs`, `out_fc`.
    """

    def __init__(self, language_width: int, hidden: int, layers: int, heads: int, queries: int, width: int) -> None:
        """`language_width` features in, `queries` embeddings of `width` features out; `layers` in the encoder and in the decoder."""
        super().__init__()
        self.in_fc = nn.Linear(language_width, hidden)
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(hidden, heads, 4 * hidden, dropout=0.0, batch_first=True, norm_first=True),
            layers,
            nn.LayerNorm(hidden),
            enable_nested_tensor=False,
        )
        self.tfm = nn.Transformer(
            custom_encoder=encoder,
            d_model=hidden,
            nhead=heads,
            num_decoder_layers=layers,
            dim_feedforward=4 * hidden,
            dropout=0.0,
            batch_first=True,
            norm_first=True,
        )
        self.query_embs = nn.Parameter(torch.randn(1, queries, hidden) * 0.02)
        self.out_fc = nn.Linear(hidden, width)
        with torch.no_grad():
            for name, weight in self.tfm.named_parameters():
                if name.endswith(("out_proj.weight", "linear2.weight")):
                    weight.mul_(BRANCH)

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Last hidden states and input embeddings of the signal tokens, both [B, count, H] -> [B, queries, width]."""
        signals = self.in_fc(states + embeddings)
        return self.out_fc(self.tfm(signals, self.query_embs.expand(len(signals), -1, -1)))
