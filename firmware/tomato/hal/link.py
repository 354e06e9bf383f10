"""The serial line to the host: stdin and stdout, as bytes. Never blocks, neither on a silent host nor on a deaf one.

On a board that is the USB port (or the UART MicroPython's console runs on), on the virtual board a pseudo-terminal.
"""

import select
import sys

import micropython

try:
    import termios  # only the unix port has it
except ImportError:
    termios = None

_OUT_BYTES = 1024
_IN_BYTES = 256
_FLUSH_BYTES = 128  # a turn: a UART takes 11 ms for them, and its write waits where a USB port's poll says no


class Link:
    """Bytes in by `read`, bytes out by `send` and `flush`; `sent_total` counts what has left."""

    def __init__(self):
        self.sent_total = 0
        self.buf = bytearray(_IN_BYTES)
        self._view = memoryview(self.buf)
        self._readinto = sys.stdin.buffer.readinto
        self._one = bytearray(1)
        self._write = sys.stdout.buffer.write
        self._out = bytearray(_OUT_BYTES)
        self._out_view = memoryview(self._out)
        self._out_n = 0
        # A USB port says it has room when one byte fits, and a longer write then stalls for up to 500 ms.
        # A pseudo-terminal that says so takes 256 bytes.
        self._chunk = 256 if termios else 1
        self._room = select.poll()
        self._room.register(sys.stdout, select.POLLOUT)
        self._ready = select.poll()
        self._ready.register(sys.stdin, select.POLLIN)
        self._saved = None

    def open(self):
        """Raw bytes from now on: 0x03 is data, not a keyboard interrupt (boot.py and main.py said so before)."""
        micropython.kbd_intr(-1)
        if termios:
            self._saved = termios.tcgetattr(0)
            termios.setraw(0)
            mode = termios.tcgetattr(0)
            mode[6][5] = mode[6][6] = 0  # VTIME, VMIN: a read returns what is there, perhaps nothing
            termios.tcsetattr(0, termios.TCSANOW, mode)

    def close(self):
        """Give the line back to MicroPython's own console, for mpremote.

        Its interrupt stays off: the console switches it on by itself for each line that it runs, and until main.py
        has returned a 0x03 must not end anything.
        """
        if self._saved:
            termios.tcsetattr(0, termios.TCSANOW, self._saved)

    def read(self, ready=-1):
        """Read what has arrived into `buf`; returns the number of bytes. `ready`: how many there are, -1 = unknown."""
        if ready >= 0:
            return self._readinto(self._view[: min(ready, _IN_BYTES)]) if ready else 0
        if termios:
            return self._readinto(self.buf) or 0
        n = 0
        while n < _IN_BYTES:
            for _ in self._ready.ipoll(0):
                break
            else:
                return n
            self._readinto(self._one)
            self.buf[n] = self._one[0]
            n += 1
            if self._one[0] == 3:
                return n  # perhaps mpremote asks for the console: what it sends next is for the REPL
        return n

    def send(self, data, n):
        """Queue n bytes of a whole frame. False when there is no room: then none of it is queued."""
        if self._out_n + n > _OUT_BYTES:
            return False
        self._out_view[self._out_n : self._out_n + n] = memoryview(data)[:n]
        self._out_n += n
        return True

    def waiting(self):
        """Bytes queued that the host has not taken yet."""
        return self._out_n

    def flush(self):
        """Write as much as the other side takes now, and not a byte more."""
        done = 0
        most = self._out_n if termios else min(self._out_n, _FLUSH_BYTES)
        while done < most:
            for _ in self._room.ipoll(0):
                break
            else:
                break
            wrote = self._write(self._out_view[done : min(done + self._chunk, most)])
            if not wrote:
                break
            done += wrote
        if done:
            left = self._out_n - done
            if left:
                self._out_view[:left] = self._out_view[done : self._out_n]
            self._out_n = left
            self.sent_total += done
