"""The domain: what a message, a channel, a participant and a log are."""
