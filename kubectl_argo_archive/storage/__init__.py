"""Files, wherever they are: a folder or a bucket, and the credentials that open it.

Belongs here: locations, credentials, fsspec file systems, and what a storage's refusal means. Does not belong
here: what the files hold.
"""
