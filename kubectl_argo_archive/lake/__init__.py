"""The lake: Delta tables on a folder or on S3, published together.

Belongs here: data files, table commits, the ledger, the writer's lock, snapshots for readers. Does not belong
here: what the rows mean, SQL. ``docs/lake-format.md`` describes what we write.
"""
