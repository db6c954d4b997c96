"""What can be wrong with files; each rule is a function of a set-up, and yields findings of one check."""
