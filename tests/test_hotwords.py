"""Hotwords: NeMo's scores, NeMo's search, what they mend, and whom they leave alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import fast_model, nemo_weights
from engine.fast_model import FastModel
from engine.hotwords import FIRST_SCORE, NEXT_SCORE, WEIGHT, Hotwords, Speller, written
from engine.nemo_model import NemoModel
from engine.parakeet import Parakeet, Samples
from engine.tdt import Emission, decode
from speech.errors import EngineError
from tests.models import RATE_HZ, read_conversation, restore_demo
from training.espeak import Espeak, Utterance
from training.grammar import LEXICON
from training.speech_data import evaluation_set
from training.speech_evaluate import padded
from training.speech_scoring import edit_distance, plain

VOCABULARY = 12
CPU = torch.device("cpu")
SENTENCES = 100
NOISE_DB = 4.0
"""Below the speech; at this the demo model mistakes a quarter of the words."""

spelled = st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=5), min_size=1)


@pytest.fixture(scope="module")
def demo() -> NemoModel:
    return NemoModel(restore_demo())


@pytest.fixture(scope="module")
def fast(demo: NemoModel) -> FastModel:
    shape = nemo_weights.shape_of(demo.model.cfg)
    model = fast_model.build(shape, nemo_weights.weights_of(demo.model.state_dict(), shape))
    model.pieces, model.tokenizer = tuple(demo.pieces), demo.tokenizer
    return model


@pytest.fixture(scope="module")
def parakeet(fast: FastModel, tmp_path_factory: pytest.TempPathFactory) -> Parakeet:
    """From its checkpoint, as it is served."""
    folder = tmp_path_factory.mktemp("fast")
    fast_model.save(folder, fast, torch.float32)
    return Parakeet.load(folder, "cpu")


@pytest.fixture(scope="module")
def spoken() -> list[Utterance]:
    """In voices and of sentences that the model was not trained on."""
    return evaluation_set(Espeak(), 7, SENTENCES, held_out=True)


@pytest.fixture(scope="module")
def recordings(spoken: list[Utterance]) -> list[Samples]:
    """The sentences in noise."""
    noisy: list[Samples] = []
    for seed, audio in enumerate(map(padded, spoken)):
        noise = np.random.default_rng(seed).standard_normal(audio.size)
        level = audio.std() * 10 ** (-NOISE_DB / 20)
        noisy.append((audio + level * noise).astype(np.float32))
    return noisy


@pytest.fixture(scope="module")
def without(parakeet: Parakeet, recordings: list[Samples]) -> list[str]:
    return heard(parakeet, recordings, [()] * len(recordings))


@pytest.fixture(scope="module")
def missed(spoken: list[Utterance], without: list[str]) -> dict[int, tuple[str, ...]]:
    """By the sentence: the words that were lost."""
    return {i: words for i, text in enumerate(without) if (words := lost(spoken[i], text))}


@pytest.fixture(scope="module")
def having(
    parakeet: Parakeet, recordings: list[Samples], missed: dict[int, tuple[str, ...]]
) -> dict[int, str]:
    """What is heard of these sentences with their lost words for hotwords."""
    texts = heard(parakeet, [recordings[i] for i in missed], list(missed.values()))
    return dict(zip(missed, texts, strict=True))


@pytest.fixture(scope="module")
def changed(having: dict[int, str], without: list[str]) -> list[int]:
    """The sentences that hotwords change."""
    found = [i for i, text in having.items() if text != without[i]]
    assert len(found) > 3
    return found


def heard(
    parakeet: Parakeet, recordings: Sequence[Samples], hotwords: Sequence[Sequence[str]]
) -> list[str]:
    """The text of each, ten at a time."""
    texts: list[str] = []
    for begin in range(0, len(recordings), 10):
        part = slice(begin, begin + 10)
        found = parakeet.transcribe_all(recordings[part], "full", hotwords[part])
        texts += [transcript.text for transcript in found]
    return texts


def facts(emissions: list[Emission]) -> list[tuple[int, int, int]]:
    return [(e.token, e.frame, e.frames) for e in emissions]


def lost(utterance: Utterance, text: str) -> tuple[str, ...]:
    """The longer words of the sentence, as they are written there, that are not in the text."""
    words = [word.strip(".,?") for word in utterance.text.split()]
    found = plain(text).split()
    return tuple(word for word in words if len(word) > 3 and plain(word) not in found)


def errors(spoken: list[Utterance], texts: list[str]) -> int:
    return sum(
        edit_distance(plain(utterance.text).split(), plain(text).split())
        for utterance, text in zip(spoken, texts, strict=True)
    )


@settings(max_examples=20, deadline=None)
@given(spellings=spelled, said=st.lists(st.integers(0, VOCABULARY - 1), max_size=20))
def test_the_scores_are_nemos(spellings: list[list[int]], said: list[int]) -> None:
    from nemo.collections.asr.parts.context_biasing.boosting_graph_batched import (
        GPUBoostingTreeModel,
    )
    from nemo.collections.asr.parts.context_biasing.context_graph_universal import ContextGraph

    graph = ContextGraph(context_score=FIRST_SCORE, depth_scaling=NEXT_SCORE / FIRST_SCORE)
    graph.build(token_ids=spellings)
    theirs = GPUBoostingTreeModel.from_context_graph(
        graph, VOCABULARY, use_triton=False, uniform_weights=False
    )
    ours = Hotwords(spellings, VOCABULARY, CPU)
    state, states = 0, theirs.get_init_states(batch_size=1, bos=True)
    for token in [*said, 0]:
        scores, following = theirs.advance(states)
        assert ours.bonus(state) == pytest.approx(WEIGHT * scores[0].detach().numpy(), abs=1e-5)
        state, states = ours.after(state, token), following[:, token]


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    rows=st.lists(st.integers(1, 30), min_size=2, max_size=4),
    words=st.lists(st.sampled_from(LEXICON), min_size=1, max_size=30, unique=True),
)
def test_the_search_is_nemos_on_anything(
    seed: int, rows: list[int], words: list[str], demo: NemoModel, fast: FastModel
) -> None:
    """Random frames; every other recording has hotwords, each its own, and some the same."""
    generator = torch.Generator().manual_seed(seed)
    frames = 3 * torch.randn(len(rows), max(rows), 96, generator=generator)
    chosen = [words[i // 4 :] if i % 2 else () for i in range(len(rows))]
    with torch.inference_mode():
        ours = decode(fast.transducer, frames, torch.tensor(rows), fast.listening(chosen))
        for found, row, length, phrases in zip(ours, frames, rows, chosen, strict=True):
            expected = demo.search(row[None, :length].mT, length, phrases)
            assert facts(found) == facts(expected)


def test_what_is_heard_with_them_is_what_nemo_hears(
    demo: NemoModel,
    fast: FastModel,
    recordings: list[Samples],
    missed: dict[int, tuple[str, ...]],
    changed: list[int],
) -> None:
    chosen = changed[:4]
    batch = torch.zeros(4, max(recordings[i].size for i in chosen))
    for row, i in zip(batch, chosen, strict=True):
        row[: recordings[i].size] = torch.from_numpy(recordings[i])
    lengths = torch.tensor([recordings[i].size for i in chosen])
    hotwords = [*(missed[i] for i in chosen[:3]), ()]
    theirs = demo.hear(batch, lengths, "full", hotwords)
    ours = fast.hear(batch, lengths, "full", hotwords)
    assert [facts(one) for one in ours] == [facts(one) for one in theirs]
    assert [facts(one) for one in ours] != [facts(one) for one in fast.hear(batch, lengths, "full")]


def test_they_are_spelled_as_nemo_spells_them(demo: NemoModel) -> None:
    speller = Speller(demo.tokenizer)
    assert not speller.spelled("Kubernetes"), "no piece has its K"
    phrases = ["the quarterly  report", "Anna, Peter", *LEXICON]
    assert [speller.spelled(phrase) for phrase in phrases] == [
        demo.model.tokenizer.text_to_ids(phrase) for phrase in phrases
    ]


@pytest.mark.parametrize(
    ("phrase", "ways"),
    [
        ("budget", {"budget", "Budget"}),
        ("Anna Lang", {"Anna Lang", "anna Lang"}),
        ("NASA budget", {"NASA budget"}),
        ("iPhone", {"iPhone"}),
        ("5G", {"5G"}),
        ("élan vital", {"élan vital", "Élan vital"}),
        ("x", {"x", "X"}),
    ],
)
def test_a_phrase_may_begin_a_sentence(phrase: str, ways: set[str]) -> None:
    found = written([phrase, phrase])
    assert len(found) == len(set(found))
    assert set(found) == ways


def test_a_phrase_that_the_model_cannot_write_changes_nothing(
    parakeet: Parakeet, demo: NemoModel, recordings: list[Samples], without: list[str]
) -> None:
    strange = ("日本語", "βήτα")
    assert not Speller(demo.tokenizer).spellings(strange)
    assert heard(parakeet, recordings[:3], [strange] * 3) == without[:3]
    assert heard(Parakeet(demo), recordings[:3], [strange] * 3) == without[:3]


def test_words_that_are_misheard_are_heard(
    spoken: list[Utterance],
    without: list[str],
    missed: dict[int, tuple[str, ...]],
    having: dict[int, str],
) -> None:
    """In noise; the hotwords of a sentence are the words that were lost."""
    found = [
        word
        for i, words in missed.items()
        for word in words
        if plain(word) in plain(having[i]).split()
    ]
    assert len(found) >= 3
    sentences = [spoken[i] for i in missed]
    before = [without[i] for i in missed]
    assert errors(sentences, list(having.values())) < errors(sentences, before)
    mended = [i for i, text in having.items() if plain(text) == plain(spoken[i].text)]
    assert mended, "a sentence that is wrong without and right with"


def test_words_that_nobody_says_are_not_put_in(parakeet: Parakeet, spoken: list[Utterance]) -> None:
    rng = random.Random(0)
    said = [plain(utterance.text).split() for utterance in spoken[:30]]
    hotwords = [
        tuple(rng.sample([w for w in LEXICON if len(w) > 3 and plain(w) not in words], 20))
        for words in said
    ]
    clean = [padded(utterance) for utterance in spoken[:30]]
    texts = heard(parakeet, clean, hotwords)
    put_in = [
        word
        for phrases, text in zip(hotwords, texts, strict=True)
        for word in phrases
        if plain(word) in plain(text).split()
    ]
    assert len(put_in) <= 1
    assert errors(spoken[:30], texts) <= errors(spoken[:30], heard(parakeet, clean, [()] * 30)) + 4


def test_each_of_a_batch_has_its_own(
    parakeet: Parakeet,
    recordings: list[Samples],
    missed: dict[int, tuple[str, ...]],
    changed: list[int],
) -> None:
    """And those without any are heard as without."""
    several = [*changed[:4], *range(4)]
    clips = [recordings[i] for i in several]
    some = [missed[i] for i in changed[:4]] + [()] * 4
    together = parakeet.transcribe_all(clips, "full", some)
    plainly = parakeet.transcribe_all(clips, "full")
    assert parakeet.transcribe_all(clips, "full", [()] * 8) == plainly
    assert [t.text for t in together[4:]] == [t.text for t in plainly[4:]]
    assert [t.text for t in together[:4]] != [t.text for t in plainly[:4]]
    for clip, phrases, transcript in zip(clips, some, together, strict=True):
        (alone,) = parakeet.transcribe_all([clip], "full", [phrases])
        assert [(w.text, w.start_s, w.end_s) for w in transcript.words] == [
            (w.text, w.start_s, w.end_s) for w in alone.words
        ]
        assert [w.confidence for w in transcript.words] == pytest.approx(
            [w.confidence for w in alone.words], abs=1e-3
        )


def test_an_empty_recording_keeps_the_others_in_step(
    parakeet: Parakeet, recordings: list[Samples], spoken: list[Utterance]
) -> None:
    own = tuple(spoken[1].text.split())
    (alone,) = parakeet.transcribe_all([recordings[1]], "full", [own])
    empty = np.zeros(0, dtype=np.float32)
    nothing, same = parakeet.transcribe_all([empty, recordings[1]], "full", [("Anna",), own])
    assert not nothing.words
    assert same.text == alone.text


def test_where_graphs_are_used_those_without_go_apart(fast: FastModel) -> None:
    """The captured steps fail here, where there is no GPU: what comes of it stays the same."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    speech = read_conversation()
    clips = [speech[i * RATE_HZ : (i + 6) * RATE_HZ] for i in (0, 6, 12)]
    samples, lengths = torch.from_numpy(np.stack(clips)), torch.tensor([c.size for c in clips])
    hotwords = [(), ("Helena",), ()]
    expected = fast.hear(samples, lengths, "full", hotwords)
    fast.search.uses_graphs = True
    found = fast.hear(samples, lengths, "full", hotwords)
    assert [facts(one) for one in found] == [facts(one) for one in expected]
    assert not fast.search.uses_graphs


def test_a_checkpoint_without_a_tokenizer_is_of_another_release(
    fast: FastModel, tmp_path: Path
) -> None:
    fast_model.save(tmp_path, fast, torch.float32)
    (tmp_path / fast_model.TOKENIZER).unlink()
    with pytest.raises(EngineError, match="no fast checkpoint"):
        Parakeet.load(tmp_path, "cpu")
