"""Where and how requests run: the dispatcher, sessions, micro-batching."""
