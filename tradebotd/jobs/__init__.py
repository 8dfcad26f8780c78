"""One file a job; `default_schedule` says when."""
