"""Hypothesis strategies for words and turns.

Times are multiples of 1/64 s: sums of them are exact, so a reference that adds in another order
agrees to the last bit, and ties are common.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from speech.types import (
    Char,
    Diarization,
    Hearing,
    LabelledWord,
    Plan,
    SpeakerTurn,
    Transcript,
    Word,
)

TICKS_PER_S = 64
SPEAKERS = ("a", "b", "c")
TEXTS = (
    *("so", "Well,", "I", "know", "yes.", "No!", "Really?", "well…", "e.g.", "Mr.", "J.", "3.5"),
    *("No.", "5", '"Stop!"', "end.”", "(quite)", "Ähm;", "uh—"),
)

shares = st.floats(0, 1)
plans = st.builds(
    Plan,
    st.integers(1, 99),
    st.floats(0, 1e5),
    st.sampled_from(("It fits.", "Too long.")),
    st.none() | st.integers(0, 1 << 40),
)


@st.composite
def words(draw: st.DrawFn, max_size: int = 24) -> tuple[Word, ...]:
    """Words in order: some without length, some that overlap the next, some far apart."""
    start = 0
    said: list[Word] = []
    for text in draw(st.lists(st.sampled_from(TEXTS), max_size=max_size)):
        length = draw(st.integers(0, TICKS_PER_S))
        end_s = (start + length) / TICKS_PER_S
        said.append(Word(text, start / TICKS_PER_S, end_s, draw(shares), draw(st.booleans())))
        start += draw(
            st.one_of(st.just(length), st.integers(length // 2, length + TICKS_PER_S * 2))
        )
    return tuple(said)


@st.composite
def turns(draw: st.DrawFn, min_size: int = 0) -> tuple[SpeakerTurn, ...]:
    """Turns in any order, often overlapping, also with themselves."""
    drawn: list[SpeakerTurn] = []
    for _ in range(draw(st.integers(min_size, 12))):
        start = draw(st.integers(0, 20 * TICKS_PER_S))
        length = draw(st.integers(1, 3 * TICKS_PER_S))
        speaker = draw(st.sampled_from(SPEAKERS))
        drawn.append(SpeakerTurn(speaker, start / TICKS_PER_S, (start + length) / TICKS_PER_S))
    return tuple(drawn)


@st.composite
def diarizations(draw: st.DrawFn, min_turns: int = 0) -> Diarization:
    """Full turns, and exclusive turns that are a choice of them."""
    full = draw(turns(min_turns))
    chosen = draw(st.lists(st.booleans(), min_size=len(full), max_size=len(full)))
    return Diarization(full, tuple(t for t, keep in zip(full, chosen, strict=True) if keep))


@st.composite
def labelled_words(draw: st.DrawFn, max_size: int = 24) -> tuple[LabelledWord, ...]:
    """Words with any speakers, or with none at all."""
    said = draw(words(max_size))
    speakers = st.sampled_from(SPEAKERS) if draw(st.booleans()) else st.none()
    return tuple(
        LabelledWord(
            w.text,
            w.start_s,
            w.end_s,
            w.confidence,
            speaker := draw(speakers),
            None if speaker is None else draw(shares),
            overlap=speaker is not None and draw(st.booleans()),
            repaired=w.repaired,
        )
        for w in said
    )


@st.composite
def named_diarizations(draw: st.DrawFn, min_turns: int = 0) -> Diarization:
    """With known speakers and voiceprints, of some of those who speak."""
    found = draw(diarizations(min_turns))
    present = sorted({turn.speaker for turn in (*found.turns, *found.exclusive_turns)})
    some = st.sets(st.sampled_from(present)) if present else st.just(set[str]())
    vectors = st.tuples(shares, shares)
    return replace(
        found,
        names={speaker: speaker.upper() for speaker in sorted(draw(some))},
        voiceprints={speaker: draw(vectors) for speaker in sorted(draw(some))},
    )


@st.composite
def hearings(draw: st.DrawFn) -> Hearing:
    """What an engine may answer, with any text that UTF-8 can hold."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    names = st.dictionaries(st.sampled_from(("asr", "diarization")), text)
    said = draw(words(max_size=8))
    return Hearing(
        transcript=Transcript(
            text=draw(text),
            words=said,
            chars=tuple(Char(draw(text), word.start_s, word.end_s) for word in said),
            attention=draw(st.sampled_from(("full", "local", "windows"))),
            plan=draw(st.none() | plans),
        ),
        diarization=draw(st.none() | named_diarizations()),
        models=draw(names),
        warnings=tuple(draw(st.lists(text, max_size=3))),
        timings_s=draw(st.dictionaries(text, st.floats(0, 1e6), max_size=3)),
    )
