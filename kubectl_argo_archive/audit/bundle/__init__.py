"""A bundle: one file with everything that an auditor asked for, and what proves it."""
