"""Adapters that only an operator's commands use: the account, its stacks and their data, API Gateway's keys."""
