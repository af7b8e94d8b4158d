"""From the encoder's space into the language model's: the only trained part of tier 1."""

from torch import Tensor, nn


class InputProjection(nn.Module):
    """A linear map that turns one embedding into `tokens` language-model embeddings.

    With one token this is the linear projection of NExT-GPT (section 3; v1 of the paper); more tokens give a small language
    model the room that one wide vector gives a large one. A separate map for each kind of medium shares the same shape.
    """

    def __init__(self, embedding: int, hidden: int, tokens: int, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.tokens = tokens
        self.projections = nn.ModuleDict({kind: nn.Linear(embedding, tokens * hidden) for kind in kinds})

    def forward(self, embeddings: Tensor, kind: str) -> Tensor:
        """[B, E] -> [B, tokens, H] for media of one kind."""
        return self.projections[kind](embeddings).unflatten(-1, (self.tokens, -1))
