"""The HTTP gateway: commands, reads and what vendors push in, under `/v1`.

It decides nothing about money. It finds out who asks, writes a changing request down, hands it to Temporal, and
answers.
"""
