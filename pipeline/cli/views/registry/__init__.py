"""Views of the registry: versions, aliases, tenants, keys, the audit log."""
