"""Who did what: the questions of an auditor, answered from the lake."""
