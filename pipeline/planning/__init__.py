"""Plan a run: from Dataset and JobSpec to candidates with complete settings, and the Batch jobs that train them."""
