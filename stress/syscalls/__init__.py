"""System calls that fail: one of a kind, or all from one on."""
