"""Build the board and run it for ever. Kept tiny and as source: it is the last file a flash may touch."""

try:
    import micropython

    micropython.kbd_intr(-1)  # MicroPython switched it on for this file: from here on 0x03 is a byte like any other
    # One that came before is raised at the next jump: the loop has one, within this `try`, whose own end lies outside.
    for _ in (0, 1):
        pass
except BaseException:
    import micropython

    micropython.kbd_intr(-1)


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


main()
