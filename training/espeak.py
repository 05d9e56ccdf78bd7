"""Speech with exactly known word times: libespeak-ng 1.52, called in process.

The library and its data come from the PyPI package ``espeakng_loader``, so nothing has to be
installed in the system. espeak-ng reports an event for every word and every phoneme it speaks,
with the sample at which it begins; that is where the word times come from.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import espeakng_loader
import numpy as np
import numpy.typing as npt
import soxr

from training.voices import Voice

SAMPLE_RATE_HZ = 16_000

# Constants of espeak-ng/speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 1
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1
_EVENT_PHONEME = 7
_RATE, _VOLUME, _PITCH, _RANGE, _WORDGAP = 1, 2, 3, 4, 7

_PAUSES = frozenset({b"", b"_", b"_:", b"_!", b"_|", b"_::"})
# Pairs that espeak-ng's dictionary speaks as one word, with one event. The second word begins after
# this many phonemes of the first.
_RUN_TOGETHER = {("in", "the"): 2, ("i", "am"): 1, ("do", "not"): 2}
_AUDIBLE = 1e-4  # of full scale; the synthesiser's silence is digital zero
_SAME_S = 1e-3  # events closer than this are at the same time
_TAIL_S = 0.025  # kept after the last audible sample


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as written (with its punctuation) and when it is spoken, in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """A text spoken by one voice: float32 mono audio at 16 kHz and its words."""

    audio: npt.NDArray[np.float32]
    words: tuple[SpokenWord, ...]
    text: str


class _EventId(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The synthesiser of this process. The library keeps global state: one instance only."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Initialize.argtypes = [
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
        ]
        self._library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self._library.espeak_Synth.argtypes = [
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self._rate_hz: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            str(espeakng_loader.get_data_path()).encode(),
            _INITIALIZE_PHONEME_EVENTS,
        )
        if self._rate_hz <= 0:
            raise RuntimeError("espeak-ng could not be initialised")
        self._blocks: list[npt.NDArray[np.int16]] = []
        self._word_events: dict[int, float] = {}
        self._phonemes: list[tuple[float, bytes]] = []
        self._callback = _Callback(self._on_audio)  # must live as long as the library may call it
        self._library.espeak_SetSynthCallback(self._callback)

    def _on_audio(self, samples: Any, count: int, events: Any) -> int:
        """Collect one block of audio and its events; 0 tells espeak-ng to go on."""
        if samples and count:
            self._blocks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            time_s = event.sample / self._rate_hz
            if event.type == _EVENT_WORD:
                self._word_events.setdefault(event.text_position, time_s)
            elif event.type == _EVENT_PHONEME:
                # The field is eight bytes without a terminator where the name fills it.
                self._phonemes.append((time_s, bytes(event.id.string).rstrip(b"\0")))
            index += 1
        return 0

    def say(self, text: str, voice: Voice) -> Utterance | None:
        """Speak one line of ASCII text.

        Args:
            text: Words with their punctuation, separated by single spaces.
            voice: Who speaks, and how.

        Returns:
            The audio without trailing silence, and its words; None where espeak-ng ran two words
            together, so that one of them has no time.

        Raises:
            ValueError: espeak-ng has no such voice.
        """
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice.name!r}")
        settings = {
            _RATE: voice.rate_wpm,
            _VOLUME: 100,
            _PITCH: voice.pitch,
            _RANGE: voice.pitch_range,
            _WORDGAP: voice.word_gap,
        }
        for parameter, value in settings.items():
            self._library.espeak_SetParameter(parameter, value, 0)
        self._blocks, self._word_events, self._phonemes = [], {}, []
        data = text.encode("ascii") + b"\0"
        self._library.espeak_Synth(data, len(data), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
        self._library.espeak_Synchronize()
        spoken = np.concatenate(self._blocks).astype(np.float32) / 32768
        audio = soxr.resample(spoken, self._rate_hz, SAMPLE_RATE_HZ).astype(np.float32)
        loud = np.flatnonzero(np.abs(audio) > _AUDIBLE)
        if len(loud) == 0:
            return None
        audio = audio[: loud[-1] + 1 + round(_TAIL_S * SAMPLE_RATE_HZ)]
        words = self._words(text, len(audio) / SAMPLE_RATE_HZ)
        return None if words is None else Utterance(audio, words, text)

    def _words(self, text: str, length_s: float) -> tuple[SpokenWord, ...] | None:
        """The words' times: from the first sounding phoneme to the first pause or the next word."""
        spans = [(match.start() + 1, match.group()) for match in re.finditer(r"\S+", text)]
        self._split_pairs(spans)
        if any(position not in self._word_events for position, _ in spans):
            return None
        sounds = [(t, name) for t, name in self._phonemes if name not in _PAUSES]
        starts_s = []
        for position, _ in spans:
            event_s = self._word_events[position]
            starts_s.append(next((t for t, _ in sounds if t >= event_s - _SAME_S), length_s))
        words = []
        for (_, word), (start_s, next_s) in zip(
            spans, pairwise([*starts_s, length_s]), strict=True
        ):
            if start_s >= next_s:
                return None
            pauses = (t for t, name in self._phonemes if start_s < t < next_s and name in _PAUSES)
            words.append(SpokenWord(word, start_s, next(pauses, next_s)))
        return tuple(words)

    def _split_pairs(self, spans: list[tuple[int, str]]) -> None:
        """Add the events of words that were spoken as one with the word before them."""
        for (position, word), (next_position, next_word) in pairwise(spans):
            pair = (word.lower(), next_word.lower().rstrip(".,?"))
            if next_position in self._word_events or pair not in _RUN_TOGETHER:
                continue
            event_s = self._word_events.get(position)
            if event_s is not None:
                sounds = [(t, name) for t, name in self._phonemes if name not in _PAUSES]
                following = [t for t, _ in sounds if t >= event_s - _SAME_S]
                self._word_events[next_position] = following[_RUN_TOGETHER[pair]]
