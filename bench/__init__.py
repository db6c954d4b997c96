"""How fast and how small, against other ways to do the same: ``python -m bench``; see ``docs/benchmarks.md``."""

import os

from kubectl_argo_archive.cli.main import LIBRARIES

os.environ.update(LIBRARIES | os.environ)  # before they are loaded, as the command line does
