"""Makes the fast checkpoint of a NeMo model, and proves it against the model.

``python -I convert.py``, run by the bootstrap in the models' environment. stdin: one JSON object,
{checkpoint, folder}. stdout, one JSON object a line: {type: progress, step, fraction}, then either
{type: done, usable: true, precision, report, files}, {type: done, usable: false, reason}, or
{type: error, code, message, retryable}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if __name__ == "__main__":  # under -I the script's folder is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from speech.errors import EngineError

if TYPE_CHECKING:
    from torch import Tensor

    from engine.fast_model import FastModel
    from engine.nemo_model import NemoModel

PROBE: Final = Path(__file__).resolve().parent / "probe.flac"
"""Twelve seconds of two synthetic voices: what both models must hear alike."""

MAX_ERROR: Final = {"features": 1e-4, "fp32": 1e-4, "bf16": 0.05}
"""Of the features, the largest difference; of the encoder, the relative one (L2). In fp32 the two
differ by 4e-7. bf16 keeps 8 bits: NeMo's own encoder with a few layers differs by 0.008 from itself
in fp32, and the error grows with the root of the depth."""

Tell = Callable[[str, float], None]


class DiffersError(Exception):
    """The fast model does not do what the original does; the text says in what."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model makes of the probe, with full attention."""

    encoded: Tensor
    """Shape (frames, width), in fp32."""
    text: str


def convert(checkpoint: Path, folder: Path, tell: Tell) -> dict[str, Any]:
    """Write the fast checkpoint of ``checkpoint`` to ``folder``.

    Args:
        checkpoint: A ``.nemo`` file.
        folder: Empty.
        tell: Called with what is being done, and the share of all that is done.

    Returns:
        The fields of the ``done`` message, but for ``files``.

    Raises:
        DiffersError: No precision does what the original does; the folder is empty again.
        EngineError: The checkpoint cannot be restored.
    """
    tell("importing NeMo", 0.0)
    import torch

    from engine import fast_model, nemo_model, nemo_weights

    tell("restoring the original", 0.2)
    original = nemo_model.load(checkpoint, torch.device("cpu"))
    try:
        shape = nemo_weights.shape_of(original.model.cfg)
        weights = nemo_weights.weights_of(original.model.state_dict(), shape)
        fast = fast_model.build(shape, weights)
    except (nemo_weights.UnsupportedError, ValueError) as error:
        raise DiffersError(str(error)) from error
    fast.pieces, fast.tokenizer = tuple(original.pieces), original.tokenizer
    tell("comparing with the original", 0.5)
    samples, lengths = probe()
    report = compare_exactly(original, fast, samples, lengths)
    reference = hear(fast, samples, lengths)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        tell(f"writing and comparing {precision}", 0.7)
        fast_model.save(folder, fast, dtype)
        found = hear(fast_model.load(folder, torch.device("cpu")), samples, lengths)
        differs = report[f"{precision}_error"] = relative(found.encoded, reference.encoded)
        if differs <= MAX_ERROR[precision] and found.text == reference.text:
            return {"usable": True, "precision": precision, "report": report}
    for path in folder.iterdir():
        path.unlink()
    raise DiffersError(f"written and read again, it hears something else: {report}")


def probe() -> tuple[Tensor, Tensor]:
    """The probe's samples, (1, samples), and its length."""
    import soundfile
    import torch

    samples, _rate = soundfile.read(PROBE, dtype="float32")
    return torch.from_numpy(samples)[None], torch.tensor([len(samples)])


def compare_exactly(
    original: NemoModel, fast: FastModel, samples: Tensor, lengths: Tensor
) -> dict[str, float]:
    """Hold the fast model in fp32 against the original: features, encoder, tokens and their frames.

    Raises:
        DiffersError: They differ by more than rounding.
    """
    import torch

    from engine.nemo_attention import set_attention

    report = {}
    with torch.inference_mode():
        theirs, _ = original.model.preprocessor(input_signal=samples, length=lengths)
        ours, frames = fast.mel(samples, lengths)
        report["features_error"] = float((theirs.mT - ours).abs().max())
        require(report["features_error"] <= MAX_ERROR["features"], "the features", report)
        for reach in ("full", "local"):
            set_attention(original.model, reach)
            encoded, count = original.model.encoder(audio_signal=theirs, length=frames)
            valid = slice(0, int(count[0]))
            mine = fast.encoder(ours, frames, reach)[0][0, valid]
            report[f"{reach}_error"] = relative(mine, encoded[0].mT[valid])
            require(report[f"{reach}_error"] <= MAX_ERROR["fp32"], f"the {reach} encoder", report)
    said, again = original.hear(samples, lengths, "full"), fast.hear(samples, lengths, "full")
    same = [(e.token, e.frame, e.frames) for e in said[0]] == [
        (e.token, e.frame, e.frames) for e in again[0]
    ]
    require(same, "the tokens", report)
    return report


def require(holds: bool, what: str, report: dict[str, float]) -> None:
    """Raise ``DiffersError`` where something does not hold."""
    if not holds:
        raise DiffersError(f"{what} differ from the original's: {report}")


def hear(model: FastModel, samples: Tensor, lengths: Tensor) -> Heard:
    """What a fast model makes of the probe."""
    import torch

    with torch.inference_mode():
        encoded, frames = model.encode(samples, lengths, "full")
    said = model.hear(samples, lengths, "full")[0]
    text = "".join(model.pieces[emission.token] for emission in said)
    return Heard(encoded[0, : int(frames[0])].float(), text)


def relative(found: Tensor, expected: Tensor) -> float:
    """The difference's L2 norm, relative to what is expected."""
    return float((found.float() - expected.float()).norm() / expected.float().norm())


def main() -> None:
    """Convert what stdin asks for."""
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # libraries print; stdout is for the answers

    def answer(kind: str, **fields: object) -> None:
        answers.write(json.dumps({"type": kind, **fields}) + "\n")

    request = json.load(sys.stdin)
    folder = Path(request["folder"])
    try:
        done = convert(
            Path(request["checkpoint"]),
            folder,
            lambda step, fraction: answer("progress", step=step, fraction=fraction),
        )
    except DiffersError as error:
        answer("done", usable=False, reason=str(error))
    except EngineError as error:
        answer("error", code=error.code, message=error.message, retryable=error.retryable)
    else:
        from engine.checksums import sha256

        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
            for path in sorted(folder.iterdir())
        }
        answer("done", **done, files=files)
    answers.flush()
    os._exit(0)  # an orderly end of torch and NeMo takes seconds


if __name__ == "__main__":
    main()
