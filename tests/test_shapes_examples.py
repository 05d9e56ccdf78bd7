"""A small conversation in each peer's shape, key by key."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from typing import Any

import pytest

from shapes.answer import shape
from speech.types import Language, Result, Segment, SpeakerSummary, SpeakerTurn
from tests.small_result import RESULT

UUID = "2b3e0a4c-11aa-4f0e-9c58-0a1b2c3d4e5f"
JOB = f"sync-{UUID}-e1"


def of_channels() -> Result:
    """The same, as telephones record it: Ada on the third channel, and nobody on the second."""
    channels = {"SPEAKER_00": "CHANNEL_00", "Ada": "CHANNEL_02", "SPEAKER_01": "CHANNEL_00"}
    return replace(
        RESULT,
        words=tuple(replace(w, speaker=channels[w.speaker or ""]) for w in RESULT.words),
        segments=tuple(replace(s, speaker=channels[s.speaker or ""]) for s in RESULT.segments),
        speakers=tuple(SpeakerSummary(f"CHANNEL_0{n}", 1.0, 1) for n in range(3)),
    )


def without_speakers() -> Result:
    return replace(
        RESULT,
        words=tuple(replace(w, speaker=None, speaker_confidence=None) for w in RESULT.words),
        segments=tuple(replace(s, speaker=None) for s in RESULT.segments),
        speakers=(),
        diarized=False,
        language=None,
    )


def shaped(name: Any, result: Result = RESULT) -> Any:
    return shape(result, name, JOB)


def test_text() -> None:
    assert shaped("text") == {"text": RESULT.text}
    assert shaped("text", replace(RESULT, warnings=("Loud.",)))["warnings"] == ["Loud."]


def test_openai() -> None:
    answer = shaped("openai")
    greeting = answer["segments"][0]
    encoded = b"Hello, Ada!"
    assert answer["language"] == "english"
    assert answer["usage"] == {"type": "duration", "seconds": answer["duration"]}
    assert answer["words"][1] == {"word": "Ada!", "start": 0.5, "end": 1.0}
    assert (greeting["id"], greeting["start"], greeting["end"]) == (0, 0.0, 1.0)
    assert greeting["avg_logprob"] == pytest.approx(math.log(0.5) / 2, abs=1e-4)
    assert greeting["compression_ratio"] == pytest.approx(
        len(encoded) / len(zlib.compress(encoded)), abs=1e-4
    )
    assert answer["segments"][3]["avg_logprob"] < -1, "nothing is less certain"
    assert shaped("openai", replace(RESULT, words=()))["segments"][0]["avg_logprob"] == 0.0


@pytest.mark.parametrize(
    ("code", "name"), [("sv", "swedish"), ("el", "greek"), ("xx", "xx"), (None, "unknown")]
)
def test_openai_spells_languages_out(code: str | None, name: str) -> None:
    language = None if code is None else Language(code, 0.5)
    assert shaped("openai", replace(RESULT, language=language))["language"] == name


def test_openai_knows_every_language_that_the_worker_does() -> None:
    from shapes.openai import LANGUAGES
    from utils.request_fields import LANGUAGES as CODES

    assert set(LANGUAGES) == set(CODES)


def test_openai_diarized() -> None:
    answer = shaped("openai_diarized")
    assert [(each["id"], each["speaker"]) for each in answer["segments"]] == [
        ("seg_001", "A"),
        ("seg_002", "Ada"),
        ("seg_003", "Ada"),
        ("seg_004", "B"),
    ]
    nobody = shaped("openai_diarized", without_speakers())
    assert {each["speaker"] for each in nobody["segments"]} == {"unknown"}


def test_no_stranger_is_called_like_somebody_who_is_known() -> None:
    answer = shaped("openai_diarized", called({"Ada": "A"}))
    assert [each["speaker"] for each in answer["segments"]] == ["B", "A", "A", "C"]


def called(names: dict[str, str]) -> Result:
    def name(who: str | None) -> str:
        return names.get(who or "", who or "")

    return replace(
        RESULT,
        words=tuple(replace(w, speaker=name(w.speaker)) for w in RESULT.words),
        segments=tuple(replace(s, speaker=name(s.speaker)) for s in RESULT.segments),
        speakers=tuple(replace(s, id=name(s.id)) for s in RESULT.speakers),
    )


def test_whisperx() -> None:
    answer = shaped("whisperx")
    assert answer["language"] == "en"
    assert answer["speaker_embeddings"] == {"SPEAKER_00": [0.12346, -1.0]}
    assert answer["segments"][1] == {
        "start": 2.0,
        "end": 2.5,
        "text": "Hi.",
        "words": [{"word": "Hi.", "start": 2.0, "end": 2.5, "score": 0.5, "speaker": "Ada"}],
        "speaker": "Ada",
    }
    plain = shaped("whisperx", without_speakers())
    assert plain["language"] == "und"
    assert not any("speaker" in each for each in (*plain["segments"], *plain["word_segments"]))


def test_deepgram() -> None:
    answer = shaped("deepgram")
    metadata, results = answer["metadata"], answer["results"]
    ((spoken,),) = (channel["alternatives"] for channel in results["channels"])
    assert metadata["request_id"] == UUID
    assert metadata["models"] == list(metadata["model_info"]) == ["nvidia/parakeet@6d59"]
    assert metadata["model_info"]["nvidia/parakeet@6d59"]["version"] == "6d59"
    assert spoken["words"][0] == {
        "word": "hello",
        "start": 0.0,
        "end": 0.5,
        "confidence": 0.5,
        "speaker": 0,
        "speaker_confidence": 0.75,
        "punctuated_word": "Hello,",
    }
    assert spoken["confidence"] == 0.5
    assert [
        (each["speaker"], each["num_words"], [sentence["text"] for sentence in each["sentences"]])
        for each in spoken["paragraphs"]["paragraphs"]
    ] == [(0, 2, ["Hello, Ada!"]), (1, 4, ["Hi.", "How are you?"]), (2, 1, ["Fine."])]
    assert "\nSpeaker 1: Hi. How are you?\n" in spoken["paragraphs"]["transcript"]
    assert [(each["speaker"], each["transcript"]) for each in results["utterances"]] == [
        (0, "Hello, Ada!"),
        (1, "Hi. How are you?"),
        (2, "Fine."),
    ]
    assert len({each["id"] for each in results["utterances"]}) == 3


def test_deepgram_parts_utterances_at_pauses() -> None:
    results = shaped("deepgram", without_speakers())["results"]
    assert [each["transcript"] for each in results["utterances"]] == [
        "Hello, Ada!",
        "Hi. How are you?",
        "Fine.",
    ]
    (paragraph,) = results["channels"][0]["alternatives"][0]["paragraphs"]["paragraphs"]
    assert len(paragraph["sentences"]) == 4
    assert "speaker" not in paragraph


def test_deepgram_has_a_channel_for_each_that_was_heard() -> None:
    answer = shaped("deepgram", of_channels())
    results = answer["results"]
    assert answer["metadata"]["channels"] == len(results["channels"]) == 3
    assert [channel["alternatives"][0]["transcript"] for channel in results["channels"]] == [
        "Hello, Ada! Fine.",
        "",
        "Hi. How are you?",
    ]
    assert [(each["channel"], each["speaker"]) for each in results["utterances"]] == [
        (0, 0),
        (2, 2),
        (0, 0),
    ]
    bare = shaped("deepgram", replace(of_channels(), words=(), segments=()))["results"]
    assert bare["channels"][0]["alternatives"][0]["transcript"] == RESULT.text


def test_assemblyai() -> None:
    answer = shaped("assemblyai")
    assert (answer["id"], answer["status"]) == (UUID, "completed")
    assert (answer["language_code"], answer["language_confidence"]) == ("en", 0.9877)
    assert (answer["audio_duration"], answer["confidence"]) == (10, 0.5)
    assert answer["words"][1] == {
        "text": "Ada!",
        "start": 500,
        "end": 1000,
        "confidence": 1.0,
        "speaker": "A",
    }
    turns = [(each["speaker"], each["start"], each["end"]) for each in answer["utterances"]]
    assert turns == [("A", 0, 1000), ("Ada", 2000, 4300), ("B", 8000, 8500)]
    plain = shaped("assemblyai", without_speakers())
    assert plain["utterances"] is None
    assert plain["speaker_labels"] is False
    assert "language_code" not in plain


def test_assemblyai_counts_channels_from_one() -> None:
    answer = shaped("assemblyai", of_channels())
    assert (answer["multichannel"], answer["audio_channels"]) == (True, 3)
    called_ = [(each["channel"], each["speaker"]) for each in answer["utterances"]]
    assert called_ == [("1", "1"), ("3", "3"), ("1", "1")]


def test_the_28th_stranger() -> None:
    turns = tuple(SpeakerTurn(f"SPEAKER_{number:02d}", 0.0, 1.0) for number in range(28))
    last = Segment("Hm.", 9.0, 9.5, "SPEAKER_27")
    answer = shaped("assemblyai", replace(RESULT, words=(), segments=(last,), turns=turns))
    assert answer["utterances"][0]["speaker"] == "A", "by first appearance in what is said"
    first = tuple(Segment("Hm.", turn.start_s, 1.0, turn.speaker) for turn in turns)
    answer = shaped("openai_diarized", replace(RESULT, words=(), segments=first))
    assert [each["speaker"] for each in answer["segments"]][24:] == ["Y", "Z", "AA", "AB"]


@pytest.mark.parametrize("job", ["local", "", "7f"])
def test_an_id_without_a_uuid_always_gives_the_same_one(job: str) -> None:
    ids = {shape(RESULT, "deepgram", name)["metadata"]["request_id"] for name in (job, job, "b")}  # type: ignore[index]
    assert len(ids) == 2
