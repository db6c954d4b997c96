"""`kubectl argo-archive`: the archive of Argo Workflows as an open, queryable lake.

The package reads in the order in which the data flows: ``archive`` (rows of JSON) →
``tables`` (typed Arrow) → ``lake`` (Parquet and a Delta log) → ``query`` (SQL). ``docs/architecture.md``
draws the picture and says which package may import which.
"""

__version__ = "0.1.0"
