"""Deploy the template to an AWS account, and remove a stack."""
