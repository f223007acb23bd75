"""The console for people, under `/console`: pages that a server writes, no build step, no script from elsewhere.

It decides nothing. It reads what the API reads, and sends what the API sends, as the person who is signed in.
"""
