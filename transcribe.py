"""``python -m transcribe FILE...``: recordings to text, on this machine or at a RunPod endpoint."""

from __future__ import annotations

from client import command_line

if __name__ == "__main__":
    command_line.main()
