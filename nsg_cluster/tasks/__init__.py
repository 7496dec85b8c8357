"""What a job executes: the host-side wrapper, and the stages train, evaluate and render."""
