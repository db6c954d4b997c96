"""SQL over a snapshot of the lake, in DuckDB, sandboxed.

Belongs here: the views, which statements may run, the session, limits, results, what a mistake in SQL means.
Does not belong here: where the files come from, how results are shown.
"""
