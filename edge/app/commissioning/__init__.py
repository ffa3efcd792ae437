"""Bringing a line up: scan it, identify what answers, set addresses, write a site file."""
