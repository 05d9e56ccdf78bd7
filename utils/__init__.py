"""The outside world: the request's validation, S3 and HTTP, ffmpeg, the engine's client."""
