"""The demo speech model with spans of its features masked, as if it had skipped what is said."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from engine.fast_model import FastModel
from speech.coverage import Span

FEATURES_PER_S = 100
BEYOND_S = 40.0


class Deaf(nn.Module):
    """Features that are zero, the mean, in some spans of a long recording.

    Args:
        mel: The model's own features.
        spans: Start and end in seconds; of recordings of more than ``BEYOND_S``.
    """

    def __init__(self, mel: nn.Module, spans: Sequence[Span]) -> None:
        super().__init__()
        self.mel, self.spans = mel, spans

    @property
    def fb(self) -> Tensor:
        """As the model looks for its device there."""
        bank = self.mel.fb
        assert isinstance(bank, Tensor)
        return bank

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        features, frames = self.mel(samples, lengths)
        if samples.shape[1] > BEYOND_S * 16_000:
            for start_s, end_s in self.spans:
                features[:, int(start_s * FEATURES_PER_S) : int(end_s * FEATURES_PER_S)] = 0.0
        return features, frames


def make_deaf(model: FastModel, spans: Sequence[Span]) -> None:
    """Mask these spans from now on, and only these."""
    mel = model.mel.mel if isinstance(model.mel, Deaf) else model.mel
    model.mel = Deaf(mel, spans)  # type: ignore[assignment]
