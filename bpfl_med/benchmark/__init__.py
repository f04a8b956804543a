"""Tables of this software's results beside published ones."""
