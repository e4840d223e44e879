"""What is drawn into a file: .png, .svg or .pdf."""
