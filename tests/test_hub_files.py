"""The files of the RunPod Hub: well formed, and true of this worker."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from speech.request import Base64Source
from tests.config_names import names_read_by_config
from utils import validation

ROOT = Path(__file__).resolve().parent.parent

# From the Hub's publishing guide: https://docs.runpod.io/hub/publishing-guide
CUDA_VERSIONS = {"type": "array", "minItems": 1, "items": {"pattern": r"^\d+\.\d+$"}}
COUNT = {"type": "integer", "minimum": 1}
TEXT = {"type": "string", "minLength": 1}


def strict(required: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of the first, maybe some of the second, and nothing else."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


CHOICES = {"type": "array", "items": strict({"label": TEXT, "value": {}}, {})}
INPUT = strict(
    {
        "name": TEXT,
        "type": {"enum": ["string", "number", "boolean", "huggingface"]},
        "description": TEXT,
    },
    {
        "default": {"type": ["string", "number", "boolean"]},
        "required": {"type": "boolean"},
        "advanced": {"type": "boolean"},
        "options": CHOICES,
        "min": {"type": "number"},
        "max": {"type": "number"},
        "trueValue": TEXT,
        "falseValue": TEXT,
    },
)
VARIABLE = {
    "oneOf": [
        strict({"key": TEXT, "value": {"type": "string"}}, {}),
        strict({"key": TEXT, "input": INPUT}, {}),
    ]
}
PRESET = strict({"name": TEXT, "defaults": {"type": "object", "minProperties": 1}}, {})
HUB = strict(
    {
        "title": TEXT,
        "description": TEXT,
        "type": {"const": "serverless"},
        "category": {"enum": ["audio", "embedding", "language", "video", "image"]},
        "config": strict(
            {
                "runsOn": {"enum": ["GPU"]},
                "containerDiskInGb": COUNT,
                "gpuCount": COUNT,
                "gpuIds": TEXT,
            },
            {
                "endpointType": {"const": "LB"},
                "allowedCudaVersions": CUDA_VERSIONS,
                "env": {"type": "array", "items": VARIABLE},
                "presets": {"type": "array", "items": PRESET},
            },
        ),
    },
    {"iconUrl": {"type": "string", "format": "uri"}},
)
TEST = strict({"name": TEXT, "input": {"type": "object"}}, {"timeout": COUNT})
PAIR = strict({"key": TEXT, "value": {"type": "string"}}, {})
TESTS = strict(
    {"tests": {"type": "array", "items": TEST, "minItems": 1}},
    {
        "config": strict(
            {"gpuTypeId": TEXT, "gpuCount": COUNT},
            {
                "env": {"type": "array", "items": PAIR},
                "allowedCudaVersions": CUDA_VERSIONS,
            },
        )
    },
)


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / ".runpod" / name).read_text())
    return content


def inputs() -> dict[str, dict[str, Any]]:
    """Variable -> how the Hub asks for it."""
    return {entry["key"]: entry["input"] for entry in read("hub.json")["config"]["env"]}


@pytest.mark.parametrize(("name", "schema"), [("hub.json", HUB), ("tests.json", TESTS)])
def test_the_file_follows_the_hubs_documentation(name: str, schema: dict[str, Any]) -> None:
    jsonschema.validate(read(name), schema)


def test_the_schema_refuses_a_misspelt_field() -> None:
    hub = read("hub.json")
    hub["config"]["containerDiskInGB"] = hub["config"].pop("containerDiskInGb")
    with pytest.raises(jsonschema.ValidationError, match="containerDiskInGb"):
        jsonschema.validate(hub, HUB)


def test_every_setting_that_the_hub_offers_is_read_by_the_worker() -> None:
    offered = {entry["key"] for entry in read("hub.json")["config"]["env"]}
    in_presets = {
        key for preset in read("hub.json")["config"]["presets"] for key in preset["defaults"]
    }
    in_tests = {entry["key"] for entry in read("tests.json")["config"]["env"]}
    assert offered | in_presets | in_tests <= names_read_by_config()
    assert in_presets <= offered


def config_values(environment: dict[str, str], names: list[str]) -> dict[str, Any]:
    """What a worker with these variables reads into config: {attribute: value}."""
    code = (
        "import config, json, sys; "
        "print(json.dumps({name: getattr(config, name) for name in sys.argv[1:]}))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, *names],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    values: dict[str, Any] = json.loads(printed)
    return values


def test_the_hubs_defaults_are_the_workers_own() -> None:
    attributes = {key: key.removeprefix("PARAKEET_") for key in inputs()}
    own = config_values({}, list(attributes.values()))
    for key, field in inputs().items():
        value = own[attributes[key]]
        assert ("" if value is None else value) == field["default"], key


def test_the_hubs_presets_reach_the_worker() -> None:
    for preset in read("hub.json")["config"]["presets"]:
        attributes = {key: key.removeprefix("PARAKEET_") for key in preset["defaults"]}
        environment = {key: str(value) for key, value in preset["defaults"].items()}
        values = config_values(environment, list(attributes.values()))
        assert {key: values[attributes[key]] for key in attributes} == preset["defaults"]


def test_hosts_are_new_enough_for_the_locked_torch() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    runtime = next(line for line in lock.splitlines() if line.startswith("nvidia-cuda-runtime-cu"))
    built_for = tuple(int(part) for part in runtime.split("==")[1].split(".")[:2])
    for file in ("hub.json", "tests.json"):
        for version in read(file)["config"]["allowedCudaVersions"]:
            assert tuple(int(part) for part in version.split(".")) >= built_for


def test_the_hubs_test_is_a_request_that_needs_no_token() -> None:
    for test in read("tests.json")["tests"]:
        request = validation.parse_request(test["input"])
        assert isinstance(request.source, Base64Source)
        assert not request.options.diarize
        recording = base64.b64decode(request.source.data, validate=True)
        assert recording.startswith(b"OggS")
        assert len(recording) < 20_000
