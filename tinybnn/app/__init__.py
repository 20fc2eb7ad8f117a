"""What a user runs: ``cli`` (the command line), ``verbs`` (what it does), ``demo`` (train, compare, pack), ``variants``
(the four networks of the demo), ``pictures`` (plots), ``process`` (signals and streams)."""
