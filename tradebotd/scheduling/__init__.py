"""When jobs run, how each run is made and recorded, and whether it had its effect. Knows no job."""
