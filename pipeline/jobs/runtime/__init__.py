"""What every job needs: its context, attempts, logs, checkpoints and progress."""
