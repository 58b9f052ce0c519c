"""The reliability campaigns: what lockstep promises, tried until it breaks or a count is full."""
