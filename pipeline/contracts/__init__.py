"""The vocabulary of the pipeline: frozen records, one error tree, the ports. Imports nothing of the pipeline."""
