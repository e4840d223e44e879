"""A registered model's answers: requests in, onnxruntime, responses out. No pydantic on the way of a prediction."""
