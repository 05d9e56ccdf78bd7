"""Who says each sentence, or each part of it.

At a change of speaker the edges of words and turns differ by some tenths of a second, and a word at
the edge falls to the wrong side. A sentence is nearly always one speaker's. So the speakers of a
sentence are chosen together: those under whom the evidence of all its words is most likely, where a
change within the sentence costs about as much as one word that the turns clearly give to somebody
else, and less the longer the pause is at which it happens (the Viterbi algorithm).

Sentences for which the evidence is clear come first. What they decided then counts for those that
are said at the same time: nobody says two words at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from speech import sentences, strands
from speech.evidence import Evidence
from speech.sentences import TimedText

LEAST_LIKELY = 0.02
"""Of a speaker of whom the turns say nothing at a word."""
CHANGE = 3.0
"""What a change of speakers within a sentence costs, as a logarithm of likelihood."""
PAUSE_HALVING_S = 0.15
"""It costs half as much with every such length of pause."""
AT_ONCE = 8.0
"""What it costs to give two words of one time to one speaker: more than any evidence."""
STANDS_ALONE = 12.0
"""What it costs to take a word from a speaker who clearly says it, and neither the word before nor
the one after. That is no misplaced edge, but somebody who says "yes" while another speaks."""
CLEAR = 0.8
"""The margin of a speaker who clearly says a word."""
CERTAIN_WORDS = 3
EQUAL = 1e-6
"""Costs closer than this are equal: sums of floats differ in their last digits."""

Costs = list[dict[str, float]]
"""For each word of a sentence what it costs to give it to each of the speakers."""


def decide(
    words: Sequence[TimedText], evidence: Sequence[Evidence], speakers: Sequence[str]
) -> list[str]:
    """The speaker of each word.

    Args:
        words: In the order of their starts.
        evidence: Of each word.
        speakers: All of them. The first ones win where the evidence is equal, after the speaker of
            the word before.
    """
    rivals = strands.find_rivals(words)
    decided: dict[int, str] = {}
    doubtful: list[tuple[Sequence[int], Costs]] = []
    for sentence in strands.sentences_by_voice(words, rivals):
        parts = _decide_the_certain(sentence, evidence, decided)
        doubtful += [(part, _costs(part, evidence, speakers, decided)) for part in parts]
    # Rounded, lest the last digits of a sum decide an order.
    doubtful.sort(key=lambda item: round(_lead(item[1]), 6), reverse=True)
    for sentence, costs in doubtful:
        for index, cost in zip(sentence, costs, strict=True):
            taken = {decided[rival] for rival in rivals.get(index, ()) if rival in decided}
            for speaker in taken & cost.keys():
                cost[speaker] += AT_ONCE
        before = decided.get(sentence[0] - 1)
        spoken_by = _cheapest([words[index] for index in sentence], costs, before)
        decided.update(zip(sentence, spoken_by, strict=True))
    return [decided[index] for index in range(len(words))]


def _decide_the_certain(
    sentence: Sequence[int], evidence: Sequence[Evidence], decided: dict[int, str]
) -> list[Sequence[int]]:
    """Decide what needs no comparison; the parts of the sentence that remain.

    To give ``CERTAIN_WORDS`` to another speaker costs more than to change the speaker before and
    after them, so they can be left out, but for the ones next to the parts. Where punctuation is
    missing a sentence may have thousands of words.
    """
    runs = [(only, list(run)) for only, run in groupby(sentence, lambda i: evidence[i].only)]
    parts: list[Sequence[int]] = []
    part: list[int] = []
    for only, run in runs:
        if only is None or (len(run) < CERTAIN_WORDS and len(runs) > 1):
            part += run
            continue
        decided.update(dict.fromkeys(run, only))
        if any(index not in decided for index in part):
            parts.append([*part, run[0]])
        part = [run[-1]]
    if any(index not in decided for index in part):
        parts.append(part)
    return parts


def _costs(
    sentence: Sequence[int],
    evidence: Sequence[Evidence],
    speakers: Sequence[str],
    decided: Mapping[int, str],
) -> Costs:
    """Of every speaker who is likely somewhere in the sentence, in the order of ``speakers``."""
    likely = {speaker for index in sentence for speaker in evidence[index].likely}
    candidates = [speaker for speaker in speakers if speaker in likely]
    costs: Costs = []
    for index in sentence:
        said = evidence[index]
        alone = decided.get(index) or _who_stands_alone(index, evidence)
        if alone is None:
            shares = ((name, said.likely.get(name, 0.0)) for name in candidates)
            costs.append({name: -math.log(LEAST_LIKELY + share) for name, share in shares})
        else:
            costs.append({name: 0.0 if name == alone else STANDS_ALONE for name in candidates})
    return costs


def _who_stands_alone(index: int, evidence: Sequence[Evidence]) -> str | None:
    """Who clearly says the word, and neither the one before nor the one after."""
    support = evidence[index].support
    speaker = max(support, key=support.__getitem__)
    if evidence[index].margin(speaker) < CLEAR:
        return None
    for said in (*evidence[max(0, index - 1) : index], *evidence[index + 1 : index + 2]):
        if said.support.get(speaker, 0.0) >= max(said.support.values()) - EQUAL:
            return None
    return speaker


def _lead(costs: Costs) -> float:
    """By how much the best speaker of the whole sentence leads over the next."""
    totals = sorted(sum(cost[speaker] for cost in costs) for speaker in costs[0])
    return totals[1] - totals[0] if len(totals) > 1 else math.inf


def _cheapest(words: Sequence[TimedText], costs: Costs, before: str | None) -> list[str]:
    """The speakers of a sentence's words at the least cost (Viterbi).

    Where the costs are equal, speakers change late, and the speaker of the word before the sentence
    goes on, or else the first of the speakers has it.
    """
    totals = dict(costs[0])
    came_from: list[dict[str, str]] = []
    for index in range(1, len(words)):
        pause_s = sentences.gap_s(words[index - 1], words[index])
        cheapest = min(totals, key=totals.__getitem__)
        changed = totals[cheapest] + CHANGE * 0.5 ** (pause_s / PAUSE_HALVING_S)
        came_from.append({s: s if t <= changed + EQUAL else cheapest for s, t in totals.items()})
        totals = {s: min(t, changed) + costs[index][s] for s, t in totals.items()}
    least = min(totals.values())
    equal = [speaker for speaker, total in totals.items() if total <= least + EQUAL]
    spoken_by = [before if before in equal and before is not None else equal[0]]
    for origin in reversed(came_from):
        spoken_by.append(origin[spoken_by[-1]])
    return spoken_by[::-1]
