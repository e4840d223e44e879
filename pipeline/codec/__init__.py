"""The stored form of a model file: weights without their redundancy, compressed by LZMA, unpacked once at load."""
