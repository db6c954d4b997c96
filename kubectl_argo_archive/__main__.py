"""``python -m kubectl_argo_archive``."""

from kubectl_argo_archive.cli.main import main

if __name__ == "__main__":
    main()
