"""A new user without a token: the whole worker, from an empty volume to speakers."""

from __future__ import annotations

from pathlib import Path

from tests import worker_process
from tests.control_plane_state import Rules
from tests.demo_worker import conversation_base64, demo_worker
from tests.sortformers import save
from tests.two_models_hub import two_models, variables


def test_without_a_token_there_are_speakers_all_the_same(tmp_path: Path) -> None:
    checkpoint = save(tmp_path / "small.nemo").read_bytes()
    with (
        two_models(checkpoint) as (gated, free),
        worker_process.endpoint(Rules(lease_s=120)) as endpoint,
        demo_worker(
            endpoint, "new-user", tmp_path, {**variables(free), "HF_HUB_OFFLINE": "0"}
        ) as worker,
    ):
        request = {"audio_base64": conversation_base64(), "end": 8}
        jobs = [
            worker.run(request),
            worker.run({**request, "diarizer": "sortformer"}),
            worker.run({**request, "diarizer": "pyannote"}),
            worker.run({**request, "speaker_embeddings": True}),
        ]
        auto, sortformer = (worker.completed(job) for job in jobs[:2])
        refused = [worker.finished(job) for job in jobs[2:]]
    assert gated.requests
    assert auto["models"]["diarization"] == "someone/open@01234567"
    assert auto["speakers"]
    assert all(word["speaker"] for word in auto["timestamps"]["word"])
    warning = next(text for text in auto["warnings"] if text.startswith("Sortformer told the"))
    assert "set HF_TOKEN" in warning
    assert sortformer["speakers"] == auto["speakers"]
    assert not any(text.startswith("Sortformer told the") for text in sortformer["warnings"])
    for view in refused:
        assert view["status"] == "FAILED"
        assert view["output"]["error_code"] == "diarization_unavailable"
        assert "set HF_TOKEN" in view["output"]["message"]
