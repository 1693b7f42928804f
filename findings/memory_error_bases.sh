#!/usr/bin/env bash
# Libraries: CPython 3.11.7, tblib 3.2.2 (which dask.distributed 2026.8.0 installs and uses).
#
# Behaviour: a class with two bases, an exception of one's own first and MemoryError second, can be raised, caught,
# copied and pickled, but its own `__new__` refuses it: `Limit.__new__(Limit)` is "MemoryError.__new__(Limit) is not
# safe, use Limit.__new__()", which is what was called. With OSError, ValueError, TypeError or RuntimeError as the second
# base, or with MemoryError first, it works. `tblib.pickling_support.install()` makes pickle call `__new__`: from then on
# the same error can be pickled but not unpickled, in the whole process.
#
# Why it surprises: MemoryError has a constructor of its own, since CPython keeps some instances back, but no fields of
# its own, as OSError has. So with another base first the class is built by that one's constructor, while a look for
# `__new__` finds MemoryError's; the order of bases, which matters for nothing else here, decides. And a library that
# only wants to carry tracebacks changes how exceptions that it has never seen are pickled.
#
# Whom it bites: libraries whose errors are "ours, and also the builtin": where a bound on memory is told by a worker of
# dask, the caller sees TypeError about `__new__` instead of how much memory is needed. Put MemoryError first.
#
# Seen:
#   (Ours, MemoryError): pickled plainly True, made anew TypeError, with tblib TypeError
#   (MemoryError, Ours): pickled plainly True, made anew True, with tblib True
#   (Ours, OSError): pickled plainly True, made anew True, with tblib True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tblib==3.2.2
cat > "$folder/ours.py" <<'PY'
class Ours(Exception):
    pass


class OursFirst(Ours, MemoryError):
    pass


class BuiltinFirst(MemoryError, Ours):
    pass


class OfSystem(Ours, OSError):
    pass
PY
(cd "$folder" && env/bin/python -) <<'PY'
import pickle

import ours
from tblib import pickling_support


def outcome(function):
    """Return whether a call gives an error of the type that is meant, or the error that it ends in."""
    try:
        return function()
    except TypeError as error:
        assert "is not safe, use" in str(error), error
        return "TypeError"


def again(kind):
    found = pickle.loads(pickle.dumps(kind("too little")))
    return type(found) is kind and found.args == ("too little",)


KINDS = {
    "(Ours, MemoryError)": ours.OursFirst,
    "(MemoryError, Ours)": ours.BuiltinFirst,
    "(Ours, OSError)": ours.OfSystem,
}
seen = {
    name: [outcome(lambda: again(kind)), outcome(lambda: type(kind.__new__(kind)) is kind)]
    for name, kind in KINDS.items()
}
pickling_support.install()
for name, kind in KINDS.items():
    seen[name].append(outcome(lambda: again(kind)))
    plainly, anew, with_tblib = seen[name]
    print(f"{name}: pickled plainly {plainly}, made anew {anew}, with tblib {with_tblib}")
assert seen["(Ours, MemoryError)"] == [True, "TypeError", "TypeError"]
assert seen["(MemoryError, Ours)"] == seen["(Ours, OSError)"] == [True, True, True]
PY
echo "as it was"
