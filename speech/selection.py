"""Which keys of an answer are returned: ``include`` and ``exclude``, by dotted paths.

A path names a key ("text") or one below it ("timestamps.word"); through a list it goes to each item
("segments.words"). Nothing here changes what it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, get_args

from speech.envelope_schema import SUCCESS
from speech.request import FileFormat, Shape

Tree = dict[str, Any]
"""Names, and a tree of what is below each. Of paths, an empty tree stands for all of it."""
ANY: Final = "*"
"""In a tree: any name, and anything below it."""

_TIMES: Final = "start end"
_WORD: Final = f"word {_TIMES}"
_DEEPGRAM_WORD: Final = f"{_WORD} confidence punctuated_word speaker speaker_confidence"
_ASSEMBLYAI_WORD: Final = f"text {_TIMES} confidence speaker channel"
_PEERS: Final[Mapping[Shape, Mapping[str, str]]] = {
    "text": {"": "text"},
    "openai": {
        "": "task language duration text",
        "words": _WORD,
        "segments": f"id seek {_TIMES} text tokens temperature avg_logprob compression_ratio "
        "no_speech_prob",
        "usage": "type seconds",
    },
    "openai_diarized": {
        "": "task duration text",
        "segments": f"type id {_TIMES} text speaker",
        "usage": "type seconds",
    },
    "whisperx": {
        "": "language",
        "segments": f"{_TIMES} text speaker",
        "segments.words": f"{_WORD} score speaker",
        "word_segments": f"{_WORD} score speaker",
        "speaker_embeddings": ANY,
    },
    "deepgram": {
        "metadata": "transaction_key request_id sha256 created duration channels models",
        "metadata.model_info": ANY,
        "results.channels": "detected_language",
        "results.channels.alternatives": "transcript confidence",
        "results.channels.alternatives.words": _DEEPGRAM_WORD,
        "results.channels.alternatives.paragraphs": "transcript",
        "results.channels.alternatives.paragraphs.paragraphs": f"{_TIMES} num_words speaker",
        "results.channels.alternatives.paragraphs.paragraphs.sentences": f"text {_TIMES}",
        "results.utterances": f"id {_TIMES} confidence channel transcript speaker",
        "results.utterances.words": _DEEPGRAM_WORD,
    },
    "assemblyai": {
        "": "id status audio_url audio_duration audio_channels text confidence language_code "
        "language_confidence language_confidence_threshold punctuate format_text speaker_labels "
        "multichannel speech_model acoustic_model language_model webhook_auth auto_highlights "
        "redact_pii summarization",
        "words": _ASSEMBLYAI_WORD,
        "utterances": f"text {_TIMES} confidence speaker channel",
        "utterances.words": _ASSEMBLYAI_WORD,
    },
}
"""The peers' keys, beneath the path at which they stand (package ``shapes``)."""
_BESIDE: Final[Mapping[str, str]] = {
    "": "warnings",
    "formats": " ".join(get_args(FileFormat)),
    "output": ANY,
}
"""The worker's own keys, which stand in every shape."""


def select(
    answer: Mapping[str, object], include: Sequence[str], exclude: Sequence[str]
) -> dict[str, object]:
    """The answer with the included keys only, and of these without the excluded ones.

    ``success`` stays, so that one sees whether a job succeeded. A key that this answer does not
    have is no fault here: ``unknown`` looks at the names.

    Args:
        answer: In any shape.
        include: Paths to keep; none keeps everything.
        exclude: Paths to leave out.
    """
    kept = dict(answer)
    if include:
        wanted = _tree([*include, "success"])
        kept = {name: _keep(item, wanted[name]) for name, item in kept.items() if name in wanted}
    unwanted = _tree(path for path in exclude if path != "success")
    return _drop_keys(kept, unwanted)


def unknown(paths: Iterable[str], shape: Shape) -> str | None:
    """The first of these paths that no answer in this shape can have; None where there is none."""
    tree = known(shape)
    return next((path for path in paths if not _knows(tree, path.split("."))), None)


def known_paths(shape: Shape) -> tuple[str, ...]:
    """Every path that an answer in this shape may have, for messages; parents before children."""
    return tuple(_paths(known(shape), ""))


@cache
def known(shape: Shape) -> Tree:
    """The keys that an answer in this shape may have."""
    if shape == "default":
        return _of_schema(SUCCESS)
    tree: Tree = {}
    for keys in (_PEERS[shape], _BESIDE):
        for parent, names in keys.items():
            branch = tree
            for name in filter(None, parent.split(".")):
                branch = branch.setdefault(name, {})
            for name in names.split():
                branch.setdefault(name, {})
    return tree


def _of_schema(schema: Mapping[str, Any]) -> Tree:
    """The keys of an object, or of each item of a list."""
    if "items" in schema:
        return _of_schema(schema["items"])
    tree = {name: _of_schema(below) for name, below in schema.get("properties", {}).items()}
    is_open = "object" in schema.get("type", ()) and schema.get("additionalProperties") is not False
    return {**tree, ANY: {}} if is_open else tree


def _knows(tree: Tree, names: Sequence[str]) -> bool:
    for name in names:
        if ANY in tree:
            return True
        if name not in tree:
            return False
        tree = tree[name]
    return True


def _paths(tree: Tree, above: str) -> Iterator[str]:
    for name, below in tree.items():
        if name != ANY:
            yield above + name
            yield from _paths(below, f"{above}{name}.")


def _tree(paths: Iterable[str]) -> Tree:
    """The paths as a tree; what is below a path that is there already adds nothing."""
    tree: Tree = {}
    for path in sorted(paths, key=len):
        branch = tree
        for name in path.split("."):
            if name in branch and not branch[name]:
                break
            branch = branch.setdefault(name, {})
    return tree


def _keep(value: object, tree: Tree) -> object:
    if not tree:
        return value
    if isinstance(value, list):
        return [_keep(item, tree) for item in value]
    if isinstance(value, dict):
        return {name: _keep(item, tree[name]) for name, item in value.items() if name in tree}
    return value


def _drop(value: object, tree: Tree) -> object:
    if not tree:
        return value
    if isinstance(value, list):
        return [_drop(item, tree) for item in value]
    return _drop_keys(value, tree) if isinstance(value, dict) else value


def _drop_keys(value: Mapping[str, object], tree: Tree) -> dict[str, object]:
    return {
        name: _drop(item, tree.get(name, {}))
        for name, item in value.items()
        if name not in tree or tree[name]
    }
