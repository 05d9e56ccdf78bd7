"""Which keys of an answer are returned."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapes.answer import shape
from speech import selection
from speech.request import Shape
from tests.small_result import RESULT
from tests.test_envelope_schema import paths
from tests.test_shapes_examples import of_channels, without_speakers

NAMES = ("a", "b", "c", "success")
PEERS = tuple(name for name in get_args(Shape) if name != "default")
leaves = st.none() | st.integers(0, 3) | st.sampled_from(("", "text"))
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=12,
)
answers = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
path_lists = st.lists(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(".".join), max_size=4
)


def leaves_of(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Everything that is no container, with the keys that lead to it; lists have none."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves_of(item, (*at, key))
    elif isinstance(value, list):
        for item in value:
            yield from leaves_of(item, at)
    else:
        yield at, value


def covered(at: tuple[str, ...], chosen: Sequence[str]) -> bool:
    """Whether a path leads to this, or to something that holds it."""
    return any(at[: path.count(".") + 1] == tuple(path.split(".")) for path in chosen)


def ends_early(at: tuple[str, ...], chosen: Sequence[str]) -> bool:
    """Whether a path leads further than there is anything: null, say, where others have a key."""
    return any(tuple(path.split("."))[: len(at)] == at for path in chosen)


@given(answers, path_lists, path_lists)
def test_what_is_left(
    answer: dict[str, object], include: Sequence[str], exclude: Sequence[str]
) -> None:
    before = copy.deepcopy(answer)
    selected = selection.select(answer, include, exclude)
    assert answer == before, "it must not be changed"
    kept = [*include, "success"]
    dropped = [path for path in exclude if path != "success"]
    wanted = [
        leaf
        for leaf in leaves_of(answer)
        if (not include or covered(leaf[0], kept) or ends_early(leaf[0], kept))
        and not covered(leaf[0], dropped)
    ]
    assert list(leaves_of(selected)) == wanted


@given(answers)
def test_nothing_asked_for_is_everything(answer: dict[str, object]) -> None:
    assert selection.select(answer, [], []) == answer


def test_an_answer() -> None:
    answer: dict[str, object] = {
        "success": True,
        "text": "Hi.",
        "timestamps": {
            "word": [{"word": "Hi.", "start": 0.0, "end": 0.5}],
            "segment": [{"text": "Hi."}],
        },
        "coverage": None,
    }
    assert selection.select(answer, ["text"], []) == {"success": True, "text": "Hi."}
    assert selection.select(answer, ["timestamps.word"], ["timestamps.word.end"]) == {
        "success": True,
        "timestamps": {"word": [{"word": "Hi.", "start": 0.0}]},
    }
    assert selection.select(answer, ["coverage.gaps"], []) == {"success": True, "coverage": None}
    assert selection.select(answer, [], ["success", "text", "timestamps", "coverage"]) == {
        "success": True
    }


@pytest.mark.parametrize(
    ("paths_", "shape_", "unknown"),
    [
        (["text", "timestamps.word", "speakers", "plan.reason"], "default", None),
        (["timings.decode", "models.asr", "scores.words.wer", "formats.srt"], "default", None),
        (["text", "segments"], "default", "segments"),
        (["timestamps.words"], "default", "timestamps.words"),
        (["text.length"], "default", "text.length"),
        (["formats.doc"], "default", "formats.doc"),
        (["segments.words", "word_segments.score"], "whisperx", None),
        (["timestamps"], "whisperx", "timestamps"),
        (["results.utterances.words.speaker", "formats", "warnings"], "deepgram", None),
        (["success"], "text", "success"),
        ([], "text", None),
    ],
)
def test_names_are_checked(paths_: list[str], shape_: Shape, unknown: str | None) -> None:
    assert selection.unknown(paths_, shape_) == unknown


@pytest.mark.parametrize("name", get_args(Shape))
def test_every_known_path_is_known(name: Shape) -> None:
    known = selection.known_paths(name)
    assert len(set(known)) == len(known) > 0
    assert selection.unknown(known, name) is None


@pytest.mark.parametrize("name", PEERS)
def test_the_table_has_what_the_shapes_have(name: Shape) -> None:
    results = (replace(RESULT, warnings=("Loud.",)), of_channels(), without_speakers())
    used = {path for result in results for path in paths(shape(result, name, "job"))}
    assert selection.unknown(sorted(used), name) is None
    beside = ("formats", "output")
    table = {path for path in selection.known_paths(name) if not path.startswith(beside)}
    assert table <= used, "the table has a key that no answer has"
