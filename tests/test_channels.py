"""Channels that are heard separately: at once, and joined with every word once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jiwer
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import pipeline
from speech import channels, copies
from speech.copies import Comparison, Doubt
from speech.errors import EngineError, WorkerError
from speech.request import Base64Source, Options, Request
from speech.spoken import Scored
from speech.types import Audio, Char, Hearing, Progress, Report, Result, Transcript, Voice, Word
from tests.demo_worker import DemoWorker, conversation_reference
from tests.environments import CONVERSATION
from utils import channel_hearing, crosstalk

RATE_HZ = 16_000
CALL_S = 37.7
"""Of the demo conversation: nobody cuts in before."""
ALIKE, UNLIKE = 0.95, 0.2
Samples = npt.NDArray[np.float64]


def heard(*spoken: tuple[str, float, float], warnings: tuple[str, ...] = ()) -> Hearing:
    """A channel with these words; each char is a word's letter."""
    words = tuple(Word(text, start_s, end_s, 0.9) for text, start_s, end_s in spoken)
    chars = tuple(Char(letter, w.start_s, w.end_s) for w in words for letter in w.text)
    text = " ".join(word.text for word in words)
    return Hearing(Transcript(text, words, chars, "full"), None, {"asr": "a"}, warnings)


def joined(
    hearings: Sequence[Hearing], likeness: float = UNLIKE, *levels_db: float, offset_s: float = 0.0
) -> Result:
    """The channels, of which all sounds have one likeness and each channel its own level."""
    comparisons = {
        doubt: Comparison(likeness, levels_db[doubt.other] - levels_db[doubt.channel])
        for doubt in copies.doubts(hearings)
    }
    audios = [Audio(Path("x"), 60.0, offset_s)] * len(hearings)
    return channels.join(hearings, comparisons, audios, ("word",))


def said(result: Result) -> list[tuple[str, str | None]]:
    return [(word.text, word.speaker) for word in result.words]


# ---------------------------------------------------------------- joining


def test_each_channel_is_a_speaker_and_words_are_in_the_order_of_time() -> None:
    question = heard(("Are", 1.0, 1.2), ("you", 1.2, 1.4), ("there?", 1.4, 1.8))
    answer = heard(("Yes,", 2.0, 2.2), ("sure.", 2.3, 2.6))
    result = joined([question, answer], UNLIKE, 0, 0)
    assert [word.text for word in result.words] == ["Are", "you", "there?", "Yes,", "sure."]
    assert [(s.text, s.speaker) for s in result.segments] == [
        ("Are you there?", "CHANNEL_00"),
        ("Yes, sure.", "CHANNEL_01"),
    ]
    assert result.text == "Are you there? Yes, sure."
    assert {word.speaker_confidence for word in result.words} == {1.0}
    assert not any(word.overlap for word in result.words)
    assert [(s.id, round(s.talk_time_s, 3), s.turns) for s in result.speakers] == [
        ("CHANNEL_00", 0.8, 1),
        ("CHANNEL_01", 0.6, 1),
    ]
    assert result.diarized
    assert result.coverage is None


def test_times_count_from_the_recordings_own_beginning() -> None:
    result = joined([heard(("one", 1.0, 1.2)), heard(("two", 3.0, 3.5))], UNLIKE, 0, 0, offset_s=10)
    assert [(word.start_s, word.end_s) for word in result.words] == [(11.0, 11.2), (13.0, 13.5)]
    assert [char.start_s for char in result.chars] == [11.0] * 3 + [13.0] * 3


@pytest.mark.parametrize("leak_db", [-20.0, -6.0])
@pytest.mark.parametrize("misheard", ["Wednesday,", "Wendy"])
def test_the_same_sound_on_two_channels_stays_where_it_is_louder(
    leak_db: float, misheard: str
) -> None:
    true, leak = heard(("Wednesday,", 4.0, 4.5)), heard((misheard, 4.08, 4.48))
    for one, other, levels_db, speaker in (
        (true, leak, (0.0, leak_db), "CHANNEL_00"),
        (leak, true, (leak_db, 0.0), "CHANNEL_01"),
    ):
        result = joined([one, other], ALIKE, *levels_db)
        assert said(result) == [("Wednesday,", speaker)]
        assert "".join(char.text for char in result.chars) == "Wednesday,"
        power = 10 ** (leak_db / 10)
        assert result.words[0].speaker_confidence == pytest.approx((1 - power) / (1 + power))


def test_a_leak_that_sounds_otherwise_is_known_by_its_text_and_its_level() -> None:
    true, leak = heard(("Thursday.", 4.0, 4.5)), heard(("Thursdays", 4.2, 4.7))
    assert said(joined([true, leak], UNLIKE, 0, -12)) == [("Thursday.", "CHANNEL_00")]
    other = heard(("invoice", 4.2, 4.7))
    assert len(said(joined([true, other], UNLIKE, 0, -12))) == 2
    later = heard(("Thursdays", 5.2, 5.7))
    assert len(said(joined([true, later], UNLIKE, 0, -12))) == 2


def test_a_misheard_word_among_copies_is_one_too() -> None:
    true = heard(("See", 4.0, 4.2), ("you", 4.2, 4.4), ("on", 4.4, 4.6), ("Friday.", 4.6, 5.0))
    leak = heard(("See", 4.0, 4.2), ("you", 4.2, 4.4), ("an", 4.4, 4.6), ("afraid.", 4.6, 5.0))
    assert len(said(joined([true, leak], UNLIKE, 0, -12))) == 4
    assert len(said(joined([true, leak], UNLIKE, 0, -3))) == 8, "as loud as one's own words"
    own = heard(("No,", 4.0, 4.2), ("I", 4.2, 4.4), ("can't", 4.4, 4.6), ("Friday.", 4.6, 5.0))
    kept = [
        word
        for word, speaker in said(joined([true, own], UNLIKE, 0, -12))
        if speaker == "CHANNEL_01"
    ]
    assert kept == ["No,", "I", "can't"]


def test_two_who_say_the_same_at_one_time_both_stay() -> None:
    result = joined([heard(("Goodbye.", 4.0, 4.5)), heard(("Goodbye.", 4.1, 4.6))], UNLIKE, 0, -3)
    assert said(result) == [("Goodbye.", "CHANNEL_00"), ("Goodbye.", "CHANNEL_01")]
    assert all(word.overlap for word in result.words)


def test_one_recording_on_both_channels_is_said_once_and_told() -> None:
    both = heard(("Good", 1.0, 1.2), ("morning.", 1.2, 1.6))
    result = joined([both, both], 1.0, 0, 0)
    assert said(result) == [("Good", "CHANNEL_00"), ("morning.", "CHANNEL_00")]
    assert {word.speaker_confidence for word in result.words} == {0.0}
    assert [speaker.turns for speaker in result.speakers] == [1, 0]
    (warning,) = result.warnings
    assert warning.startswith("CHANNEL_01 has nothing but")


def test_of_three_channels_the_loudest_keeps_the_word() -> None:
    word = ("budget", 2.0, 2.4)
    result = joined([heard(word), heard(word), heard(word)], ALIKE, -20, 0, -9)
    assert said(result) == [("budget", "CHANNEL_01")]
    assert result.words[0].speaker_confidence == pytest.approx(0.776, abs=0.001)


def test_a_silent_channel_is_a_speaker_without_a_word() -> None:
    result = joined([heard(("Hello?", 1.0, 1.5)), heard()], UNLIKE, 0, 0)
    assert said(result) == [("Hello?", "CHANNEL_00")]
    assert [(s.id, s.talk_time_s, s.turns) for s in result.speakers][1] == ("CHANNEL_01", 0.0, 0)
    assert result.warnings == ()
    assert said(joined([heard(), heard()], UNLIKE, 0, 0)) == []


def test_people_who_speak_at_one_time_do_not_share_a_segment() -> None:
    one = heard(("I", 1.0, 1.2), ("really", 1.2, 1.6), ("think", 1.6, 2.0), ("so.", 2.0, 2.4))
    other = heard(("Right.", 1.5, 1.9))
    result = joined([one, other], UNLIKE, 0, 0)
    assert [segment.text for segment in result.segments] == ["I really think so.", "Right."]
    assert result.text == "I really think so. Right."
    assert [word.text for word in result.words] == ["I", "really", "Right.", "think", "so."]
    assert [word.overlap for word in result.words] == [False, True, True, True, False]


# ---------------------------------------------------------------- listening


@pytest.fixture(scope="module")
def voices() -> list[Samples]:
    """The demo conversation's first part: Anna, and the two others."""
    speech, rate_hz = soundfile.read(CONVERSATION)
    assert rate_hz == RATE_HZ
    ways = [np.zeros(round(CALL_S * RATE_HZ)) for _ in range(2)]
    for turn in conversation_reference()["turns"]:
        way = ways[turn["speaker"] != "Anna"]
        begin, end = (round(t * RATE_HZ) for t in (turn["start_s"] - 0.1, turn["end_s"] + 0.1))
        if end < way.size:
            way[begin:end] = speech[begin:end]
    return ways


def with_crosstalk(voices: Sequence[Samples], leak_db: float) -> list[Samples]:
    """Each voice on a channel of its own, and softer on the other, with some noise of its own."""
    noise = np.random.default_rng(0)
    gain, total = 10 ** (leak_db / 20), np.sum(voices, axis=0)
    return [
        voice + gain * (total - voice) + 1e-4 * noise.standard_normal(voice.size)
        for voice in voices
    ]


def compare(ways: Sequence[Samples], doubts: Sequence[Doubt], folder: Path) -> list[Comparison]:
    paths = [folder / f"{number}.wav" for number in range(len(ways))]
    for path, way in zip(paths, ways, strict=True):
        soundfile.write(path, way, RATE_HZ, subtype="PCM_16")
    found = crosstalk.compare(paths, doubts)
    return [found[doubt] for doubt in doubts]


@pytest.mark.parametrize("leak_db", [-20.0, -6.0])
def test_a_leak_is_alike_and_its_level_is_measured(
    leak_db: float, voices: list[Samples], tmp_path: Path
) -> None:
    words = [
        (int(turn["speaker"] != "Anna"), word["start_s"], word["end_s"])
        for turn in conversation_reference()["turns"]
        for word in turn["words"]
        if turn["end_s"] < 37
    ]
    doubts = [Doubt(1 - own, 0, own, start_s, end_s) for own, start_s, end_s in words]
    found = compare(with_crosstalk(voices, leak_db), doubts, tmp_path)
    assert min(one.likeness for one in found) > copies.SAME_SOUND
    assert [one.louder_db for one in found] == pytest.approx([-leak_db] * len(found), abs=1.5)


def test_two_voices_at_one_time_are_unlike(voices: list[Samples], tmp_path: Path) -> None:
    together = [voices[0], np.roll(voices[1], -2 * RATE_HZ)]
    spoken = [
        second
        for second in np.arange(1.0, 36.0, 0.2)
        if all(np.abs(v[int(second * RATE_HZ) :][: RATE_HZ // 5]).mean() > 0.01 for v in together)
    ]
    assert len(spoken) > 10
    doubts = [Doubt(0, 0, 1, second, second + 0.2) for second in spoken]
    found = compare(with_crosstalk(together, -20), doubts, tmp_path)
    assert max(one.likeness for one in found) < copies.SAME_SOUND


def test_a_delay_and_a_turned_sign_do_not_hide_a_leak(
    voices: list[Samples], tmp_path: Path
) -> None:
    leak = -0.1 * np.roll(voices[0], round(0.02 * RATE_HZ))
    (found,) = compare([voices[0], leak], [Doubt(1, 0, 0, 3.0, 3.4)], tmp_path)
    assert found.likeness > 0.9
    assert found.louder_db == pytest.approx(20, abs=1)


def test_silence_is_like_nothing(tmp_path: Path) -> None:
    ways = [
        np.zeros(RATE_HZ),
        np.zeros(RATE_HZ),
        np.ones(RATE_HZ) * np.resize([0.5, -0.5, 0.1], RATE_HZ),
    ]
    found = compare(ways, [Doubt(0, 0, 1, 0.1, 0.4), Doubt(0, 0, 2, 0.9, 9.0)], tmp_path)
    assert [one.likeness for one in found] == [0.0, 0.0]
    assert found[0].louder_db == 0
    assert found[1].louder_db > 100


# ---------------------------------------------------------------- hearing at once


class Telephone:
    """An engine: hears in each channel what it was given, or fails."""

    def __init__(self, *answers: Hearing | WorkerError) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Options]] = []
        self.cancelled = 0

    async def hear(
        self,
        job_id: str,
        audio: Audio,
        options: Options,
        report: Report,
        voices: Sequence[Voice] = (),
    ) -> Hearing:
        self.asked.append((job_id, options))
        answer = self.answers[int(audio.path.stem[-1])]
        for stage, fraction in (("load", None), ("queue", None), ("transcribe", 0.5)):
            report(Progress(stage, fraction))
            await asyncio.sleep(0)
        if isinstance(answer, WorkerError):
            raise answer
        if any(isinstance(other, WorkerError) for other in self.answers):
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        return answer

    async def score(self, asked: Mapping[str, object]) -> Scored:
        raise NotImplementedError


def hear(engine: Telephone, report: Report) -> channel_hearing.Heard:
    audios = [Audio(Path(f"channel-{n}.wav"), 9.0) for n in range(len(engine.answers))]
    work = channel_hearing.hear(engine.hear, "job", audios, Options(channels="separate"), report)
    return asyncio.run(work)


def test_channels_are_heard_under_their_own_names_without_a_diarizer() -> None:
    engine = Telephone(heard(("one", 1.0, 1.2)), heard(("two", 2.0, 2.2)), heard())
    result = hear(engine, lambda _: None)
    assert [h.transcript.text for h in result.hearings] == ["one", "two", ""]
    assert len({job_id for job_id, _ in engine.asked}) == 3
    assert not any(options.diarize for _, options in engine.asked)
    assert result.timings_s["engine"] == result.timings_s["transcribe"] >= 0


def test_progress_of_the_channels_is_one_and_never_falls() -> None:
    reports: list[Progress] = []
    hear(Telephone(heard(), heard(), heard()), reports.append)
    order = [("load", "queue", "transcribe").index(report.stage) for report in reports]
    assert order == sorted(order)
    fractions = [report.fraction or 0.0 for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_channel_that_fails_fails_the_job_and_ends_the_others() -> None:
    engine = Telephone(heard(), EngineError("engine_failed", "Try another recording."), heard())
    with pytest.raises(EngineError, match="Try another"):
        hear(engine, lambda _: None)
    assert engine.cancelled == 2


def run(path: Path, engine: Telephone, directory: Path, **options: object) -> Result:
    source = Base64Source(base64.b64encode(path.read_bytes()).decode())
    request = Request(source, Options(**options))  # type: ignore[arg-type]  # the test's own
    return asyncio.run(pipeline.run(request, engine, "job", directory))


def test_the_way_from_a_stereo_file_to_a_result(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros((RATE_HZ * 3, 2)), RATE_HZ)
    question = "Guten Morgen, möchten Sie Kaffee oder Tee?"
    engine = Telephone(
        heard(*((text, 0.2 * n, 0.2 * n + 0.2) for n, text in enumerate(question.split()))),
        heard(("Tee,", 2.0, 2.2), ("bitte.", 2.2, 2.6)),
    )
    result = run(tmp_path / "x.wav", engine, tmp_path, channels="separate", language="en")
    assert result.text == f"{question} Tee, bitte."
    assert {word.speaker for word in result.words} == {"CHANNEL_00", "CHANNEL_01"}
    assert result.duration_s == pytest.approx(3.0)
    assert result.language is not None
    assert (result.language.code, result.language.expected) == ("de", False)
    assert result.segments[0].language is not None
    assert not result.segments[0].language.expected
    assert any("language is en" in warning for warning in result.warnings)
    assert {"queue", "transcribe", "label", "total"} <= set(result.timings_s)
    assert not list(tmp_path.glob("source*"))


def test_a_mono_recording_is_one_speaker_and_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(RATE_HZ), RATE_HZ)
    result = run(
        tmp_path / "x.wav", Telephone(heard(("Hello.", 0.1, 0.5))), tmp_path, channels="separate"
    )
    assert said(result) == [("Hello.", "CHANNEL_00")]
    (warning,) = result.warnings
    assert "the recording has one channel" in warning


# ---------------------------------------------------------------- through the worker


def spoken(text: str) -> str:
    """Lower case without punctuation."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def test_a_call_with_crosstalk_has_every_word_once_on_its_channel(
    shared_worker: DemoWorker, voices: list[Samples], tmp_path: Path
) -> None:
    path = tmp_path / "call.flac"
    soundfile.write(path, np.stack(with_crosstalk(voices, -20), 1), RATE_HZ)
    source = base64.b64encode(path.read_bytes()).decode()
    job = shared_worker.run({"audio_base64": source, "channels": "separate", "language": "en"})
    output = shared_worker.completed(job)
    turns = [t for t in conversation_reference()["turns"] if t["end_s"] + 0.1 < CALL_S]
    for channel in (0, 1):
        told = [
            word["word"]
            for word in output["timestamps"]["word"]
            if word["speaker"] == channels.name(channel)
        ]
        truth = [t["text"] for t in turns if (t["speaker"] != "Anna") == channel]
        # How well it hears, tests/test_demo_speech.py measures. Each copy would be an insertion.
        assert jiwer.wer(spoken(" ".join(truth)), spoken(" ".join(told))) < 0.25
    assert [speaker["id"] for speaker in output["speakers"]] == ["CHANNEL_00", "CHANNEL_01"]
    assert output["language"] == "en"
    assert output["coverage"] is None
    percents = [
        event["output"]["percent"]
        for event in shared_worker.endpoint.events("progress", job=job)
        if event["output"]["stage"] == "transcribe" and "percent" in event["output"]
    ]
    assert percents == sorted(percents)
