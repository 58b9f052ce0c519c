"""How meaning is carried out: hart state, memory, the reference and the native engines."""
