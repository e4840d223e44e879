"""Adapters that only the operator's commands use: the account, its stacks and their data, keys of API Gateway."""
