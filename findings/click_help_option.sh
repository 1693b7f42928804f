#!/usr/bin/env bash
# Library: click 8.5.1, as 8.1.8.
#
# Behaviour: the first context of a command decides for good how its help option is called. A group asks for
# `-h, --help` by `help_option_names`, and its commands take that over; but once one of them was given a context without
# its parent, as `command.make_context("x", [])`, its page says `--help` alone and `-h` is "No such option", whoever
# calls it afterwards. The option is made when it is first needed and kept on the command.
#
# Why it surprises: contexts look like values that belong to one call, and making one to look at defaults looks harmless.
#
# Whom it bites: programs and tests that make contexts to read a command's parameters or to complete its options, in the
# process that runs it: pages of help then depend on what ran before. Pass `parent=`, with the group's context.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for version in 8.1.8 8.5.1; do
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "click==$version"
    (cd "$folder" && venv/bin/python -) <<'PY'
from importlib.metadata import version

import click
from click.testing import CliRunner


def page(looked_at_before):
    group = click.Group("tool", context_settings={"help_option_names": ["-h", "--help"]})
    command = click.Command("run")
    group.add_command(command)
    if looked_at_before:
        command.make_context("run", [])
    asked = CliRunner().invoke(group, ["run", "-h"])
    return asked.exit_code, "-h, --help" in asked.output, "No such option" in asked.output


print(f"click {version('click')}: {page(False)} at first, {page(True)} after a context without parent")
assert page(False) == (0, True, False)
assert page(True) == (2, False, True)
PY
done
echo "as it was"
