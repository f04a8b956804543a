"""What a run of the bundle does around the network: checks of its settings, errors said plainly, other hosts."""
