"""Export for the browser: a folder with a page that runs the model by onnxruntime-web."""
