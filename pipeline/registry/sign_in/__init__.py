"""Who sends a request: the callers of API keys and of tokens (JWT) of an OpenID Connect issuer."""
