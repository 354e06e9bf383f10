"""Build the board and run it for ever. Kept tiny and as source: it is the last file a flash may touch."""

import micropython

micropython.kbd_intr(-1)  # MicroPython switched it on for this file: from here on 0x03 is a byte like any other


def run():
    """Run the firmware; returns when the console was asked for, and only then."""
    import gc

    from tomato.core.ring import SampleRing

    ring = SampleRing()  # the one large block, while the heap is still in one piece
    import slot
    import tries
    from tomato.app import App

    gc.collect()
    from tomato.hal.hardware import Hardware

    gc.collect()
    app = App(Hardware(), ring)
    app.lasted = tries.lasted

    def settled():
        tries.lasted()  # an older firmware in the slot calls no more than this
        slot.confirm()

    app.run(settled)


def let_it_pass():
    """A 0x03 that came before the first line of this file is raised here, at the next jump, and does no harm."""
    try:
        for _ in (0, 1):
            pass
    except KeyboardInterrupt:
        pass


def main():
    """Run, unless a person or three failed starts ask for the prompt; whatever else ends it, begin anew."""
    try:
        import tries

        if tries.may_run():
            run()
    except BaseException as error:  # KeyboardInterrupt, too: it is no Exception
        try:
            import boot

            boot.outputs_off()
            boot.remember(error)
        finally:
            import machine

            machine.reset()


let_it_pass()
main()
