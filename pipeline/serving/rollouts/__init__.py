"""Rollouts in serving: requests are split between the live version and a new one, and both are measured."""
