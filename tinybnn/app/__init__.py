"""What a user runs: ``cli`` (the command line), ``demo`` (train, compare, pack), ``variants`` (the four networks that are
compared), ``pictures`` (plots)."""
