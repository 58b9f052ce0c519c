"""Recordings damaged at random, and what lockstep makes of them."""
