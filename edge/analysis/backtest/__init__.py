"""Back-test: recorded readings through the engine that runs on site, in virtual time. Pure.

``order`` puts rows of several sources into one order, ``replay`` takes them through an engine,
``score`` holds what it did against labelled events, ``curve`` and ``draw`` show it.
"""
