"""What a server tells about its requests: metrics, log lines, traces."""
