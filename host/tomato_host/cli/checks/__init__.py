"""The doctor's checks, one file per subject: machine, board, data, services."""
