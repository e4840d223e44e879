"""Views: renderables and JSON documents that commands print."""
