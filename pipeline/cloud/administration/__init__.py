"""What the commands of an operator alone call: the account, its stacks and their data, and API Gateway's keys."""
