"""The slow, obvious twins: the rules of docs/architecture.md as plain Python over plain values.

They are the specification that the compiled code is held against, and they have laws of their own with broken variants
(`mutant=`) that the laws must refute. Lanes are strings here, instants small integers; NEG is "before everything".
"""
