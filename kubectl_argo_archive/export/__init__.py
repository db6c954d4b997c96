"""The archive into the lake: what is new, changed or gone since the last export, and only that.

Belongs here: comparing keys, the pipeline, the result. Does not belong here: how a source is read, how a
table is written.
"""
