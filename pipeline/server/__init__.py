"""The prediction API as a server: HTTP and gRPC over a registry, a folder or one file. It needs no AWS."""
