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
    "speech.types": 0,
    "speech.errors": 0,
    "speech.protocol": 1,
    "speech.timeline": 1,
    "speech.activity": 1,
    "speech.sentences": 1,
    "speech.labelling": 2,
    "speech.segments": 2,
    "speech.envelope": 1,
    "utils.request_fields": 2,
    "utils.validation": 3,
    "utils.http_answers": 2,
    "utils.container_ends": 2,
    "utils.ffmpeg_log": 2,
    "utils.ffmpeg_process": 2,
    "utils.addresses": 2,
    "utils.inline": 3,
    "utils.download": 3,
    "utils.s3": 3,
    "utils.audio": 3,
    "utils.workspace": 3,
    "utils.progress": 3,
    "utils.engine_process": 3,
    "utils.turns": 1,
    "utils.job_log": 1,
    "utils.engine_launch": 2,
    "utils.engine_client": 4,
    "engine.words": 2,
    "engine.attention": 2,
    "engine.checksums": 2,
    "engine.weights": 3,
    "engine.hub": 3,
    "engine.hub_download": 4,
    "engine.memory": 2,
    "engine.small_resnet": 2,
    "engine.shape": 1,
    "engine.faults": 1,
    "engine.cores": 1,
    "engine.batches": 1,
    "engine.mel": 2,
    "engine.relative_attention": 3,
    "engine.fastconformer": 4,
    "engine.tdt": 2,
    "engine.tdt_steps": 3,
    "engine.fast_model": 5,
    "engine.nemo_attention": 3,
    "engine.nemo_model": 4,
    "engine.nemo_weights": 2,
    "engine.convert": 6,
    "engine.parakeet": 6,
    "engine.lane": 2,
    "engine.job": 2,
    "engine.light_imports": 1,
    "engine.stock": 1,
    "engine.linkage": 1,
    "engine.clustering": 2,
    "engine.reconstruction": 2,
    "engine.chunks": 1,
    "engine.speaker_turns": 2,
    "engine.folded_resnet": 1,
    "engine.embeddings": 3,
    "engine.segmentation": 3,
    "engine.shared_passes": 3,
    "engine.diarization_progress": 2,
    "engine.diarization_stages": 4,
    "engine.diarizer": 5,
    "engine.transcribing": 7,
    "engine.hearing": 8,
    "engine.server": 9,
    "engine.__main__": 10,
    "volume.errors": 0,
    "volume.steps": 0,
    "volume.findings": 0,
    "volume.archive_part": 0,
    "volume.proof": 0,
    "volume.machine": 1,
    "volume.files": 1,
    "volume.programs": 2,
    "volume.lease": 2,
    "volume.local": 2,
    "volume.archive": 3,
    "volume.publish": 3,
    "volume.usage": 3,
    "volume.read_ahead": 1,
    "volume.homes": 2,
    "volume.environment": 4,
    "volume.models": 4,
    "volume.fast_model": 5,
    "volume.configured": 6,
    "volume.install": 5,
    "volume.pack": 6,
    "volume.build": 7,
    "volume.shadow": 7,
    "volume.model_download": 8,
    "volume.conversion": 8,
    "volume.garbage": 6,
    "volume.provide_models": 9,
    "volume.provide": 10,
    "volume.state": 10,
    "volume.doctor_storage": 5,
    "volume.doctor_hub": 5,
    "volume.doctor": 6,
    "bootstrap": 11,
    "pipeline": 5,
    "handler": 11,
}

STDLIB = set(sys.stdlib_module_names)

# What each package may take from elsewhere. Nothing here: the standard library only.
THIRD_PARTY = {
    "utils": {"aiohttp", "aiohttp_retry", "yarl", "boto3", "botocore", "ffmpeg", "imageio_ffmpeg"},
    "engine": {
        "torch", "torchaudio", "numpy", "soundfile", "nemo", "pyannote", "omegaconf", "lightning",
        "huggingface_hub", "safetensors", "scipy",
    },
    "handler": {"runpod"},
}  # fmt: skip

# Packages never seen from the other side of the seam.
PACKAGES_SEEN = {
    "speech": {"speech"},
    "utils": {"speech", "utils", "config"},
    "engine": {"speech", "engine"},
    "volume": {"volume", "config"},
    "bootstrap": {"volume", "config"},
    "pipeline": {"speech", "utils"},
    "handler": {"speech", "utils", "volume", "bootstrap", "config", "pipeline"},
    "config": set(),
}


def production_modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.glob("*.py")):
        yield path.stem, path
    for package in ("speech", "utils", "engine", "volume"):
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
