"""Guests that mean no good: programs of anything at all, and engines that are moody about them."""
