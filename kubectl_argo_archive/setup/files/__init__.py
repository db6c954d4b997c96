"""Reading the files of a set-up: YAML, charts, helmfiles, Kustomize folders, as one :class:`~.model.SetUp`."""
