"""The doors: wire in, one call into the domain, wire out."""
