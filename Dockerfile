# The worker's own, small half. The models' environment (torch, NeMo, pyannote) and the weights live on
# the network volume, where bootstrap.py puts them on first use. torch's wheels bring CUDA's libraries,
# so no CUDA base image is needed: the host gives the driver.
#
# Debian's Python keeps its path (/usr/bin/python3.11) and its version for the release's whole life, with
# security fixes. The environment on the volume points at that interpreter and is named after its
# version; an image with a newer patch release in each build would install 8 GB anew each time.
FROM debian:bookworm-slim

LABEL org.opencontainers.image.title="parakeet-worker" \
      org.opencontainers.image.description="RunPod serverless worker: Parakeet TDT transcription and pyannote speaker diarization"

# Debian's ffmpeg, although it makes up most of the image: it reads files from anywhere, and Debian
# mends it. Versions are not pinned because the archive drops a version once a fixed one is there.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates ffmpeg python3 python3-pip-whl \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log

# uv installs the worker's packages here and the models' environment on the volume. pip, from Debian's
# wheel of it, is only the way to a uv whose bytes are known.
ARG UV_VERSION=0.13.8
ARG UV_SHA256=e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984
RUN set -- /usr/share/python-wheels/pip-*.whl \
    && echo "uv==$UV_VERSION --hash=sha256:$UV_SHA256" > /tmp/uv.txt \
    && python3 -B "$1/pip" install --no-cache-dir --no-compile --require-hashes --target /tmp/uv -r /tmp/uv.txt \
    && mv /tmp/uv/bin/uv /usr/local/bin/uv \
    && rm -rf /tmp/uv /tmp/uv.txt

# The engine must rest on this image's Python, never on one that uv downloads.
ENV UV_PYTHON_DOWNLOADS=never

WORKDIR /app
COPY requirements-worker.txt ./
RUN uv venv --no-cache --python /usr/bin/python3.11 /opt/worker \
    && uv pip sync --no-cache --require-hashes --compile-bytecode --python /opt/worker/bin/python requirements-worker.txt

COPY handler.py pipeline.py presentation.py delivery.py launching.py transcribe.py bootstrap.py \
     config.py requirements.txt ./
COPY speech ./speech
COPY utils ./utils
COPY formats ./formats
COPY shapes ./shapes
COPY client ./client
COPY engine ./engine
COPY volume ./volume
COPY scoring ./scoring
# Here and not through a variable: PYTHONDONTWRITEBYTECODE, which many images set, would reach the
# environment on the volume too and cost each cold start some 12 s (measured: an import of NeMo).
RUN /opt/worker/bin/python -m compileall -q /app

# The SDK's default level, DEBUG, writes transcripts into the log.
ENV PYTHONUNBUFFERED=1 \
    RUNPOD_LOG_LEVEL=INFO \
    PYANNOTE_METRICS_ENABLED=false \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# No USER: RunPod mounts the volume as root's (0755), so another user could not install anything on it.
# Nothing here needs root: `docker run --user UID` works where that user may write to the volume.
#
# Exec form: the SDK is process 1 and gets SIGTERM itself.
CMD ["/opt/worker/bin/python", "-u", "/app/handler.py"]
