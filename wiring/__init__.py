"""Composition: settings → database, carriers, channels, rails → the activities and desks that use them.

One module a part, so that a command loads only what it needs.
"""
