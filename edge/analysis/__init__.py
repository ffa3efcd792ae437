"""Computed from the configuration alone, before the box arms."""
