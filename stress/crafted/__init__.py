"""Recordings that are altered inside their checksums and their chain, as a stranger would."""
