"""Schedules of the two threads and everybody around them, made from a seed."""
