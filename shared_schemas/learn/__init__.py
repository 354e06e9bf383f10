"""The learning loop's contract: protobuf messages, the lifecycle of a growth slot, and the budgets of both.

`*.proto` are the sources; `*_pb2.py` and `*_pb2.pyi` are generated and committed (`make schemas`). `lifecycle.py` and
`budgets.py` are plain Python, so that the brain, which has no protobuf, can read them.
"""
