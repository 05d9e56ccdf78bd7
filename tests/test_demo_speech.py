"""The demonstration model on sentences and in voices that it was not trained on."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from training.espeak import Espeak, Utterance
from training.grammar import LEXICON
from training.speech_data import evaluation_set, is_for_evaluation, text_for
from training.speech_evaluate import (
    Measures,
    change_attention,
    load,
    measure,
    padded,
    recording,
    transcribe,
)
from training.speech_scoring import word_error_rate
from training.voices import HELD_OUT, SEEN

_MODEL = Path(__file__).parents[1] / "demo" / "models" / "speech.nemo"
_COUNT = 40
_LARGEST_BYTES = 6_000_000


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak()


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load(_MODEL)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def held_out(espeak: Espeak) -> list[Utterance]:
    return evaluation_set(espeak, 201, _COUNT, held_out=True)


@pytest.fixture(scope="module")
def seen(espeak: Espeak) -> list[Utterance]:
    return evaluation_set(espeak, 202, _COUNT, held_out=False)


def _heard(model: Any, spoken: list[Utterance]) -> list[Any]:
    return transcribe(model, [padded(item) for item in spoken])


@pytest.fixture(scope="module")
def held_out_measures(model: Any, held_out: list[Utterance]) -> Measures:
    return measure(held_out, _heard(model, held_out))


@pytest.fixture(scope="module")
def seen_measures(model: Any, seen: list[Utterance]) -> Measures:
    return measure(seen, _heard(model, seen))


def test_file_is_small_and_names_no_folder_of_the_machine(model: Any) -> None:
    assert _MODEL.stat().st_size <= _LARGEST_BYTES
    assert model.cfg.tokenizer.dir == "tokenizer"


def test_layout_is_parakeets(model: Any) -> None:
    encoder = model.cfg.encoder
    assert (encoder.subsampling, encoder.subsampling_factor) == ("dw_striding", 8)
    assert (encoder.use_bias, encoder.xscaling, encoder.untie_biases) == (False, False, True)
    assert encoder.self_attention_model == "rel_pos"
    assert list(model.cfg.decoding.durations) == [0, 1, 2, 3, 4]
    assert "encoder.layers.0.self_attn.linear_q.bias" not in model.state_dict()


def test_words_in_held_out_voices(held_out_measures: Measures) -> None:
    # Reached: 3.8 and 3.2 % on these 40, 1.4 and 1.3 % on 150 others. Aimed at: 1 %.
    assert held_out_measures.raw_wer <= 4.0
    assert held_out_measures.plain_wer <= 3.5


def test_words_in_seen_voices(seen_measures: Measures) -> None:
    # Reached: 0.8 % on these 40, 1.5 % on 150 others. Aimed at: 0.5 %.
    assert seen_measures.raw_wer <= 1.0
    assert seen_measures.plain_wer <= 1.0


@pytest.mark.parametrize("kind", ["held_out", "seen"])
def test_word_times(kind: str, request: pytest.FixtureRequest) -> None:
    found: Measures = request.getfixturevalue(f"{kind}_measures")
    assert found.timed_words > 5 * _COUNT * 0.8
    assert found.start.mean_s <= 0.035
    assert found.start.p95_s <= 0.080
    assert found.end.mean_s <= 0.060
    assert found.end.p95_s <= 0.190  # reached: 0.153 and 0.184; aimed at: 0.150


def test_words_follow_one_another_within_the_recording(
    model: Any, held_out: list[Utterance]
) -> None:
    for spoken, hypothesis in zip(held_out, _heard(model, held_out), strict=True):
        words = hypothesis.timestamp["word"]
        starts = [word["start"] for word in words]
        assert starts == sorted(starts)
        assert all(word["start"] <= word["end"] for word in words)
        assert words[-1]["end"] <= len(padded(spoken)) / 16_000 + 0.08


def test_local_attention_hears_the_same(
    model: Any, held_out: list[Utterance], seen: list[Utterance]
) -> None:
    spoken = held_out[:10] + seen[:10]
    full = [item.text for item in _heard(model, spoken)]
    change_attention(model, "rel_pos_local_attn", (256, 256))
    local = [item.text for item in _heard(model, spoken)]
    change_attention(model, "rel_pos", (-1, -1))
    back = [item.text for item in _heard(model, spoken)]
    assert local == full
    assert back == full


@pytest.mark.parametrize(
    ("kind", "context"), [("rel_pos", (-1, -1)), ("rel_pos_local_attn", (256, 256))]
)
def test_a_long_recording(
    model: Any, held_out: list[Utterance], kind: str, context: tuple[int, int]
) -> None:
    audio, text = recording(held_out, 180)
    change_attention(model, kind, context)
    found = transcribe(model, [audio])[0].text
    change_attention(model, "rel_pos", (-1, -1))
    assert word_error_rate([text], [found]) <= 3.0


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
    for spoken in held_out:
        assert " ".join(word.text for word in spoken.words) == spoken.text
        times = [time for word in spoken.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert all(word.start_s < word.end_s for word in spoken.words)
        assert times[-1] <= len(spoken.audio) / 16_000
