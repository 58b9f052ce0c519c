"""Images, device trees, symbols and keys that are wrong on purpose, where their formats are looked
at: made of sound ones by what their fields mean, and packed again so that every checksum is right.
"""
