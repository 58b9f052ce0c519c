"""The states that a disk may be in after the host's power went."""
