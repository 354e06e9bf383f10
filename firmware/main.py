"""Build the board and run it for ever. Kept tiny and as source: it is the last file a flash may touch."""

import sys


def main():
    """Run until the console is asked for; after any error switch everything off and start again."""
    try:
        import slot
        from tomato.app import App
        from tomato.hal.hardware import Hardware

        App(Hardware()).run(slot.confirm)
    except Exception as error:
        import boot

        boot.outputs_off()
        boot.remember(error)
        boot.reset_board()


if sys.implementation.name == "micropython":
    main()
