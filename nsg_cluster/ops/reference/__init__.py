"""Each op in plain PyTorch: the definition that the compiled backends must meet.

The modules bear the names of those above them (``ops.volume`` dispatches to ``ops.reference.volume``), and the
functions the names and arguments of theirs. They compute in the dtype of their arguments, so that gradients can be
checked in float64, and they sum in a fixed order, so that runs can be repeated bit for bit.
"""
