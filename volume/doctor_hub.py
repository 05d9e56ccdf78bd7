"""The doctor's checks of the models on their hub, and of the clock, by the hub's answer."""

from __future__ import annotations

import time
import urllib.request
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit

from volume.findings import Finding
from volume.models import PATTERNS, Model

HUB: Final = "https://huggingface.co"

MAX_CLOCK_DIFFERENCE_S: Final = 60.0
"""S3 refuses signatures that are 15 minutes off; no sound machine is off by one."""

NAMES: Final = {"speech": "speech model", "diarization": "speaker model"}
VARIABLES: Final = {"speech": "PARAKEET_ASR_MODEL", "diarization": "PARAKEET_DIARIZATION_MODEL"}
CONSEQUENCES: Final = {
    "speech": "nothing can be transcribed",
    "diarization": "pyannote cannot be served (auto takes Sortformer instead)",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the hub said."""

    status: int | None
    """None where it said nothing."""
    failure: str = ""
    """Why it said nothing."""
    is_readable: bool = False
    ahead_s: float | None = None
    """The hub's clock minus ours."""


class _SameHostOnly(urllib.request.HTTPRedirectHandler):
    """Never takes the token to another host: that the hub redirects there is answer enough."""

    def redirect_request(  # noqa: PLR0917  the base class's
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request, or None to end here."""
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def ask(endpoint: str, model: Model, token: str | None, timeout_s: float) -> Answer:
    """Ask the hub for a small file of a model, as a download would; the file is not read."""
    path = f"{model.name}/resolve/{quote(model.revision, safe='')}/config.yaml"
    headers = {"User-Agent": "parakeet-worker"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        host = urlsplit(endpoint).hostname
        request = urllib.request.Request(  # noqa: S310  http and https only: the opener's handlers
            f"{endpoint.rstrip('/')}/{path}", headers=headers, method="HEAD"
        )
        if request.type not in ("http", "https") or not host:
            return Answer(None, "HF_ENDPOINT is no http or https address")
        opener = urllib.request.build_opener(_SameHostOnly)
        with opener.open(request, timeout=timeout_s) as response:
            return Answer(response.status, "", True, _ahead_s(response.headers))
    except HTTPError as error:
        with error:
            # It redirects to where its large files are, or has the model but not this file in it.
            lacks_file = error.headers.get("X-Error-Code") == "EntryNotFound"
            is_readable = error.code < 400 or lacks_file
            return Answer(error.code, "", is_readable, _ahead_s(error.headers))
    except (OSError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        reason = getattr(cause, "strerror", None) or type(cause).__name__
        if isinstance(cause, TimeoutError):
            reason = f"no answer within {timeout_s:g} s"
        return Answer(None, f"{host} cannot be reached ({reason})")
    except ValueError:  # its message may hold the token
        return Answer(None, "HF_ENDPOINT or HF_TOKEN holds what cannot be sent")


def model(wanted: Model, answer: Answer | None, *, token: str | None, installed: bool) -> Finding:
    """Can the worker get this model?

    Args:
        wanted: The model.
        answer: The hub's; None where it was not asked.
        token: Whether there is one matters, not what it is.
        installed: It is not needed any more then.
    """
    name = NAMES[wanted.kind]
    if wanted.is_path:
        return _local(wanted)
    if answer is not None and answer.is_readable:
        return Finding(
            name, "ok", f"{wanted.name} can be read {'with' if token else 'without'} a token"
        )
    found, advice = _why_not(wanted, answer, token)
    if installed:
        return Finding(name, "warning", f"{found}; it is there already", advice)
    return Finding(name, "problem", f"{found}: {CONSEQUENCES[wanted.kind]}", advice)


def clock(hub_ahead_s: float | None, volume_ahead_s: float | None) -> Finding:
    """Is this machine's clock right? None: could not be compared."""
    others = {"hub": hub_ahead_s, "volume": volume_ahead_s}
    known = {name: ahead_s for name, ahead_s in others.items() if ahead_s is not None}
    found = ", ".join(f"{_apart(ahead_s)} the {name}'s" for name, ahead_s in known.items())
    if not known:
        return Finding("clock", "warning", "there is nothing to compare it with")
    if all(abs(ahead_s) <= MAX_CLOCK_DIFFERENCE_S for ahead_s in known.values()):
        return Finding("clock", "ok", found)
    advice = "S3 refuses signatures by a clock that is minutes off. Take another host."
    return Finding("clock", "warning", found, advice)


def _ahead_s(headers: Message) -> float | None:
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp() - time.time()
    except (TypeError, ValueError):
        return None


def _apart(ahead_s: float) -> str:
    if abs(ahead_s) < 2:  # a Date header has whole seconds
        return "the same as"
    return f"{abs(ahead_s):.0f} s {'behind' if ahead_s > 0 else 'ahead of'}"


def _local(wanted: Model) -> Finding:
    """A model that the operator has put somewhere."""
    name, path = NAMES[wanted.kind], Path(wanted.name)
    found = f"{wanted.name}, a local path"
    there = path.is_file() if wanted.kind == "speech" else (path / PATTERNS[wanted.kind]).is_file()
    if there:
        return Finding(name, "ok", found)
    needs = "a .nemo file" if wanted.kind == "speech" else "a folder with a config.yaml"
    advice = f"{VARIABLES[wanted.kind]} must be {needs}, or a name of the hub."
    return Finding(name, "problem", f"{found}, is not there: {CONSEQUENCES[wanted.kind]}", advice)


def _why_not(wanted: Model, answer: Answer | None, token: str | None) -> tuple[str, str]:
    """Why a model cannot be had, and what to do."""
    accept = f"Accept the conditions on {HUB}/{wanted.name} with"
    new_token = f"{accept} a Hugging Face account, make a token that may read, and set HF_TOKEN."
    elsewhere = f"set {VARIABLES[wanted.kind]} to a path that has the weights."
    lacks_token = wanted.kind == "diarization" and not token
    if answer is None:
        return f"{wanted.name}: HF_HUB_OFFLINE forbids the download", f"Unset it, or {elsewhere}"
    if answer.status is None:
        also, first = ("HF_TOKEN is not set, and ", f"{new_token} ") if lacks_token else ("", "")
        advice = f"{first}Check the network and HF_ENDPOINT, or {elsewhere}"
        return f"{also}{answer.failure}", advice
    if answer.status in (401, 403):
        if not token:
            return f"HF_TOKEN is not set, and {wanted.name} needs one", new_token
        advice = f"{accept} the account of the token, or make a new token that may read it."
        return f"the token in HF_TOKEN has no access to {wanted.name} ({answer.status})", advice
    if answer.status == 404:
        found = f"{wanted.name} is not on the hub at revision {wanted.revision[:12]}"
        return found, f"Correct {VARIABLES[wanted.kind]} and its revision."
    return f"the hub answered {answer.status}", f"Try again later, or {elsewhere}"
