"""Send signed requests to DynamoDB and S3 without botocore, whose import would take most of a cold start."""
