"""The prediction API, independent of what carries it: a Lambda function behind API Gateway, or a server."""
