"""Dataset and JobSpec -> the candidates worth trying, with complete settings, and the Batch jobs that train them."""
