"""community-1 on real speech: recorded network outputs through the genuine pipeline.

Its two networks are gated, so networks with random weights take their place and answer with what
the published ones said about the sample in the pyannote.audio wheel. Everything behind them is
real: speaker counting, PLDA, clustering, reconstruction, our turns, and our labelling of the
sample's true words.
"""

from __future__ import annotations

import itertools
import re
import shutil
import warnings
from pathlib import Path
from types import MethodType
from typing import Any, Final

import numpy as np
import pytest
import torch
from pyannote.core import Annotation, Segment, SlidingWindow, SlidingWindowFeature, Timeline
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate

from engine.diarizer import Diarizer
from speech.labelling import label_words, rename_by_first_appearance
from speech.types import Diarization, SpeakerTurn, Word
from tests.models import RATE_HZ, ROOT, pyannote_sample, read_sample

RECORDED: Final = ROOT.parent / "shared" / "data" / "pyannote_replay"

pytestmark = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the recorded network outputs are not beside this checkout"
)

# More than the model's own error on this sample is a fault of ours.
MAX_DER = 0.06
MAX_WDER = 0.02


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("community-1")
    build_directory(folder)
    return folder


@pytest.fixture(scope="module")
def diarizer(directory: Path) -> Diarizer:
    """Hears the whole sample: 21 chunks of 10 s."""
    return replaying(directory, chunks=21)


def replaying(directory: Path, chunks: int) -> Diarizer:
    """A diarizer whose networks answer with the recordings of the first chunks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyannote.audio import Pipeline

        pipeline: Any = Pipeline.from_pretrained(directory)
    replay(pipeline, chunks)
    return Diarizer(pipeline)


@pytest.fixture(scope="module")
def found(diarizer: Diarizer) -> Diarization:
    diarization, said = diarizer.diarize(read_sample())
    assert said == ()
    return diarization


def build_directory(directory: Path) -> None:
    """community-1 as it is published, with random networks of the same architectures."""
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(0)
    segmentation: Any = PyanNet(
        lstm={
            "hidden_size": 128,
            "num_layers": 4,
            "bidirectional": True,
            "monolithic": True,
            "dropout": 0.5,
            "batch_first": True,
        },
    )
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    embedding: Any = WeSpeakerResNet34()
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
    )
    for name, network in (("segmentation", segmentation), ("embedding", embedding)):
        network.setup()
        save_network(network, directory / name / "pytorch_model.bin")
    shutil.copytree(RECORDED / "community-1", directory, dirs_exist_ok=True)


def save_network(network: Any, path: Path) -> None:
    """Write a checkpoint in Lightning's form, as pyannote reads it."""
    import lightning

    checkpoint = {
        "state_dict": network.state_dict(),
        "hyper_parameters": dict(network.hparams),
        "pytorch-lightning_version": lightning.__version__,
        "epoch": 0,
        "global_step": 0,
    }
    network.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True)
    torch.save(checkpoint, path)


def replay(pipeline: Any, chunks: int) -> None:
    """Let the two networks answer with what the published ones said."""
    folder = RECORDED / "02_pyannote_sample"
    segmentations = SlidingWindowFeature(
        np.load(folder / "segmentations.npz")["segmentations"][:chunks],
        SlidingWindow(start=0.0, duration=10.0, step=1.0),
    )
    embeddings = np.load(folder / "raw_embeddings.npz")["embeddings"][:chunks]

    def get_segmentations(_self: Any, _file: Any, hook: Any = None) -> SlidingWindowFeature:
        assert hook is not None
        return segmentations

    def get_embeddings(_self: Any, *_args: Any, **_options: Any) -> Any:
        return embeddings.copy()  # clustering writes into it

    pipeline.get_segmentations = MethodType(get_segmentations, pipeline)
    pipeline.get_embeddings = MethodType(get_embeddings, pipeline)


def annotation(turns: tuple[SpeakerTurn, ...]) -> Annotation:
    """Our turns in pyannote's form."""
    result = Annotation()
    for track, turn in enumerate(turns):
        result[Segment(turn.start_s, turn.end_s), track] = turn.speaker
    return result


def error_rate(truth: Annotation, turns: tuple[SpeakerTurn, ...]) -> float:
    """Diarization error rate without collar, overlap included."""
    whole = Timeline([Segment(0, read_sample().size / RATE_HZ)])
    return float(DiarizationErrorRate()(truth, annotation(turns), uem=whole))


def count(diarization: Diarization) -> int:
    return len({turn.speaker for turn in diarization.turns})


def true_words() -> list[tuple[Word, str]]:
    """The sample's words and who said them; times are spread over each utterance's characters."""
    words: list[tuple[Word, str]] = []
    for line in pyannote_sample("stm").read_text().splitlines():
        _file, _channel, speaker, start, end, text = line.split(maxsplit=5)
        tokens = re.sub(r"^<[^>]*>\s*", "", text).split()
        edges_s = np.interp(
            np.cumsum([0, *(len(token) for token in tokens)]),
            [0, sum(len(token) for token in tokens)],
            [float(start), float(end)],
        )
        for token, (start_s, end_s) in zip(tokens, itertools.pairwise(edges_s), strict=True):
            words.append((Word(token, float(start_s), float(end_s), 1.0), speaker))
    return sorted(words, key=lambda pair: pair[0].start_s)


def wrong_words(diarization: Diarization) -> list[str]:
    """The words that have the wrong speaker under the best matching of names."""
    words = true_words()
    labelled = label_words([word for word, _ in words], diarization)
    truth = [speaker for _, speaker in words]
    names = sorted({word.speaker or "" for word in labelled})
    matchings = (
        dict(zip(names, order, strict=False))
        for order in itertools.permutations(sorted(set(truth)) + [""] * len(names), len(names))
    )
    return min(
        (
            [
                f"{word.text} at {word.start_s:.2f} s"
                for word, speaker in zip(labelled, truth, strict=True)
                if matching[word.speaker or ""] != speaker
            ]
            for matching in matchings
        ),
        key=len,
    )


def test_the_error_rate_is_the_models_own(found: Diarization) -> None:
    truth = load_rttm(pyannote_sample("rttm"))["sample"]
    assert error_rate(truth, found.turns) <= MAX_DER
    assert count(found) == 2


def test_the_turns_are_those_that_were_published(found: Diarization) -> None:
    (published,) = load_rttm(RECORDED / "02_pyannote_sample" / "reference.rttm").values()
    assert error_rate(published, found.turns) < 0.005


def test_exclusive_turns_hold_one_speaker_at_a_time(found: Diarization) -> None:
    assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(found.exclusive_turns))
    assert {t.speaker for t in found.exclusive_turns} == {t.speaker for t in found.turns}
    assert len(found.turns) > len(found.exclusive_turns)  # two turns overlap here


@pytest.mark.parametrize("speakers", [1, 2, 3])
def test_the_number_of_speakers_is_obeyed(diarizer: Diarizer, speakers: int) -> None:
    diarization, said = diarizer.diarize(read_sample(), num_speakers=speakers)
    assert count(diarization) == speakers
    assert said == ()


def test_the_bounds_are_obeyed(diarizer: Diarizer) -> None:
    more, said = diarizer.diarize(read_sample(), min_speakers=3)
    assert (count(more), said) == (3, ())
    fewer, said = diarizer.diarize(read_sample(), max_speakers=1)
    assert (count(fewer), said) == (1, ())


def test_a_number_that_cannot_be_reached_is_a_warning(diarizer: Diarizer) -> None:
    diarization, said = diarizer.diarize(read_sample(), num_speakers=6)
    assert count(diarization) < 6
    assert said == (f"num_speakers was 6, but {count(diarization)} speakers were found",)


def test_more_speakers_than_a_short_clip_has_embeddings_are_a_warning(directory: Path) -> None:
    """pyannote raises an error from its clustering here."""
    clip = read_sample()[: 11 * RATE_HZ]
    diarizer = replaying(directory, chunks=2)
    diarization, said = diarizer.diarize(clip, num_speakers=6)
    assert count(diarization) == 2
    assert said == ("num_speakers was 6, but 2 speakers were found",)
    diarization, said = diarizer.diarize(clip, min_speakers=6)
    assert count(diarization) == 2
    assert said == ("min_speakers was 6, but 2 speakers were found",)


def test_words_get_their_speakers(found: Diarization) -> None:
    wrong = wrong_words(found)
    assert len(wrong) / len(true_words()) <= MAX_WDER, wrong


def test_renaming_speakers_changes_no_label(found: Diarization) -> None:
    renamed = rename_by_first_appearance(found)
    assert renamed.turns[0].speaker == "SPEAKER_00"
    assert wrong_words(renamed) == wrong_words(found)
