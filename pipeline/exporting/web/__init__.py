"""Export for browsers: a folder with a page that runs the model by onnxruntime-web."""
