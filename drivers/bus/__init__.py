"""The one owner of a field line: ports, framing, priorities, draining."""
