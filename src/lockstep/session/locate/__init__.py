"""From "the replay diverged" to the instruction and the value: more runs, compared in lockstep."""
