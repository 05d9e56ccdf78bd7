"""Sentences and small conversations about arranging a meeting.

A context-free grammar over some 200 words, no two of which sound the same: neither "to" nor "for"
nor "know", because "two", "four" and "no" are there. Capital letters and punctuation follow from
the words, so that a recogniser can learn them.
"""

from __future__ import annotations

import math
import random
import re

_NAMES = (
    "Anna|Peter|Laura|Martin|Julia|Oscar|Helen|David|Emma|Robert|Clara|Thomas|Sofia|Victor|"
    "Nina|Simon|Maria|Daniel|Alice|Henry"
)
_UNITS = "one|two|three|four|five|six|seven|eight|nine"
_DIGITS = "zero|" + _UNITS

# A rule is a list of alternatives between bars; <name> stands for another rule.
_RULES = {
    "name": _NAMES,
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "day": "on <weekday>|on <weekday>|on <weekday>|today|tomorrow|next <weekday>|this <weekday>",
    "part": "morning|afternoon|evening",
    "hour": _UNITS + "|ten|eleven|twelve",
    "clock": "<hour>|<hour>|<hour>|half past <hour>|quarter past <hour>|<hour> thirty|"
    "<hour> fifteen|<hour> forty five",
    "time": "at <clock>|at <clock>|at <clock>|after <clock>|before <clock>|at noon|"
    "in the <part>|at <clock> in the <part>",
    "when": "<day> <time>|<day> <time>|<day>|<time>",
    "digit": _DIGITS,
    "tens": "twenty|thirty|forty|fifty",
    "number": "<unit>|ten|eleven|twelve|<tens>|<tens> <unit>|one hundred",
    "unit": _UNITS,
    "room": "room <number>|room <digit> <digit> <digit>|room <unit>",
    "spot": "office|library|station|garden|hotel|museum|kitchen|airport|hospital|market|school|"
    "restaurant|park|bridge",
    "place": "in the <spot>|in the <spot>|near the <spot>|behind the <spot>|in <room>|"
    "at the <spot>|outside the <spot>",
    "thing": "report|budget|contract|letter|picture|ticket|plan|project|menu|invoice|camera|"
    "computer|key|map|book",
    "person": "my brother|my sister|my teacher|my doctor|the manager|the driver|<name>|<name>|"
    "my mother|our neighbor",
    "people": "<name> and <name>|<person> and <name>|<name>, <name> and <name>|everybody",
    "food": "coffee|tea|lunch|dinner|breakfast|cake|soup|bread|water|orange juice",
    "cause": "busy|tired|late|sick|away",
    "mood": "good|fine|perfect|great|easy|difficult|possible|important|wrong|ready",
    # Whole sentences, without their capital letter.
    "greeting": "hello, <name>.|hi, <name>.|good <part>, <name>.|hello, this is <name>.|"
    "good <part>, everybody.|hello again.|hello, <name>, how are you?|welcome back, <name>.",
    "wellbeing": "I am fine, thank you.|how are you today?|I am very well.|"
    "very well, thank you, <name>.|I am a little <cause> today.|not bad, thanks.",
    "proposal": "can we meet <when>?|can we meet <when> <place>?|could you come <when>?|"
    "shall we have <food> <when>?|would you like some <food> <when>?|"
    "do you have time <when>?|are you free <when>?|let us meet <place> <when>.|"
    "please come <when>.|I would like a meeting with you <when>.|"
    "could we discuss the <thing> <when>?|is <weekday> <time> possible?|"
    "how about <weekday> <time>?|how about <weekday> <place>?|what about <clock>?|"
    "maybe we can meet <person> <when>.|can you call <person> <when>?",
    "refusal": "no, sorry, I am <cause> <day>.|sorry, I cannot come <when>.|"
    "no, that is not possible.|I am afraid <weekday> is <mood>.|"
    "no, I have another meeting <when>.|sorry, <name>, not <day>.|"
    "no, <clock> is very early.|I must visit <person> <when>.|we cannot meet <place>.",
    "acceptance": "yes, that is <mood>.|yes, <weekday> is <mood>.|yes, please.|of course.|"
    "perfect, thank you.|yes, I can come <when>.|great, see you <when>.|"
    "that sounds <mood>.|yes, <clock> is <mood>.|sure, <name>.|okay, let us meet <place>.",
    "question": "where is the <thing>?|where are you, <name>?|who is coming <when>?|"
    "when does the train leave?|when does the <spot> open?|what time is it?|"
    "what is your number?|which room is it?|is it <room>?|is <person> coming?|"
    "who has the <thing>?|how many people are coming?|why are you <cause>?|"
    "is the <thing> ready?|did you find the <thing>?|can you bring the <thing>?|"
    "do you need the <thing> <day>?|how much is the <thing>?|how long is the meeting?|"
    "will <person> be there?|is the <thing> <place>?",
    "statement": "the <thing> is <place>.|the meeting is <place>.|the meeting starts <time>.|"
    "the train leaves <time>.|it is <clock>.|it is <room>.|<name> has the <thing>.|"
    "my number is <digit> <digit> <digit> <digit>.|<people> will be there.|"
    "<person> is <cause> <day>.|I will bring the <thing>.|I need the <thing> <when>.|"
    "<person> is waiting <place>.|we need <number> minutes.|the <thing> costs <number> dollars.|"
    "the <spot> opens <time>.|take the bus number <number>.|<number> people are coming.|"
    "please bring the <thing> and the <thing>.|please call <name> <when>.|"
    "please call me at <digit> <digit> <digit> <digit> <digit>.|the <spot> is closed <day>.|"
    "the <thing> was <mood>.|I found the <thing> <place>.|we have <food> and <food>.|"
    "<name> works <place>.|do not forget the <thing>.|I saw <person> <place>.|"
    "first we discuss the <thing>, then the <thing>.|it takes about <number> minutes.",
    "answer": "yes, it is.|no, not yet.|yes, <person> is coming.|it is <place>.|"
    "I think it is <place>.|about <number> people.|<name> has it.|maybe <when>.|"
    "<number> dollars.|only <number> minutes.|no, it is <room>.|ask <person>.",
    "closing": "thank you, <name>.|goodbye, <name>.|see you <day>.|see you <day>, <name>.|"
    "thanks, goodbye.|have a good <part>.|great, thank you very much.|until <weekday>, <name>.",
    "sentence": "<greeting>|<wellbeing>|<proposal>|<proposal>|<proposal>|<refusal>|<refusal>|"
    "<acceptance>|<acceptance>|<question>|<question>|<question>|<statement>|<statement>|"
    "<statement>|<statement>|<answer>|<closing>",
}
_ALTERNATIVES = {name: tuple(rule.split("|")) for name, rule in _RULES.items()}

#: Every word of the grammar as it is written inside a sentence, in alphabetical order.
LEXICON: tuple[str, ...] = tuple(
    sorted(set(re.findall(r"[A-Za-z]+", re.sub(r"<\w+>", " ", " ".join(_RULES.values())))))
)


def _count(text: str) -> int:
    """How many forms a text with rules in it has."""
    rules = re.findall(r"<(\w+)>", text)
    return math.prod(sum(map(_count, _ALTERNATIVES[rule])) for rule in rules)


def _forms(text: str) -> list[str]:
    """All forms of a text with rules in it."""
    rule = re.search(r"<(\w+)>", text)
    if rule is None:
        return [text]
    return [
        form
        for alternative in _ALTERNATIVES[rule.group(1)]
        for form in _forms(text.replace(rule.group(), alternative, 1))
    ]


_FEW_FORMS = 30

#: The sentences of templates that have few forms, as ``sentence`` writes them.
RARE: frozenset[str] = frozenset(
    form[0].upper() + form[1:]
    for alternatives in _ALTERNATIVES.values()
    for alternative in alternatives
    if alternative[-1] in ".?" and _count(alternative) <= _FEW_FORMS
    for form in _forms(alternative)
)


def _expand(rng: random.Random, symbol: str) -> str:
    """One random expansion of a rule."""
    alternative = rng.choice(_ALTERNATIVES[symbol])
    return re.sub(r"<(\w+)>", lambda match: _expand(rng, match.group(1)), alternative)


def _say(rng: random.Random, symbol: str) -> str:
    """One random expansion of a rule, with a capital letter."""
    text = _expand(rng, symbol)
    return text[0].upper() + text[1:]


def sentence(rng: random.Random) -> str:
    """A random sentence with capital letter and punctuation.

    Args:
        rng: Source of all randomness.

    Returns:
        ASCII text, the words separated by single spaces.
    """
    return _say(rng, "sentence")


def exchange(rng: random.Random) -> list[str]:
    """A short conversation: greetings, a proposal, refusals, an agreement and a farewell.

    Args:
        rng: Source of all randomness.

    Returns:
        The turns in order, one or more sentences each; whoever speaks alternates.
    """
    turns = [[_say(rng, "greeting")], [_say(rng, "greeting")]]
    if rng.random() < 0.5:
        turns[1].append(_say(rng, "wellbeing"))
    turns.append([_say(rng, "proposal")])
    refusals = rng.randrange(3)
    turns += [[_say(rng, "refusal"), _say(rng, "proposal")] for _ in range(refusals)]
    turns.append([_say(rng, "acceptance")])
    for _ in range(rng.randrange(3)):
        turns.append([_say(rng, "question")])
        turns.append([_say(rng, "answer")])
        if rng.random() < 0.5:
            turns[-1].append(_say(rng, "statement"))
    turns += [[_say(rng, "closing")], [_say(rng, "closing")]]
    return [" ".join(turn) for turn in turns]
