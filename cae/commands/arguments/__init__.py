"""What several commands share: how a command line is read, and arguments that mean the same in each."""
