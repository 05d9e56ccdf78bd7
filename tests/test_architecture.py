"""Who may import whom. A new module fails here until it is given its place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A module may import only modules of lower rank. Stages share a rank: none imports another.
RANKS = {
    "config": 0,
    "speech.request": 0,
    "speech.types": 1,
    "speech.errors": 0,
    "speech.protocol": 2,
    "speech.timeline": 2,
    "speech.spoken": 2,
    "speech.references": 3,
    "speech.activity": 2,
    "speech.sentences": 2,
    "speech.coverage": 3,
    "speech.evidence": 3,
    "speech.strands": 3,
    "speech.decision": 4,
    "speech.labelling": 5,
    "speech.segments": 3,
    "speech.copies": 3,
    "speech.channels": 6,
    "speech.envelope": 2,
    "speech.file_formats": 1,
    "speech.envelope_schema": 3,
    "speech.selection": 4,
    "speech.subtitle_rules": 1,
    "formats.clean": 0,
    "formats.small_words": 0,
    "formats.cue_words": 3,
    "formats.line_breaks": 4,
    "formats.cutting": 5,
    "formats.cues": 6,
    "formats.subtitles": 7,
    "formats.texts": 2,
    "formats.tables": 2,
    "formats.annotations": 2,
    "formats.files": 8,
    "formats.page_data": 4,
    "formats.page": 5,
    "shapes.parts": 2,
    "shapes.openai": 3,
    "shapes.whisperx": 3,
    "shapes.deepgram": 3,
    "shapes.assemblyai": 3,
    "shapes.answer": 4,
    "speech.chunks": 3,
    "speech.live": 4,
    "speech.regrouping": 4,
    "speech.earlier": 3,
    "speech.json_values": 2,
    "speech.recording": 1,
    "speech.forecast": 2,
    "utils.request_fields": 3,
    "utils.request_objects": 4,
    "utils.presentation_fields": 4,
    "utils.request_schemas": 5,
    "utils.presentation_table": 6,
    "utils.request_table": 7,
    "utils.request_checks": 7,
    "utils.validation": 8,
    "utils.http_answers": 3,
    "utils.container_ends": 3,
    "utils.ffmpeg_log": 3,
    "utils.ffmpeg_process": 3,
    "utils.addresses": 3,
    "utils.inline": 4,
    "utils.local_file": 4,
    "utils.download": 5,
    "utils.s3": 4,
    "utils.decode_faults": 4,
    "utils.audio": 5,
    "utils.crosstalk": 4,
    "utils.channel_hearing": 3,
    "utils.language": 4,
    "utils.notices": 8,
    "utils.webhook": 7,
    "utils.upload": 6,
    "utils.s3_upload": 7,
    "utils.http_session": 4,
    "utils.workspace": 4,
    "utils.together": 2,
    "utils.sources": 6,
    "utils.voices": 7,
    "utils.progress": 4,
    "utils.engine_process": 4,
    "utils.turns": 2,
    "utils.job_log": 2,
    "utils.engine_launch": 3,
    "utils.scoring_process": 5,
    "utils.engine_client": 6,
    "engine.words": 3,
    "engine.attention": 1,
    "engine.checksums": 3,
    "engine.weights": 4,
    "engine.hub": 4,
    "engine.hub_download": 5,
    "engine.memory": 3,
    "engine.small_resnet": 3,
    "engine.shape": 2,
    "engine.faults": 2,
    "engine.control_groups": 1,
    "engine.cores": 2,
    "engine.batches": 2,
    "engine.hotwords": 2,
    "engine.mel": 4,
    "engine.relative_attention": 4,
    "engine.fastconformer": 5,
    "engine.tdt": 3,
    "engine.tdt_steps": 4,
    "engine.fast_model": 6,
    "engine.nemo_attention": 4,
    "engine.nemo_hotwords": 3,
    "engine.nemo_model": 5,
    "engine.nemo_weights": 3,
    "engine.convert": 7,
    "engine.parakeet": 7,
    "engine.lane": 3,
    "engine.job": 4,
    "engine.light_imports": 2,
    "engine.stock": 2,
    "engine.linkage": 2,
    "engine.clustering": 3,
    "engine.reconstruction": 3,
    "engine.recorded": 1,
    "engine.silences": 2,
    "engine.footprint": 3,
    "engine.plan": 4,
    "engine.passes": 3,
    "engine.repair": 4,
    "engine.chunks": 2,
    "engine.speaker_turns": 3,
    "engine.folded_resnet": 2,
    "engine.embeddings": 4,
    "engine.segmentation": 4,
    "engine.shared_passes": 4,
    "engine.diarization_progress": 3,
    "engine.diarization_stages": 5,
    "engine.voice_matching": 3,
    "engine.voice_speech": 3,
    "engine.known_clusters": 4,
    "engine.voices": 6,
    "engine.diarizer": 7,
    "engine.sortformer_turns": 2,
    "engine.sortformer_model": 4,
    "engine.sortformer": 5,
    "engine.diarizing": 8,
    "engine.courses": 5,
    "engine.transcribing": 8,
    "engine.hearing": 9,
    "engine.server": 10,
    "engine.__main__": 11,
    "scoring.tokens": 4,
    "scoring.results": 3,
    "scoring.part": 3,
    "scoring.table": 3,
    "scoring.words": 5,
    "scoring.speakers": 5,
    "scoring.turns": 4,
    "scoring.score": 6,
    "scoring.answer": 7,
    "scoring.__main__": 7,
    "volume.errors": 1,
    "volume.steps": 1,
    "volume.findings": 1,
    "volume.archive_part": 1,
    "volume.proof": 1,
    "volume.machine": 2,
    "volume.files": 2,
    "volume.programs": 3,
    "volume.lease": 3,
    "volume.local": 3,
    "volume.archive": 4,
    "volume.publish": 4,
    "volume.usage": 4,
    "volume.read_ahead": 2,
    "volume.homes": 3,
    "volume.environment": 5,
    "volume.models": 5,
    "volume.fast_model": 6,
    "volume.configured": 7,
    "volume.install": 6,
    "volume.pack": 7,
    "volume.build": 8,
    "volume.shadow": 8,
    "volume.model_download": 9,
    "volume.conversion": 9,
    "volume.garbage": 7,
    "volume.provide_models": 10,
    "volume.provide": 11,
    "volume.state": 11,
    "volume.doctor_storage": 6,
    "volume.doctor_hub": 6,
    "volume.doctor": 7,
    "bootstrap": 12,
    "pipeline": 8,
    "presentation": 10,
    "delivery": 11,
    "launching": 12,
    "handler": 13,
    "client.errors": 13,
    "client.options": 13,
    "client.conversation": 13,
    "client.console": 14,
    "client.files": 14,
    "client.transcript": 14,
    "client.chunks": 14,
    "client.upload": 14,
    "client.receipts": 14,
    "client.items": 14,
    "client.calls": 14,
    "client.waiting": 15,
    "client.again": 15,
    "client.local": 15,
    "client.progress_bar": 13,
    "client.endpoint": 16,
    "client.remote": 17,
    "client.batch": 18,
    "client.command_line": 19,
    "transcribe": 20,
}

STDLIB = set(sys.stdlib_module_names)

# What each package may take from elsewhere. Nothing here: the standard library only.
THIRD_PARTY = {
    "utils": {
        "aiohttp", "aiohttp_retry", "yarl", "boto3", "botocore", "ffmpeg", "imageio_ffmpeg",
        "numpy", "py3langid",
    },
    "engine": {
        "torch", "torchaudio", "numpy", "soundfile", "nemo", "pyannote", "omegaconf", "lightning",
        "huggingface_hub", "safetensors", "scipy", "sentencepiece",
    },
    "formats": {"pysubs2"},
    "client": {"runpod", "rich", "requests", "boto3", "botocore"},
    "scoring": {"jiwer", "meeteval", "pyannote", "numpy", "scipy"},
    "handler": {"runpod"},
}  # fmt: skip

# Packages never seen from the other side of the seam.
# fmt: off
PACKAGES_SEEN = {
    "speech": {"speech"},
    "utils": {"speech", "utils", "config"},
    "engine": {"speech", "engine"},
    "scoring": {"speech", "scoring"},
    "formats": {"speech", "formats"},
    "shapes": {"speech", "shapes"},
    "client": {
        "speech", "utils", "formats", "client", "volume", "config", "pipeline", "presentation",
        "launching",
    },
    "transcribe": {"client"},
    "volume": {"volume", "config"},
    "bootstrap": {"volume", "config"},
    "pipeline": {"speech", "utils"},
    "handler": {
        "speech", "utils", "volume", "config", "pipeline", "presentation", "delivery", "launching",
    },
    "presentation": {"speech", "formats", "shapes"},
    "delivery": {"speech", "utils", "formats", "config", "presentation"},
    "launching": {"speech", "utils", "volume", "config"},
    "config": set(),
}
# fmt: on


def production_modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.glob("*.py")):
        yield path.stem, path
    for package in (
        "speech",
        "utils",
        "formats",
        "shapes",
        "client",
        "engine",
        "scoring",
        "volume",
    ):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py":
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


MODULES = dict(production_modules())


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, but for types only."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide who imports whom"
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                yield deeper if deeper in MODULES else str(node.module)


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_only_what_lies_below_it(name: str) -> None:
    assert name in RANKS, f"{name} has no place yet: give it a rank here and a line in the layout"
    package = name.partition(".")[0]
    for imported in imports(MODULES[name]):
        top = imported.partition(".")[0]
        if top in STDLIB:
            continue
        if imported in MODULES:
            assert RANKS[imported] < RANKS[name], f"{name} must not import {imported}"
            assert top in PACKAGES_SEEN[package], f"{package} must not see {top}"
        else:
            assert top in THIRD_PARTY.get(package, set()), f"{name} must not import {imported}"


def test_every_rank_belongs_to_a_module() -> None:
    assert set(RANKS) == set(MODULES)


def test_only_the_handler_catches_everything() -> None:
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                caught = "everything" if node.type is None else ast.unparse(node.type)
                broad = caught in ("everything", "Exception", "BaseException")
                assert not broad or name == "handler", f"{name} catches {caught}"


def test_config_is_imported_whole() -> None:
    # `from config import X` would copy a setting at import, where a test or a tool cannot reach it.
    for path in MODULES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "config"), path


def test_files_and_functions_stay_short() -> None:
    for name, path in MODULES.items():
        text = path.read_text()
        assert len(text.splitlines()) <= 260, f"{name} has grown too long: split it"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
                assert lines <= 60, f"{name}.{node.name} has grown too long: {lines} lines"
