"""What a user runs: ``cli`` (the command line), ``demo`` (train, compare, pack), ``variants`` (the four networks of the
demo), ``pictures`` (plots)."""
