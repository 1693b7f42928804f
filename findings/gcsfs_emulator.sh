#!/usr/bin/env bash
# Library: gcsfs 2026.10.1, with fsspec 2026.9.0, beside gcp-storage-emulator 2024.8.3.
#
# Behaviour: with `STORAGE_EMULATOR_HOST`, or `endpoint_url`, naming a local server over http, the first look at a bucket
# takes 60 seconds: gcsfs asks for the kind of the bucket by gRPC over TLS at the same port, tries that until its time is
# over, warns "Could not determine bucket type", and goes on over http as it should. With
# `GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false` the same call takes well under a second.
#
# Why it surprises: the setting is called experimental and is on, and an endpoint that is given is used for half of the
# calls in a protocol that it does not say.
#
# Whom it bites: tests against an emulator, and stores behind proxies that pass https but no gRPC: each process waits a
# minute before its first byte, and looks as if it hung.
set -euo pipefail
folder=$(mktemp -d)
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    gcsfs==2026.10.1 fsspec==2026.9.0 gcp-storage-emulator==2024.8.3
cd "$folder"
port=$(python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
venv/bin/gcp-storage-emulator start --host 127.0.0.1 --port "$port" --in-memory > emulator.log 2>&1 &
trap 'kill %1; rm -rf "$folder"' EXIT
sleep 5
for asks in true false; do
    GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=$asks STORAGE_EMULATOR_HOST="http://127.0.0.1:$port" \
        venv/bin/python - 2> /dev/null <<'PY'
import os
import time

import gcsfs

files = gcsfs.GCSFileSystem(token="anon", project="p")
asks = os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] == "true"
begun = time.monotonic()
if not files.exists("maps"):
    files.mkdir("maps")
files.pipe_file("maps/a", b"1234")
assert files.cat_file("maps/a") == b"1234"
seconds = time.monotonic() - begun
print(f"asking for the kind of the bucket {asks}: {'a minute or more' if seconds > 55 else 'a moment'}")
assert (seconds > 55) == asks, seconds
PY
done
echo "as it was"
