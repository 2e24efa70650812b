"""The process: configuration, assembly, transport, operations."""
