"""Compression: a trained candidate -> its variants, each verified, measured and kept under its own sha256."""
