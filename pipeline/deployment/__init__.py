"""Deploying the template to an AWS account, and removing a stack."""
