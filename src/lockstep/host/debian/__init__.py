"""Debian as a source of guests: a private apt, the packages, and an initramfs made of them."""
