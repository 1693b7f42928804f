#!/usr/bin/env bash
# Library: torch 2.14.1.
#
# Behaviour: `torch.save(..., pickle_protocol=4)` or 5 writes a file that `torch.load` cannot read as it is called by
# default (`weights_only=True`): UnpicklingError, "Unsupported operand 149", which is FRAME, how every pickle of
# protocol 4 begins. Protocols 2 and 3 are read.
#
# Why it surprises: saving takes the argument without a word, and the file holds nothing but a dict with a tensor.
#
# Whom it bites: those who save features with protocol 4, as files of more than 4 GiB of bytes once needed. With
# `weights_only=False` they can be read, which runs whatever the file says.
#
# Seen:
#   protocol 2: read, 3: read, 4: Unsupported operand 149, 5: Unsupported operand 149; all read with weights_only=False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
(cd "$folder" && env/bin/python -W ignore -) <<'PY'
import re
import sys

import torch


def seen(path):
    try:
        torch.load(path)
    except Exception as error:
        return re.search(r"Unsupported operand \d+", str(error))[0]
    return "read"


found = {}
for protocol in (2, 3, 4, 5):
    path = f"{protocol}.pt"
    torch.save({"x": torch.ones(2)}, path, pickle_protocol=protocol)
    found[protocol] = seen(path), torch.load(path, weights_only=False)["x"].tolist()
    print(protocol, *found[protocol])

whole = [1.0, 1.0]
expected = {2: ("read", whole), 3: ("read", whole)}
expected |= {protocol: ("Unsupported operand 149", whole) for protocol in (4, 5)}
print("as described" if found == expected else "this has changed")
sys.exit(found != expected)
PY
