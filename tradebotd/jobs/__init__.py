"""Jobs, one file each; `default_schedule` says when they run."""
