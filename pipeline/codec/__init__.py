"""The stored form of a model file: weights without redundancy, compressed with LZMA, unpacked when it is loaded."""
