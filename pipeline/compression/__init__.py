"""Compression: a trained candidate -> its variants, each verified, measured and stored under its sha256."""
