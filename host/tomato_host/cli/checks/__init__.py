"""What the doctor looks at, one file a field: machine, board, data, and what is around the house."""
