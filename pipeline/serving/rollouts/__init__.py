"""Rollouts in serving: split requests between the live version and a new version, and measure both."""
