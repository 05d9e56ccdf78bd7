"""The image: what is in it, what it sets, and the tool that checks it without an engine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from tests.config_names import names_read_by_config
from tools import build_context, dockerfile

ROOT = Path(__file__).resolve().parent.parent
INSTRUCTIONS = dockerfile.parse((ROOT / "Dockerfile").read_text())

READ_BY_OTHERS = {
    "PATH": "every program",
    "UV_PYTHON_DOWNLOADS": "uv, in the image and when it installs onto the volume",
    "PYTHONUNBUFFERED": "Python",
    "RUNPOD_LOG_LEVEL": "the runpod package",
    "PYANNOTE_METRICS_ENABLED": "pyannote.audio",
    "NVIDIA_VISIBLE_DEVICES": "NVIDIA's container runtime",
    "NVIDIA_DRIVER_CAPABILITIES": "NVIDIA's container runtime",
}


def image_settings() -> dockerfile.Settings:
    """What the whole Dockerfile sets."""
    settings = dockerfile.Settings()
    for instruction in INSTRUCTIONS:
        if instruction.name not in ("FROM", "RUN", "COPY"):
            settings = dockerfile.settle(instruction, settings)
    return settings


def image_files() -> dict[str, PurePosixPath]:
    """Path in the image -> file of the repository."""
    context, settings = build_context.load(ROOT), dockerfile.Settings()
    files: dict[str, PurePosixPath] = {}
    for instruction in INSTRUCTIONS:
        if instruction.name == "COPY":
            *sources, target = instruction.text.split()
            place = dockerfile.absolute(target, settings)
            plan = build_context.copied(context, sources, place)
            files |= {path: source for source, path in plan.items()}
        elif instruction.name == "WORKDIR":
            settings = dockerfile.settle(instruction, settings)
    return files


def own_imports(file: Path) -> set[str]:
    """The repository's files that a module imports, relative to the root."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = name.replace(".", "/")
            for candidate in (f"{path}.py", f"{path}/__init__.py"):
                if (ROOT / candidate).is_file():
                    found.add(candidate)
    return found


def needed_modules() -> set[str]:
    """Every own module that the worker, its engine or the bootstrap reaches."""
    needed: set[str] = set()
    todo = {
        *("handler.py", "bootstrap.py", "transcribe.py"),
        *("engine/__main__.py", "scoring/answer.py"),
    }
    while todo:
        needed |= todo
        todo = {name for file in todo for name in own_imports(ROOT / file)} - needed
    return needed


def test_the_image_holds_every_module_that_production_imports() -> None:
    missing = {f"/app/{name}" for name in needed_modules()} - image_files().keys()
    assert not missing, "add them to the Dockerfile's COPY and to .dockerignore"


def test_the_image_holds_the_parts_of_the_page() -> None:
    parts = {f"/app/formats/page/{path.name}" for path in (ROOT / "formats" / "page").iterdir()}
    assert parts
    assert parts <= image_files().keys()


def test_the_image_holds_the_locks_and_nothing_of_development() -> None:
    files = image_files()
    assert {"/app/requirements.txt", "/app/requirements-worker.txt"} <= files.keys()
    packages = {
        *("speech", "utils", "formats", "shapes", "client", "engine", "volume", "scoring"),
    }
    for path in files.values():
        assert len(path.parts) == 1 or path.parts[0] in packages
        assert path.suffix in (".py", ".txt", ".flac", ".html", ".css", ".js"), path
        assert path.name not in ("requirements-dev.txt", "requirements-local.txt")


def test_every_variable_of_the_image_is_read_by_somebody() -> None:
    assert image_settings().env.keys() <= names_read_by_config() | READ_BY_OTHERS.keys()


def test_nothing_of_the_image_reaches_into_the_models_environment() -> None:
    # PYTHONDONTWRITEBYTECODE: the volume's packages would be compiled anew at each cold start.
    python = {name for name in image_settings().env if name.startswith("PYTHON")}
    assert python == {"PYTHONUNBUFFERED"}


def test_the_sdk_does_not_log_transcripts() -> None:
    assert image_settings().env["RUNPOD_LOG_LEVEL"] in ("INFO", "WARN", "ERROR")


def test_the_command_runs_the_copied_handler_in_the_installed_environment() -> None:
    python, unbuffered, handler = image_settings().command
    assert unbuffered == "-u"
    assert str(image_files()[handler]) == "handler.py"
    runs = " ".join(item.text for item in INSTRUCTIONS if item.name == "RUN")
    assert f"/usr/bin/python3.11 {python.removesuffix('/bin/python')} " in runs


def test_everything_from_the_package_index_is_held_to_hashes() -> None:
    installs = [
        command
        for item in INSTRUCTIONS
        if item.name == "RUN"
        for command in item.text.split("&&")
        if re.search(r"pip\S* (install|sync)", command)
    ]
    assert len(installs) == 2
    for command in installs:
        assert "--require-hashes" in command


def test_the_image_and_the_development_tools_use_one_version_of_uv() -> None:
    script = (ROOT / "tools" / "get_uv.sh").read_text()
    pinned = re.search(r"^UV_VERSION=(\S+)", script, re.MULTILINE)
    assert pinned is not None
    assert image_settings().args["UV_VERSION"] == pinned[1]


@pytest.mark.parametrize(
    "line",
    [
        "HEALTHCHECK NONE",
        "ADD x /x",
        "COPY --from=build /a /b",
        "RUN --mount=type=cache true",
        "RUN <<END",
        "ENV NAME value",
        "CMD [handler]",
        "LABEL 'a'=$b",
        "RUN true \\",
    ],
)
def test_what_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(dockerfile.DockerfileError, match="line 2"):
        for instruction in dockerfile.parse(f"FROM debian:bookworm-slim\n{line}\n")[1:]:
            if instruction.name != "RUN":
                dockerfile.settle(instruction, dockerfile.Settings())


def test_instructions_are_read_as_docker_reads_them() -> None:
    text = """
        # a comment
        FROM debian:bookworm-slim
        ARG WHERE="/opt dir"
        ENV A=1 \\
            # a comment within, and an empty line

            B="$A ${C:-none} \\$A" PATH=/x:$PATH
        WORKDIR /srv
        WORKDIR app
        CMD echo $A
    """
    settings = dockerfile.Settings()
    for instruction in dockerfile.parse(text)[1:]:
        settings = dockerfile.settle(instruction, settings)
    assert settings.args == {"WHERE": "/opt dir"}
    assert settings.env == {"A": "1", "B": " none $A", "PATH": f"/x:{dockerfile.DEFAULT_PATH}"}
    assert settings.workdir == "/srv/app"
    assert settings.command == ("/bin/sh", "-c", "echo $A")
    assert dockerfile.absolute("./", settings) == "/srv/app/"
    assert dockerfile.absolute("x", settings) == "/srv/app/x"


@pytest.fixture
def context(tmp_path: Path) -> build_context.Context:
    for name in ("keep.py", "drop.py", "pkg/a.py", "pkg/sub/b.py", "pkg/__pycache__/a.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("# rules\n*\n!keep.py\n!pkg\n**/__pycache__\n")
    return build_context.load(tmp_path)


def test_dockerignore_lets_through_what_it_names(context: build_context.Context) -> None:
    assert {str(path) for path in context.files()} == {"keep.py", "pkg/a.py", "pkg/sub/b.py"}


def test_copy_places_files_as_docker_does(context: build_context.Context) -> None:
    def places(target: str, *sources: str) -> dict[str, str]:
        plan = build_context.copied(context, sources, target)
        return {str(source): place for source, place in plan.items()}

    assert places("/app/", "keep.py") == {"keep.py": "/app/keep.py"}
    assert places("/app/new.py", "*.py") == {"keep.py": "/app/new.py"}
    # Of a folder, what is in it.
    assert places("/app/p", "pkg") == {"pkg/a.py": "/app/p/a.py", "pkg/sub/b.py": "/app/p/sub/b.py"}
    with pytest.raises(FileNotFoundError, match=r"drop\.py"):
        places("/app/", "drop.py")
    with pytest.raises(ValueError, match="slash"):
        places("/app", "keep.py", "pkg/a.py")


@pytest.mark.parametrize(("option", "status"), [([], 2), (["--allow-skip"], 0)])
def test_the_check_says_when_it_cannot_run(tmp_path: Path, option: list[str], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.image_check", "--cache-dir", str(tmp_path), *option],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},  # no debootstrap there
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert re.fullmatch(r"image-check: cannot run here: .+\n", done.stdout)
