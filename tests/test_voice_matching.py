"""Names for speakers by how much they are like known voices, and clusters that know voices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.known_clusters import LEAST_S, rearranged, seconds_alone
from engine.speaker_turns import alone, merged
from engine.voice_matching import RULE_FILE, Rule, match
from engine.voice_speech import MOST_S, main_speaker, speech_of, whole_windows
from speech.types import Diarization, SpeakerTurn
from tests.models import RATE_HZ, SPEAKERS_MODEL

RULE = Rule(threshold=0.5, margin=0.1)


def names(*rows: list[float]) -> dict[int, int]:
    return match(np.array(rows), RULE).names


def test_a_speaker_gets_the_name_of_the_voice_that_it_is_most_like() -> None:
    assert names([0.1, 0.9], [0.8, 0.2]) == {0: 1, 1: 0}


def test_a_stranger_is_like_nobody_enough() -> None:
    assert names([0.49, -0.2], [0.51, 0.0]) == {1: 0}
    assert names([float("nan")] * 2) == {}
    assert match(np.zeros((0, 2)), RULE).names == {}


def test_one_name_goes_to_one_speaker_and_the_other_gets_no_second_choice() -> None:
    # An assignment with the greatest sum would call the first one 1 and the second one 0.
    assert names([0.9, 0.7], [0.85, 0.0]) == {0: 0}
    assert names([0.6, 0.0], [0.9, 0.0], [0.8, 0.0]) == {1: 0}


def test_a_speaker_like_a_name_that_is_given_is_that_person_again() -> None:
    found = match(np.array([[0.9, 0.0], [0.7, 0.1], [0.7, 0.65], [0.2, 0.1]]), RULE)
    assert found.names == {0: 0}
    assert found.again == {1: 0}, "the third may be another one"
    assert found.unclear == {}


def test_who_is_like_two_names_gets_neither_and_both_are_told() -> None:
    found = match(np.array([[0.8, 0.3, 0.75]]), RULE)
    assert found.names == {}
    assert found.unclear == {0: (0, 2)}


def test_a_name_that_clearly_is_somebody_elses_is_no_rival() -> None:
    assert names([0.8, 0.75], [0.2, 0.9]) == {0: 0, 1: 1}
    assert names([0.8, 0.75], [0.74, 0.79]) == {}


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=1, max_size=6))
def test_names_are_given_once_to_the_best_whatever_the_order(rows: list[list[float]]) -> None:
    scores = np.array(rows) + np.arange(len(rows) * 3).reshape(-1, 3) * 1e-9  # no ties
    found = match(scores, RULE).names
    assert len(set(found.values())) == len(found)
    for speaker, name in found.items():
        assert scores[speaker, name] == scores[speaker].max() >= RULE.threshold
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    again = match(scores[order], RULE).names
    assert {int(order[speaker]): name for speaker, name in again.items()} == found


def test_the_rule_is_that_of_the_pipelines_directory(tmp_path: Path) -> None:
    assert Rule.of(tmp_path) == Rule()
    (tmp_path / RULE_FILE).write_text(json.dumps({"threshold": 0.7, "margin": 0.2}))
    assert Rule.of(tmp_path) == Rule(0.7, 0.2)
    assert Rule.of(SPEAKERS_MODEL) != Rule(), "the demo's network is another one"


# ---------------------------------------------------------------- whose speech it is


def test_who_speaks_alone() -> None:
    turns = [
        SpeakerTurn("a", 0.0, 4.0),
        SpeakerTurn("b", 3.0, 5.0),
        SpeakerTurn("a", 3.5, 6.0),
        SpeakerTurn("c", 5.2, 5.4),
        SpeakerTurn("a", 6.0, 7.0),
    ]
    found = alone(turns)
    assert found["a"] == [(0.0, 3.0), (5.0, 5.2), (5.4, 6.0), (6.0, 7.0)]
    assert found["b"] == found["c"] == []
    assert alone([]) == {}


def test_the_longest_stretches_are_taken_up_to_a_minute() -> None:
    samples = np.arange(200 * RATE_HZ, dtype=np.float32)
    speech = speech_of(samples, [(0.0, 10.0), (20.0, 50.0), (60.0, 100.0)])
    assert speech.size == MOST_S * RATE_HZ
    assert speech[0] == 60 * RATE_HZ
    assert speech[-1] == 40 * RATE_HZ - 1
    assert speech_of(samples, []).size == 0


@pytest.mark.parametrize(("size", "windows"), [(1, 1), (9, 1), (10, 1), (11, 2), (27, 3)])
def test_speech_fills_whole_windows(size: int, windows: int) -> None:
    speech = np.arange(1, size + 1, dtype=np.float32)
    whole = whole_windows(speech, 10)
    assert whole.size == 10 * windows
    assert whole.all(), "no silence is added"
    assert set(whole) == set(speech), "and nothing is lost"


def test_the_main_speaker_of_each_window() -> None:
    active = np.zeros((2, 4, 3), dtype=np.float32)
    active[0, :3, 1] = active[0, 2:, 0] = 1.0
    active[1, :, 2] = 1.0
    active[1, 0, 2] = np.nan
    own, others = main_speaker(active, 8, 15)
    assert own.tolist() == [True] * 4 + [False] * 6 + [True] * 5
    assert others.tolist() == [False] * 4 + [True] * 4 + [False] * 7


def test_two_speakers_become_one_unless_they_speak_at_once() -> None:
    def found(start_s: float) -> Diarization:
        turns = (SpeakerTurn("a", 0.0, 4.0), SpeakerTurn("b", start_s, start_s + 4.0))
        return Diarization(turns, turns, voiceprints={"a": (1.0,), "b": (0.9,)})

    whole = merged(found(3.8), "b", "a")
    assert {turn.speaker for turn in (*whole.turns, *whole.exclusive_turns)} == {"a"}
    assert [turn.start_s for turn in whole.turns] == [0.0, 3.8]
    assert whole.voiceprints == {"a": (1.0,)}
    assert merged(found(3.0), "b", "a") == found(3.0)


# ---------------------------------------------------------------- clusters that know voices

ANNA, BERT, STRANGER = np.eye(4)[:3]
KNOWN = np.stack([ANNA, BERT])


def clusters_of(*pieces: tuple[int, np.ndarray, float]) -> list[int]:
    """The clusters after one local speaker a chunk, each with its cluster, voice and seconds."""
    found = rearranged(
        np.array([[cluster, -2] for cluster, _, _ in pieces]),
        np.array([[voice, np.full(4, np.nan)] for _, voice, _ in pieces]),
        np.array([[spoken_s, 0.0] for _, _, spoken_s in pieces]),
        KNOWN,
        RULE,
    )
    assert found[:, 1].tolist() == [-2] * len(pieces)
    assert set(found[:, 0]) == set(range(len(set(found[:, 0])))), "numbered without gaps"
    return [int(one) for one in found[:, 0]]


def test_a_known_speaker_who_was_taken_for_two_becomes_one() -> None:
    first, second, third = clusters_of((0, ANNA, 9.0), (1, ANNA, 9.0), (2, STRANGER, 9.0))
    assert first == second != third


def test_a_known_speaker_who_was_thrown_together_with_another_is_found() -> None:
    first, second, third, fourth = clusters_of(
        (0, ANNA, 9.0), (0, BERT, 9.0), (1, STRANGER, 9.0), (0, ANNA, 9.0)
    )
    assert first == fourth
    assert len({first, second, third}) == 3


def test_what_is_no_known_voice_stays_where_it_is() -> None:
    assert clusters_of((0, STRANGER, 9.0), (1, STRANGER, 9.0), (0, -ANNA, 9.0)) == [0, 1, 0]
    between = (ANNA + BERT) / 2
    assert clusters_of((0, STRANGER, 9.0), (1, between, 9.0)) == [0, 1], "it may be either"


def test_the_rest_of_a_cluster_goes_along_with_its_greater_part() -> None:
    unclear = ANNA + 2 * STRANGER
    first, second, third = clusters_of((0, ANNA, 9.0), (0, unclear, 4.0), (1, STRANGER, 9.0))
    assert first == second != third


def test_a_few_words_are_no_speaker() -> None:
    little = LEAST_S / 3
    assert clusters_of((0, STRANGER, 90.0), (0, ANNA, little)) == [0, 0]


def test_two_who_speak_in_one_chunk_do_not_get_one_name() -> None:
    found = rearranged(
        np.array([[0, 1], [0, 1]]),
        np.array([[ANNA, ANNA + 0.8 * STRANGER]] * 2),
        np.full((2, 2), 9.0),
        KNOWN,
        RULE,
    )
    assert np.all(found[:, 0] != found[:, 1])


def test_seconds_alone_leave_overlap_and_nan_out() -> None:
    active = np.zeros((1, 10, 2))
    active[0, :6, 0] = active[0, 4:, 1] = 1.0
    active[0, 0, 0] = np.nan
    assert seconds_alone(active, 5.0).tolist() == [[1.5, 2.0]]
