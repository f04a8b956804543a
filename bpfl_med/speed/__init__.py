"""The speed benchmark, run by hand: `python -m bpfl_med.speed --help`."""
