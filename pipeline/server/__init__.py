"""The prediction API as an HTTP and gRPC server for models of a registry, a folder or one file. It needs no AWS."""
