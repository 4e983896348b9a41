"""Timings of the running product, each beside a baseline in the same run. Run by hand: `make bench`, or one by name."""
