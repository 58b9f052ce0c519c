"""One module a campaign, named as the file: `CLAIM`, `FULL`, `run(count) -> Result`."""
