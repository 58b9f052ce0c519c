"""One module for each campaign: `CLAIM`, `FULL`, and `run(count) -> Result`. The name is the file's."""
