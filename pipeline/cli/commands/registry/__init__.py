"""Commands of the registry: aliases, versions, keys, tenants."""
