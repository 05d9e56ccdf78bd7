"""What this machine and its volume lack for production: ``python bootstrap.py --doctor``."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import config
from volume import doctor_hub, doctor_storage, files, machine, programs
from volume.doctor_storage import Storage
from volume.errors import BootstrapError
from volume.findings import Finding, as_json, as_text
from volume.machine import Gpu
from volume.models import Model

__all__ = ["Finding", "as_json", "as_text", "examine"]

PYTHONS: Final = ((3, 11), (3, 12))
UV_SERIES: Final = "0.13."
"""Another may read the lock differently."""

MIN_GPU_BYTES: Final = 22 << 30
"""What is sold as 24 GB shows 22.2 GiB and more."""

MIN_MEMORY_BYTES: Final = 8_000_000_000
"""Restoring Parakeet peaks at 5.9 GB (measured)."""

INTERFERING: Final = ("PYTHON", "PIP_", "UV_", "VIRTUAL_", "CONDA_")
HARMLESS: Final = ("PYTHONUNBUFFERED", "UV_LINK_MODE", "UV_PYTHON_DOWNLOADS")
FOR_EVERY_PYTHON: Final = ("PYTHONPATH", "PYTHONHOME")
PIP_SOURCES: Final = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX")


def examine(
    *,
    volume: Path,
    home: Path,
    local_home: Path,
    device: str,
    installed: bool,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
    proc: Path = machine.PROC,
) -> tuple[Finding, ...]:
    """Run all checks. The models, their token, S3 and ffmpeg are the configured ones.

    Args:
        volume: Where the network volume is, or would be, mounted.
        home: The worker's folder on it; it need not be there yet.
        local_home: What takes its place.
        device: auto, cuda or cpu.
        installed: Whether the environment and the models are there, so that nothing is fetched.
        environment: The variables; None takes this process's.
        timeout_s: For the volume's and the hub's answers, each.
        proc: The proc file system.
    """
    variables_here = os.environ if environment is None else environment
    endpoint = variables_here.get("HF_ENDPOINT", "").strip() or doctor_hub.HUB
    storage = doctor_storage.look(volume, local_home, timeout_s, proc)
    gpus, driver_version = machine.gpus(), machine.driver_version(proc)
    models, hub_ahead_s = check_models(endpoint, config.HF_TOKEN, installed, timeout_s)
    return (
        doctor_storage.volume(storage),
        doctor_storage.writing(storage, installed),
        doctor_storage.space(storage, home, installed),
        doctor_storage.local_disk(storage, installed),
        python(sys.version_info[:3]),
        uv(installed),
        driver(driver_version, machine.cuda_driver_api(), device),
        gpu(gpus, device, driver_version),
        memory(machine.memory_bytes(proc)),
        ffmpeg(config.FFMPEG),
        *models,
        doctor_hub.clock(hub_ahead_s, volume_ahead_s(storage)),
        variables(variables_here),
        s3(),
    )


def check_models(
    endpoint: str, token: str | None, installed: bool, timeout_s: float
) -> tuple[list[Finding], float | None]:
    """The findings of both models, and how far the hub's clock is ahead."""
    findings: list[Finding] = []
    answer: doctor_hub.Answer | None = None
    for model in (
        Model("speech", config.ASR_MODEL, config.ASR_REVISION, 0),
        Model("diarization", config.DIARIZATION_MODEL, config.DIARIZATION_REVISION, 0),
    ):
        silent = answer is not None and answer.status is None  # it would be so again
        if not model.is_path and not config.OFFLINE and not silent:
            answer = doctor_hub.ask(endpoint, model, token, timeout_s)
        findings.append(doctor_hub.model(model, answer, token=token, installed=installed))
    return findings, answer.ahead_s if answer else None


def volume_ahead_s(storage: Storage) -> float | None:
    """The volume's clock minus ours; None where nothing can be written there."""
    if storage.failure is not None:
        return None
    try:
        return files.volume_time_s(storage.volume) - time.time()
    except OSError:
        return None


def python(version: Sequence[int]) -> Finding:
    """Is this a Python for which the locks are made?"""
    found = f"{'.'.join(map(str, version))} ({sys.executable})"
    if tuple(version[:2]) in PYTHONS:
        return Finding("Python", "ok", found)
    return Finding("Python", "problem", found, "Use Python 3.11 or 3.12, as the image does.")


def uv(installed: bool) -> Finding:
    """Is the installer there?"""
    try:
        program = programs.uv()
    except BootstrapError as error:
        return Finding("uv", "warning" if installed else "problem", "none", error.message)
    status, text = machine.run_bounded([program, "--version"], machine.PROGRAM_TIMEOUT_S)
    version = [*text.split(), "", ""][1]
    if status != 0 or not version:
        advice = f"Install it anew with `pip install uv=={UV_SERIES}*`."
        return Finding("uv", "problem", f"{program} does not run", advice)
    if version.startswith(UV_SERIES):
        return Finding("uv", "ok", f"{version} ({program})")
    advice = f"Tested with {UV_SERIES}x: install it with `pip install uv=={UV_SERIES}*`."
    return Finding("uv", "warning", f"{version} ({program})", advice)


def driver(version: str | None, cuda: tuple[int, int] | None, device: str) -> Finding:
    """Is the NVIDIA driver there, and new enough?"""
    if version is None and device == "cpu":
        return Finding("driver", "ok", "none; PARAKEET_DEVICE is cpu")
    if version is None:
        advice = f"NVIDIA's driver of the host, {machine.MIN_DRIVER} or newer, must be visible."
        return Finding("driver", "problem", "none", f"{advice} {machine.NO_GPU_HERE}")
    found = version + (f", CUDA {cuda[0]}.{cuda[1]}" if cuda else "")
    if problem := machine.driver_problem(version):
        return Finding("driver", "problem", found, f"{problem} {machine.ALLOW_NEW_CUDA}")
    return Finding("driver", "ok", found)


def gpu(found: Sequence[Gpu], device: str, driver_version: str | None) -> Finding:
    """Is there a GPU, and is it large enough?"""
    text = "; ".join(f"{each.name}, {each.memory_bytes / 2**30:.1f} GiB" for each in found)
    if device == "cpu":
        advice = "On the CPU the worker is for trying only."
        return Finding("GPU", "warning", "not used: PARAKEET_DEVICE is cpu", advice)
    if not found and driver_version is not None and shutil.which("nvidia-smi") is None:
        advice = "Set NVIDIA_DRIVER_CAPABILITIES to compute,utility."
        return Finding("GPU", "warning", "not known: nvidia-smi is not there", advice)
    if not found:
        advice = f"Production needs an NVIDIA GPU of 24 GB or more. {machine.NO_GPU_HERE}"
        return Finding("GPU", "problem", "none", advice)
    if any(0 < each.memory_bytes < MIN_GPU_BYTES for each in found):
        advice = "Choose a GPU of 24 GB or more: long recordings do not fit."
        return Finding("GPU", "warning", text, advice)
    return Finding("GPU", "ok", text)


def memory(total_bytes: int) -> Finding:
    """Has the container memory enough?"""
    found = f"{total_bytes / 1e9:.1f} GB"
    if total_bytes >= MIN_MEMORY_BYTES:
        return Finding("memory", "ok", found)
    return Finding("memory", "warning", found, "Loading the models needs 8 GB.")


def ffmpeg(configured: str | None) -> Finding:
    """Is there a program that decodes, and does it run?"""
    program = configured or shutil.which("ffmpeg") or _packaged_ffmpeg()
    advice = "Install ffmpeg or the package imageio-ffmpeg, or name the program in PARAKEET_FFMPEG."
    if program is None:
        return Finding("ffmpeg", "problem", "none", advice)
    status, text = machine.run_bounded([program, "-version"], machine.PROGRAM_TIMEOUT_S)
    if status != 0:
        return Finding("ffmpeg", "problem", f"{program} does not run", advice)
    version = [*text.split(), "", "", ""][2]
    return Finding("ffmpeg", "ok", f"{version} ({program})")


def variables(environment: Mapping[str, str]) -> Finding:
    """Does the image set what would change the models' environment? Names only, never values."""
    clean = programs.clean_environment(environment)
    names = sorted(
        name
        for name in environment
        if name.startswith(INTERFERING) and name not in clean and name not in HARMLESS
    )
    found = "kept out of the models' environment: " + ", ".join(names)
    advice = []
    if pollute := [name for name in names if name in FOR_EVERY_PYTHON]:
        advice.append(f"Unset {' and '.join(pollute)}, which changes the worker's own Python.")
    if any(name in PIP_SOURCES for name in names):
        advice.append("pip's settings are not read: name a package index in UV_DEFAULT_INDEX.")
    if any(name.startswith("UV_") for name in names):
        advice.append("Of uv's settings only those of indexes, cache and network are taken.")
    if not names:
        found = "none that would change the models' environment"
    return Finding("variables", "warning" if advice else "ok", found, " ".join(advice))


def s3() -> Finding:
    """Are the settings for ``s3_key`` complete?"""
    settings = {
        "S3_ACCESS_KEY": config.S3_ACCESS_KEY,
        "S3_SECRET_KEY": config.S3_SECRET_KEY,
        "S3_ENDPOINT": config.S3_ENDPOINT,
        "S3_BUCKET": config.S3_BUCKET,
    }
    missing = [name for name, value in settings.items() if not value]
    if not missing:
        return Finding("S3", "ok", "configured")
    if len(missing) == len(settings):
        return Finding("S3", "ok", "not configured: URLs work, s3_key does not")
    advice = (
        "Without both keys no s3_key is served; without an endpoint Amazon's is asked; without a "
        "bucket each request must name one."
    )
    return Finding("S3", "warning", f"not set: {', '.join(missing)}", advice)


def _packaged_ffmpeg() -> str | None:
    """The program in the imageio-ffmpeg package, where it is installed."""
    package = importlib.util.find_spec("imageio_ffmpeg")
    folders = (package and package.submodule_search_locations) or []
    found = [path for folder in folders for path in Path(folder).glob("binaries/ffmpeg-*")]
    return str(found[0]) if found else None
