"""Sentences for the demo speech model, spoken in a process of their own.

espeak-ng keeps state that nothing resets: how a sentence sounds depends on all that was said before
in the same process, and so on which tests ran.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from training.espeak import Espeak, Utterance
from training.speech_data import evaluation_set


def spoken(count: int) -> tuple[list[Utterance], list[Utterance]]:
    """So many sentences in voices that training has not heard, and in voices that it has."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_speak, count).result()


def _speak(count: int) -> tuple[list[Utterance], list[Utterance]]:
    espeak = Espeak()
    held_out = evaluation_set(espeak, 101, count, held_out=True)
    return held_out, evaluation_set(espeak, 102, count, held_out=False)
