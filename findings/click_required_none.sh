#!/usr/bin/env bash
# Library: click 8.5.1 (the behaviour begins with 8.3.0; 8.2.1 for comparison).
#
# Behaviour: an option with `required=True` and an explicit `default=None` is not required any more. Left out, the
# command runs and gets None; 8.2.1 says "Missing option" and exits with 2. With `multiple=True` the same pair is
# still required, and so is an option whose default is not written at all.
#
# Why it surprises: until 8.2 "no default" and `default=None` were the same thing, and None is what the command gets
# for any option that was left out. From 8.3 an unwritten default is a private mark, so a written None counts as a
# value that fulfils the requirement: two spellings of one idea, the help page shows [required] for both, and only a
# test that leaves the option out tells them apart. A null in a configuration file that is passed on as `default_map`
# switches the check off too, even where no default is written.
#
# Whom it bites: commands that build their options from a table or a dataclass, where every row has a default and
# None stands for "none" (`click.option(name, default=row.default, required=row.required)`); commands that feed JSON
# or YAML to `default_map`. The body runs with None where it had been promised a value.
#
# Seen (exit status, and what the command got):
#   click 8.2.1: unwritten 2 Missing, None 2 Missing, multiple and None 2 Missing, null in default_map 2 Missing
#   click 8.3.0: unwritten 2 Missing, None 0 None, multiple and None 2 Missing, null in default_map 0 None
#   click 8.5.1: unwritten 2 Missing, None 0 None, multiple and None 2 Missing, null in default_map 0 None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
for version in 8.2.1 8.3.0 8.5.1; do
    "$folder/env/bin/pip" install --quiet --disable-pip-version-check "click==$version"
    "$folder/env/bin/python" - "$version" <<'PY'
import sys

import click
from click.testing import CliRunner

version = sys.argv[1]


def outcome(default_map=None, **settings):
    @click.command()
    @click.option("--boxes", required=True, **settings)
    def command(boxes):
        click.echo(repr(boxes))

    ran = CliRunner().invoke(command, [], default_map=default_map)
    return ran.exit_code, "Missing" if "Missing option" in ran.output else ran.output.strip()


seen = {
    "unwritten": outcome(),
    "None": outcome(default=None),
    "multiple and None": outcome(default=None, multiple=True),
    "null in default_map": outcome(default_map={"boxes": None}),
}
print(f"click {version}: " + ", ".join(f"{name} {code} {got}" for name, (code, got) in seen.items()))
required, let_through = (2, "Missing"), (0, "None")
lax = required if version == "8.2.1" else let_through
expected = [required, lax, required, lax]
if list(seen.values()) != expected:
    sys.exit(f"changed: not {expected}")
PY
done
echo "as described"
