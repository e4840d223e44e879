"""Files that accompany the upload: train.yaml, model.py, test rows."""
