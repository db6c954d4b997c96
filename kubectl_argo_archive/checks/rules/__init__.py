"""The checks, each with its rule: facts go in, outcomes come out. The registry imports every module."""
