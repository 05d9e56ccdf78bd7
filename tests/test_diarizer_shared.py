"""Recordings that share passes: each has the answer it would have alone, and its own fate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from engine.diarizer import Diarizer, Recording
from engine.recorded import Samples
from engine.shared_passes import choose_sizes, sizes_within
from speech.errors import EngineError
from speech.types import Diarization, Progress
from tests.models import RATE_HZ, SPEAKERS_MODEL, noise, read_conversation, silence
from tests.speaker_pipelines import load_pipeline, speech_with_a_pause, stock_diarization

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer.load(SPEAKERS_MODEL, "cpu")


@pytest.fixture(scope="module")
def conversation() -> Samples:
    return read_conversation()


@pytest.fixture(scope="module")
def clips(conversation: Samples) -> list[Samples]:
    """Of many lengths, in no order."""
    lengths_s = (14.0, 2.5, 31.3, 10.0, 0.01, 19.9)
    begins_s = (0, 5, 3, 22, 7, 12)
    return [
        conversation[begin * RATE_HZ : begin * RATE_HZ + round(length * RATE_HZ)]
        for begin, length in zip(begins_s, lengths_s, strict=True)
    ]


def answers(diarizer: Diarizer, recordings: list[Recording]) -> list[Diarization]:
    """The diarizations; fails where one is an error."""
    found = []
    for outcome in diarizer.diarize_all(recordings):
        assert not isinstance(outcome, Exception), outcome
        found.append(outcome[0])
    return found


def spoil(diarizer: Diarizer, reject: Callable[[torch.Tensor], Exception | None]) -> Any:
    """Let the segmentation network raise on some batches of (chunks, 1, samples)."""

    def look(_network: Any, inputs: tuple[torch.Tensor]) -> None:
        error = reject(inputs[0])
        if error:
            raise error

    return diarizer._pipeline._segmentation.model.register_forward_pre_hook(look)


@pytest.mark.parametrize("arithmetic", ["exact", None])
def test_the_turns_are_those_of_each_alone(clips: list[Samples], arithmetic: Any) -> None:
    diarizer = Diarizer.load(SPEAKERS_MODEL, "cpu", arithmetic)
    together = answers(diarizer, [Recording(clip) for clip in clips])
    assert together == [diarizer.diarize(clip)[0] for clip in clips]
    assert sum(len(found.turns) > 2 for found in together) >= 4


def test_the_turns_are_those_of_pyannote(clips: list[Samples]) -> None:
    pipeline = load_pipeline()
    diarizer = Diarizer(load_pipeline(), "exact")
    samples = [*clips, speech_with_a_pause(), silence(12.0), noise(3.0)]
    together = answers(diarizer, [Recording(one) for one in samples])
    assert together == [stock_diarization(pipeline, one) for one in samples]
    counted = answers(diarizer, [Recording(one, num_speakers=2) for one in samples[:3]])
    assert counted[2] == stock_diarization(pipeline, samples[2], num_speakers=2)


def test_short_recordings_share_their_passes(conversation: Samples) -> None:
    diarizer = Diarizer.load(SPEAKERS_MODEL, "cpu", "exact")
    pipeline = diarizer._pipeline
    batches: dict[str, list[int]] = {"segmentation": [], "embeddings": []}
    hooks = [
        network.register_forward_pre_hook(
            lambda _network, inputs, name=name: batches[name].append(len(inputs[0]))
        )
        for name, network in (
            ("segmentation", pipeline._segmentation.model),
            ("embeddings", pipeline._embedding.model_.resnet.conv1),
        )
    ]
    clips = [conversation[at * RATE_HZ : (at + 5) * RATE_HZ] for at in range(1, 13)]
    answers(diarizer, [Recording(clip) for clip in clips])
    for hook in hooks:
        hook.remove()
    sizes = choose_sizes(CPU)
    assert batches["segmentation"] == [sizes.segmented] * (12 // sizes.segmented)
    assert batches["embeddings"] == [sizes.embedded] * (12 // sizes.embedded)


def test_options_and_warnings_are_each_recordings_own(
    diarizer: Diarizer, clips: list[Samples]
) -> None:
    one, many, none = diarizer.diarize_all(
        [
            Recording(clips[2], num_speakers=1),
            Recording(clips[3], num_speakers=7),
            Recording(silence(0), min_speakers=2),
        ]
    )
    assert not isinstance(one, Exception)
    assert len({turn.speaker for turn in one[0].turns}) == 1
    assert one[1] == ()
    assert not isinstance(many, Exception)
    assert many[1][0].startswith("num_speakers was 7, but ")
    assert none == (
        Diarization(turns=(), exclusive_turns=()),
        ("min_speakers was 2, but 0 speakers were found",),
    )


def test_no_recordings_have_no_answers(diarizer: Diarizer) -> None:
    assert diarizer.diarize_all([]) == []


def test_each_recordings_progress_rises_to_the_end(
    diarizer: Diarizer, clips: list[Samples]
) -> None:
    said: list[list[float]] = [[] for _ in clips]
    threads = set()

    def report_of(index: int) -> Callable[[Progress], None]:
        def report(progress: Progress) -> None:
            assert progress.stage == "diarize"
            assert progress.fraction is not None
            said[index].append(progress.fraction)
            threads.add(threading.current_thread())

        return report

    recordings = [Recording(clip, report=report_of(i)) for i, clip in enumerate(clips)]
    answers(diarizer, recordings)
    for fractions in said:
        assert fractions == sorted(fractions)
        assert 0 <= fractions[0] < 0.1
        assert fractions[-1] == 1.0
    assert len(set(said[2])) > 5
    assert threads == {threading.current_thread()}


class _CancelledError(Exception):
    pass


@pytest.mark.parametrize("at_call", [1, 2, 6, 12])
def test_one_that_is_cancelled_leaves_the_others_alone(
    diarizer: Diarizer, clips: list[Samples], at_call: int
) -> None:
    calls: list[Progress] = []

    def report(progress: Progress) -> None:
        calls.append(progress)
        if len(calls) == at_call:
            raise _CancelledError

    recordings = [Recording(clip) for clip in clips]
    recordings[2] = Recording(clips[2], report=report)
    outcomes = diarizer.diarize_all(recordings)
    assert isinstance(outcomes[2], _CancelledError)
    assert len(calls) == at_call
    others = [index for index in range(len(clips)) if index != 2]
    assert [outcomes[i] for i in others] == [diarizer.diarize(clips[i]) for i in others]


def test_the_rest_of_a_cancelled_recording_is_dropped(conversation: Samples) -> None:
    diarizer = Diarizer.load(SPEAKERS_MODEL, "cpu")
    heard: list[int] = []

    def count(waveforms: torch.Tensor) -> None:
        heard.append(len(waveforms))

    def report(progress: Progress) -> None:
        if progress.fraction:
            raise _CancelledError

    hook = spoil(diarizer, count)
    long, short = np.tile(conversation, 3), conversation[: 10 * RATE_HZ]
    cancelled, answered = diarizer.diarize_all([Recording(long, report=report), Recording(short)])
    hook.remove()
    assert isinstance(cancelled, _CancelledError)
    assert not isinstance(answered, Exception)
    # What was under way at the time is finished: one pass for each core.
    assert sum(heard) <= 1 + (1 + 2 * torch.get_num_threads()) * choose_sizes(CPU).segmented


def test_one_that_the_network_cannot_bear_leaves_the_others_alone(clips: list[Samples]) -> None:
    diarizer = Diarizer.load(SPEAKERS_MODEL, "cpu")
    alone = [diarizer.diarize(clip) for clip in clips]
    bad = clips[3].copy()
    bad[1000] = 0.987654

    def reject(waveforms: torch.Tensor) -> Exception | None:
        found = bool((waveforms == 0.987654).any())
        return RuntimeError("an odd recording") if found else None

    hook = spoil(diarizer, reject)
    outcomes = diarizer.diarize_all(
        [Recording(bad if index == 3 else clip) for index, clip in enumerate(clips)]
    )
    with pytest.raises(RuntimeError, match="an odd recording"):
        diarizer.diarize(bad)
    hook.remove()
    assert isinstance(outcomes[3], RuntimeError)
    assert [o for i, o in enumerate(outcomes) if i != 3] == [
        o for i, o in enumerate(alone) if i != 3
    ]


def test_samples_of_another_form_are_that_recordings_error(
    diarizer: Diarizer, clips: list[Samples]
) -> None:
    stereo: Any = np.zeros((2, 100), dtype=np.float32)
    bad, good = diarizer.diarize_all([Recording(stereo), Recording(clips[0])])
    assert isinstance(bad, Exception)
    assert good == diarizer.diarize(clips[0])


def test_too_large_a_pass_is_divided_until_it_fits(clips: list[Samples]) -> None:
    diarizer = Diarizer.load(SPEAKERS_MODEL, "cpu")
    alone = [diarizer.diarize(clip) for clip in clips]
    passed: list[int] = []
    refused: list[int] = []

    def reject(waveforms: torch.Tensor) -> Exception | None:
        if len(waveforms) > 2:
            refused.append(len(waveforms))
            return torch.OutOfMemoryError("CUDA out of memory")
        passed.append(len(waveforms))
        return None

    hook = spoil(diarizer, reject)
    outcomes = diarizer.diarize_all([Recording(clip) for clip in clips])
    hook.remove()
    assert outcomes == alone
    assert refused
    assert len(refused) <= 2 * torch.get_num_threads()  # what did not fit is not tried again
    assert max(passed) <= 2 < sum(passed)


def test_a_recording_that_never_fits_fails_alone(clips: list[Samples]) -> None:
    diarizer = Diarizer.load(SPEAKERS_MODEL, "cpu")
    expected = diarizer.diarize(clips[0])
    large = clips[3].copy()
    large[1000] = 0.987654

    def reject(waveforms: torch.Tensor) -> Exception | None:
        found = bool((waveforms == 0.987654).any())
        return RuntimeError("DefaultCPUAllocator: can't allocate memory") if found else None

    hook = spoil(diarizer, reject)
    good, bad = diarizer.diarize_all([Recording(clips[0]), Recording(large)])
    with pytest.raises(EngineError, match="leave diarization out"):
        diarizer.diarize(large)
    hook.remove()
    assert good == expected
    assert isinstance(bad, EngineError)
    assert bad.code == "engine_out_of_memory"


def test_what_ends_the_process_is_not_kept(diarizer: Diarizer, clips: list[Samples]) -> None:
    def report(_progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diarizer.diarize_all([Recording(clips[0], report=report)])


def test_the_number_of_threads_changes_nothing_and_stays(clips: list[Samples]) -> None:
    before = torch.get_num_threads()
    diarizer = Diarizer.load(SPEAKERS_MODEL, "cpu", "exact")
    assert torch.get_num_threads() == before
    expected = answers(diarizer, [Recording(clip) for clip in clips])
    seen: list[int] = []
    fresh = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert seen == [before]
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            assert answers(diarizer, [Recording(clip) for clip in clips]) == expected
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_failures_and_answers_hold_no_audio(diarizer: Diarizer, clips: list[Samples]) -> None:
    def report(_progress: Progress) -> None:
        raise _CancelledError

    (error,) = diarizer.diarize_all([Recording(clips[2], report=report)])
    assert isinstance(error, _CancelledError)
    held = 0
    trace = error.__traceback__
    while trace:
        for value in trace.tb_frame.f_locals.values():
            waveform = getattr(value, "waveform", None)
            held += waveform.numel() if isinstance(waveform, torch.Tensor) else 0
        trace = trace.tb_next
    assert held == 0


@pytest.mark.parametrize(
    ("free_bytes", "segmented", "embedded"),
    [(139 << 30, 512, 64), (22 << 30, 500, 64), (4 << 30, 93, 28), (1 << 20, 1, 1), (0, 1, 1)],
)
def test_passes_are_as_large_as_a_gpu_has_room_for(
    free_bytes: int, segmented: int, embedded: int
) -> None:
    sizes = sizes_within(free_bytes)
    assert sizes.segmented == pytest.approx(segmented, rel=0.05)
    assert sizes.embedded == pytest.approx(embedded, rel=0.1)
    assert sizes.gathered == sizes.embedded
