"""What is printed: renderables and JSON documents."""
