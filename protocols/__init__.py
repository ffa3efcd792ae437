"""Bytes and formats.

Pure: imports nothing else of the project, never waits, wire input never raises.
"""
