"""The messages between the worker and its engine."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import protocol
from speech.protocol import EngineSettings
from speech.request import Options
from speech.types import Hearing
from tests import strategies

texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def through_the_wire(message: protocol.Message) -> protocol.Message:
    body: protocol.Message = protocol.decode(protocol.encode({"type": "x", "body": message}))[
        "body"
    ]
    return body


@given(st.dictionaries(texts, json_values), texts)
def test_a_message_is_one_line_and_comes_back(message: protocol.Message, kind: str) -> None:
    message = {**message, "type": kind}
    line = protocol.encode(message)
    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1
    assert protocol.decode(line) == message


@given(strategies.hearings())
def test_a_hearing_comes_back(hearing: Hearing) -> None:
    back = protocol.hearing_from_dict(through_the_wire(protocol.hearing_to_dict(hearing)))
    assert back == hearing
    assert hash(back.transcript) == hash(hearing.transcript)  # tuples all the way, no lists


@given(st.builds(Options))
def test_options_come_back(options: Options) -> None:
    back = protocol.options_from_dict(through_the_wire(protocol.options_to_dict(options)))
    assert back == options


@given(st.builds(EngineSettings))
def test_settings_come_back(settings: EngineSettings) -> None:
    back = protocol.settings_from_dict(through_the_wire(protocol.settings_to_dict(settings)))
    assert back == settings


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_json_is_not_sent(bad: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        protocol.encode({"type": "progress", "fraction": bad})


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"words\n", b"[]\n", b"{}\n", b'{"type": 1}\n', b'{"type": "run"', b"\xff\n"],
)
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        protocol.decode(line)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(TypeError, match="no_such_setting"):
        protocol.settings_from_dict({"no_such_setting": 1})
