"""Drivers: one small file between a codec and a bus, one public class each."""
