"""The prediction API, which a Lambda function behind API Gateway and a server share."""
