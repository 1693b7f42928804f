#!/usr/bin/env bash
# Library: numcodecs 0.16.6, with zfpy 1.0.1.post0.
#
# Behaviour: `import numcodecs`, and so `import zarr`, raises ValueError once the newest zfpy is installed. numcodecs
# reads the version of an optional package as `tuple(map(int, version("zfpy").split(".")))`, and the release of zfpy that
# `pip install zfpy` chooses has a part, "post0", that is no number. With zfpy 1.0.1 the import works.
#
# Why it surprises: an optional codec that nobody asked for makes a whole library fail to load, with an error that is no
# ImportError, so that what guards an optional import does not catch it either.
#
# Whom it bites: programs that treat zarr as optional with `except ImportError`, and users of zarr who add zfpy to an
# environment that worked. Until numcodecs compares versions otherwise: `pip install zfpy==1.0.1`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numcodecs==0.16.6 numpy==2.2.6
for version in 1.0.1 1.0.1.post0; do
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "zfpy==$version"
    (cd "$folder" && VERSION="$version" venv/bin/python -) <<'PY'
import os

try:
    import numcodecs
except Exception as error:
    raised = f"{type(error).__name__}: {error}"
else:
    raised = f"numcodecs {numcodecs.__version__} is imported"
version = os.environ["VERSION"]
print(f"zfpy {version}: {raised}")
assert raised.startswith("ValueError") == (version == "1.0.1.post0")
PY
done
echo "as it was"
