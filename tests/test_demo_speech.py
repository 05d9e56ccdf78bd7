"""The demonstration model on sentences and in voices that it was not trained on."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from nemo.collections.asr.models import ASRModel

from engine.attention import Reach
from engine.parakeet import Parakeet
from speech.types import Transcript
from tests.spoken import spoken
from training.espeak import Utterance
from training.grammar import LEXICON
from training.speech_data import is_for_evaluation, text_for
from training.speech_evaluate import Measures, measure, padded, recording, transcribe
from training.speech_scoring import word_error_rate
from training.voices import HELD_OUT, SEEN

_MODEL = Path(__file__).parents[1] / "demo" / "models" / "speech.nemo"
_COUNT = 200
_LARGEST_BYTES = 6_000_000


@pytest.fixture(scope="module")
def both() -> tuple[list[Utterance], list[Utterance]]:
    return spoken(_COUNT)


@pytest.fixture(scope="module")
def model() -> Iterator[Parakeet]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Parakeet.load(_MODEL, "cpu")
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def held_out(both: tuple[list[Utterance], list[Utterance]]) -> list[Utterance]:
    return both[0]


@pytest.fixture(scope="module")
def seen(both: tuple[list[Utterance], list[Utterance]]) -> list[Utterance]:
    return both[1]


def _heard(model: Parakeet, spoken: list[Utterance]) -> list[Transcript]:
    return transcribe(model, [padded(item) for item in spoken])


@pytest.fixture(scope="module")
def held_out_measures(model: Parakeet, held_out: list[Utterance]) -> Measures:
    return measure(held_out, _heard(model, held_out))


@pytest.fixture(scope="module")
def seen_measures(model: Parakeet, seen: list[Utterance]) -> Measures:
    return measure(seen, _heard(model, seen))


@pytest.fixture(scope="module")
def restored() -> Any:
    """The file as NeMo itself restores it."""
    return ASRModel.restore_from(str(_MODEL), map_location="cpu")


def test_file_is_small_and_names_no_folder_of_the_machine(restored: Any) -> None:
    assert _MODEL.stat().st_size <= _LARGEST_BYTES
    assert restored.cfg.tokenizer.dir == "tokenizer"


def test_layout_is_parakeets(restored: Any) -> None:
    encoder = restored.cfg.encoder
    assert (encoder.subsampling, encoder.subsampling_factor) == ("dw_striding", 8)
    assert (encoder.use_bias, encoder.xscaling, encoder.untie_biases) == (False, False, True)
    assert encoder.self_attention_model == "rel_pos"
    assert list(restored.cfg.decoding.durations) == [0, 1, 2, 3, 4]
    assert "encoder.layers.0.self_attn.linear_q.bias" not in restored.state_dict()


def test_words_in_held_out_voices(held_out_measures: Measures) -> None:
    assert held_out_measures.raw_wer <= 1.0
    assert held_out_measures.plain_wer <= 1.0


def test_words_in_seen_voices(seen_measures: Measures) -> None:
    assert seen_measures.raw_wer <= 0.5
    assert seen_measures.plain_wer <= 0.5


@pytest.mark.parametrize("kind", ["held_out", "seen"])
def test_word_times(kind: str, request: pytest.FixtureRequest) -> None:
    found: Measures = request.getfixturevalue(f"{kind}_measures")
    assert found.timed_words > 5 * _COUNT * 0.8
    assert found.start.mean_s <= 0.035
    assert found.start.p95_s <= 0.080
    assert found.end.mean_s <= 0.060
    assert found.end.p95_s <= 0.150


def test_local_attention_hears_the_same(
    model: Parakeet, held_out: list[Utterance], seen: list[Utterance]
) -> None:
    audio = [padded(item) for item in held_out[:10] + seen[:10]]
    full = [item.text for item in transcribe(model, audio, "full")]
    assert [item.text for item in transcribe(model, audio, "local")] == full
    assert [item.text for item in transcribe(model, audio, "full")] == full


@pytest.mark.parametrize("attention", ["full", "local"])
def test_a_long_recording(model: Parakeet, held_out: list[Utterance], attention: Reach) -> None:
    audio, text = recording(held_out, 180)
    assert word_error_rate([text], [model.transcribe(audio, attention).text]) <= 2.0


def test_training_never_speaks_the_sentences_and_voices_of_the_evaluation() -> None:
    rng = random.Random(3)
    trained = {text_for(rng, evaluation=False) for _ in range(3000)}
    evaluated = {text_for(rng, evaluation=True) for _ in range(300)}
    assert not trained & evaluated
    sentences = {sentence for text in trained for sentence in re.split(r"(?<=[.?]) ", text)}
    assert not any(is_for_evaluation(sentence) for sentence in sentences)
    assert not set(SEEN) & set(HELD_OUT)
    spoken = {word.rstrip(".,?").lower() for text in trained for word in text.split()}
    assert spoken == {word.lower() for word in LEXICON}


def test_the_synthesiser_times_every_word(held_out: list[Utterance]) -> None:
    for said in held_out:
        assert " ".join(word.text for word in said.words) == said.text
        times = [time for word in said.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert all(word.start_s < word.end_s for word in said.words)
        assert times[-1] <= len(said.audio) / 16_000
