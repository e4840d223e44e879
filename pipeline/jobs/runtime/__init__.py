"""The runtime of jobs: context, attempts, logs, checkpoints and progress."""
