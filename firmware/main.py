"""Build the board and run it for ever. Kept tiny and as source: it is the last file a flash may touch."""

import sys


def main():
    """Run until the console is asked for; after any error switch everything off and start again."""
    try:
        import gc

        from tomato.core.ring import SampleRing

        ring = SampleRing()  # the one large block, while the heap is still in one piece
        import slot
        from tomato.app import App

        gc.collect()
        from tomato.hal.hardware import Hardware

        gc.collect()
        App(Hardware(), ring).run(slot.confirm)
    except Exception as error:
        import boot

        boot.outputs_off()
        boot.remember(error)
        boot.reset_board()


if sys.implementation.name == "micropython":
    main()
