"""Whole orders and withdrawals of merchants that share accounts, while one worker after another is killed."""
