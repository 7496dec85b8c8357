"""Schedulers as pure text: what to write into a script, what to run, and what the answers mean. Starts no program."""
