"""How fast and how small, against other ways to do the same: ``python -m bench``; see ``docs/benchmarks.md``."""

import os

from kubectl_argo_archive.cli.main import ALLOCATOR

os.environ.setdefault(*ALLOCATOR)  # before Arrow is loaded, as the command line does
