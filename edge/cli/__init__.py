"""Technicians' commands, one file each."""
