"""Authentication: callers by their API key or by a token (JWT) of an OpenID Connect issuer."""
