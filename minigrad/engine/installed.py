"""What backprop.py and, one block an operation, ops/ install on Tensor; installed.pyi says it to type checkers."""

Installed = object
