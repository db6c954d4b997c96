"""Evidence: hashes, trees, signed digests, and how an outsider checks them.

Belongs here: what is hashed and how, keys and signatures, sealing, verifying, proofs, bundles and reports for
auditors. Does not belong here: how the lake is written, and how a command line looks. ``standalone.py`` shares no
code with the rest on purpose: it is the second opinion that travels with a proof.
"""
