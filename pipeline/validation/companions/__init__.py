"""Files beside the upload: train.yaml, model.py, test rows."""
