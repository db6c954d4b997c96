"""How fast and how small, against other ways to do the same: ``python -m bench``; see ``docs/benchmarks.md``."""
