"""Reads of DynamoDB and S3 by signed requests, without botocore, whose import is most of a cold start."""
