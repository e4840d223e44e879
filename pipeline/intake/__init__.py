"""A run's life: how an object starts one, what is recorded of it, what its jobs came to, how it fails."""
