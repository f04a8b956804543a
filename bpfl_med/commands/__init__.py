"""The commands of `bpfl-med`, one a file: `add_parser` declares its options, `run` does it and gives the exit code."""
