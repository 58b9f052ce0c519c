"""Faults to inject: bits that flip in a machine while it replays, and logs that were altered."""
