"""Whether a library's function is still the one that ours was written against."""

from __future__ import annotations

import logging

import pytest

from engine.stock import source_digest, unchanged


def known() -> int:
    return 1


def changed() -> int:
    return 2


def test_a_function_is_known_by_its_source(caplog: pytest.LogCaptureFixture) -> None:
    digests = {"one": source_digest(known)}
    with caplog.at_level(logging.WARNING):
        assert unchanged("it", digests, {"one": known})
        assert caplog.messages == []
        assert not unchanged("it", digests, {"one": changed})
    assert caplog.messages == ["it is off: one changed in the library"]


def test_a_function_without_source_is_not_known() -> None:
    assert source_digest(len) == ""
    assert not unchanged("it", {"one": source_digest(known)}, {"one": len})
