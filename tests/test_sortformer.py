"""Streaming Sortformer, a small one with random weights: what holds however well it is trained."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from engine import recorded, sortformer_model
from engine.diarizer import Recording
from engine.recorded import SAMPLE_RATE_HZ, Samples
from engine.sortformer import Sortformer
from engine.sortformer_model import StreamingSortformer
from speech.errors import EngineError
from speech.types import Diarization, Progress
from tests.environments import ROOT
from tests.hub import nemo_archive
from tests.models import SPEECH_MODEL, noise, read_conversation, silence
from tests.sortformers import SHORT, SPEAKERS, build, save

HOP = 160


@pytest.fixture(scope="module")
def network() -> StreamingSortformer:
    return StreamingSortformer(build(), SHORT)


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_conversation()[: 10 * SAMPLE_RATE_HZ + 3 * HOP + 77]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("sortformer") / "small.nemo")


@pytest.fixture(scope="module")
def sortformer(checkpoint: Path) -> Sortformer:
    return Sortformer.load(checkpoint, "cpu")


def nothing(_share: float) -> None:
    """A report that nobody reads."""


@pytest.mark.parametrize("piece", [7, 300])
def test_features_made_in_pieces_are_those_of_the_whole(
    network: StreamingSortformer, speech: Samples, piece: int
) -> None:
    speech = speech[: piece * SAMPLE_RATE_HZ // 7 + 77]
    whole, frames = build().process_signal(
        torch.from_numpy(speech)[None], torch.tensor([speech.size])
    )
    total = speech.size // HOP
    assert frames.tolist() == [total]
    pieces = [
        network.features(speech, first, min(first + piece, total))
        for first in range(0, total, piece)
    ]
    torch.testing.assert_close(torch.cat(pieces, 1), whole[:, :, :total].mT, atol=1e-5, rtol=0)


def test_probabilities_are_those_of_nemo_for_the_whole_recording(
    network: StreamingSortformer, speech: Samples
) -> None:
    """Many chunks: what is known of the past is filled up and thinned out again and again."""
    model = build()
    for name in SHORT.__slots__:
        setattr(model.sortformer_modules, name, getattr(SHORT, name))
    with torch.inference_mode():
        (expected,) = model(torch.from_numpy(speech)[None], torch.tensor([speech.size]))
    found = network.probabilities(speech, nothing)
    assert found.shape == (126, SPEAKERS)
    assert found.std() > 0.05
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_a_file_is_heard_as_its_samples_are(
    network: StreamingSortformer, speech: Samples, tmp_path: Path
) -> None:
    path = tmp_path / "speech.wav"
    soundfile.write(path, speech, SAMPLE_RATE_HZ, subtype="FLOAT")
    file = recorded.RecordedFile(path, speech.size)
    found = network.probabilities(file, nothing)
    np.testing.assert_array_equal(found, network.probabilities(speech, nothing))


def test_the_past_beyond_the_cache_is_still_known(
    network: StreamingSortformer, speech: Samples
) -> None:
    """Other beginnings, the same end: the last chunk is far from what differs."""
    last = speech[-2 * SAMPLE_RATE_HZ :]
    heard = [
        network.probabilities(np.concatenate([before, last]), nothing)[-15:]
        for before in (speech[: 6 * SAMPLE_RATE_HZ], noise(6.0))
    ]
    assert np.abs(heard[0] - heard[1]).max() > 1e-3


def test_turns_lie_within_the_recording(sortformer: Sortformer, speech: Samples) -> None:
    found, warnings = sortformer.diarize(Recording(speech))
    assert warnings == ()
    assert found.turns
    duration_s = speech.size / SAMPLE_RATE_HZ
    for turns in (found.turns, found.exclusive_turns):
        assert all(0 <= turn.start_s < turn.end_s <= duration_s for turn in turns)
        assert all(a.start_s <= b.start_s for a, b in pairwise(turns))
    assert all(a.end_s <= b.start_s for a, b in pairwise(found.exclusive_turns))
    assert 1 <= len({turn.speaker for turn in found.turns}) <= SPEAKERS


def test_progress_rises_to_the_end(network: StreamingSortformer, speech: Samples) -> None:
    said: list[Progress] = []
    Sortformer(network).diarize(Recording(speech, report=said.append))
    assert {progress.stage for progress in said} == {"diarize"}
    fractions = [progress.fraction for progress in said if progress.fraction is not None]
    assert len(fractions) == len(said) == 7
    assert fractions == sorted(set(fractions))
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


class _CancelledError(Exception):
    pass


def test_one_that_is_cancelled_harms_no_other(
    network: StreamingSortformer, speech: Samples
) -> None:
    calls: list[Progress] = []

    def cancel(progress: Progress) -> None:
        calls.append(progress)
        if len(calls) == 3:
            raise _CancelledError

    sortformer = Sortformer(network)
    parts = (speech[: 5 * SAMPLE_RATE_HZ], speech[5 * SAMPLE_RATE_HZ :])
    first, cancelled, last = sortformer.diarize_all(
        [Recording(parts[0]), Recording(speech, report=cancel), Recording(parts[1])]
    )
    assert isinstance(cancelled, _CancelledError)
    assert len(calls) == 3
    assert [first, last] == [sortformer.diarize(Recording(part)) for part in parts]


def test_as_many_speakers_as_asked_for(sortformer: Sortformer, speech: Samples) -> None:
    everybody = {turn.speaker for turn in sortformer.diarize(Recording(speech))[0].turns}
    assert len(everybody) > 1
    for recording in (Recording(speech, num_speakers=1), Recording(speech, max_speakers=1)):
        found, warnings = sortformer.diarize(recording)
        assert len({turn.speaker for turn in found.turns}) == 1
        assert warnings == ()
    for recording, name in (
        (Recording(speech, num_speakers=6), "num_speakers"),
        (Recording(speech, min_speakers=6), "min_speakers"),
    ):
        found, warnings = sortformer.diarize(recording)
        assert {turn.speaker for turn in found.turns} == everybody
        assert warnings == (f"{name} was 6, but {len(everybody)} speakers were found",)


@pytest.mark.parametrize(
    "samples",
    [
        silence(0),
        silence(1 / SAMPLE_RATE_HZ),
        noise(0.01),
        noise(0.03),
        silence(2.0),
        np.full(SAMPLE_RATE_HZ, np.nan, dtype=np.float32),
    ],
    ids=["nothing", "one sample", "10 ms", "30 ms", "silence", "nan"],
)
def test_odd_recordings_do_no_harm(sortformer: Sortformer, samples: Samples) -> None:
    found, warnings = sortformer.diarize(Recording(samples))
    duration_s = samples.size / SAMPLE_RATE_HZ
    assert all(0 <= turn.start_s < turn.end_s <= duration_s for turn in found.turns)
    assert warnings == ()
    if samples.size < HOP:
        assert found == Diarization((), ())


def test_what_is_not_finite_is_silence(network: StreamingSortformer, speech: Samples) -> None:
    odd, silent = speech[: 3 * SAMPLE_RATE_HZ].copy(), speech[: 3 * SAMPLE_RATE_HZ].copy()
    odd[20_000:30_000] = np.resize([np.nan, np.inf, -np.inf], 10_000)
    silent[20_000:30_000] = 0.0
    np.testing.assert_array_equal(
        network.probabilities(odd, nothing), network.probabilities(silent, nothing)
    )


@pytest.mark.parametrize("kind", ["speech", "damaged", "empty", "offline"])
def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    checkpoint = tmp_path / "other.nemo"
    if kind == "speech":
        checkpoint = SPEECH_MODEL
    elif kind == "offline":
        save(checkpoint, streaming_mode=False)
    else:
        checkpoint.write_bytes(nemo_archive() if kind == "damaged" else b"")
    with pytest.raises(EngineError, match="cannot be restored as a streaming Sortf") as caught:
        sortformer_model.load(checkpoint, "cpu")
    assert caught.value.code == "diarization_unavailable"
    assert str(tmp_path) not in caught.value.message


LONG = """
import json, resource, sys
import numpy as np, soundfile, torch
from pathlib import Path
from engine import recorded
from engine.diarizer import Recording
from engine.sortformer import Sortformer

torch.set_num_threads(1)
sortformer = Sortformer.load(Path(sys.argv[1]), "cpu")
path, minute = Path(sys.argv[2]), 60 * recorded.SAMPLE_RATE_HZ
generator = np.random.default_rng(0)
with soundfile.SoundFile(path, "w", recorded.SAMPLE_RATE_HZ, 1, "PCM_16") as file:
    for _ in range(12):
        file.write(0.1 * generator.standard_normal(minute))
told = []
for minutes in (3, 12):
    found = sortformer.diarize(Recording(recorded.RecordedFile(path, minutes * minute)))[0]
    peak_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told.append([peak_bytes, max(turn.end_s for turn in found.turns)])
print("TOLD", json.dumps(told))
"""


def test_a_long_file_takes_no_more_memory_than_a_short_one(
    checkpoint: Path, tmp_path: Path
) -> None:
    """The features of nine more minutes are 28 MB, and making them at once takes 300 MB more."""
    printed = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", LONG, str(checkpoint), str(tmp_path / "long.wav")],
        cwd=ROOT,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    short, long = json.loads(printed.rpartition("TOLD ")[2])
    assert long[0] - short[0] < 40e6
    assert long[1] > 10 * 60
