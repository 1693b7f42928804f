"""The command `lucid-roialign`: options, messages and exit codes over `lucid.stream`."""
