# SPDX-License-Identifier: BSD-2-Clause
"""Frames at the highest rate the machine can make: out of an interface without its own stack."""

import ctypes
import os
import platform
import struct
import threading

SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_PROG_LOAD, BPF_PROG_RUN = 5, 10
BPF_PROG_TYPE_XDP = 6
LIVE_FRAMES = 1 << 1
TTL = 22  # where TTL, protocol and header checksum stand in a frame
BATCH = 64
RUN = 65536  # frames of one kind; a run takes some 25 ms to return, however few they are

_libc = ctypes.CDLL(None, use_errno=True)


def _program(frame):
    """
    Sends the frame back out of its interface. Recycled frames keep what was written to them on
    their way: TTL and checksum are put right.
    """
    word = struct.unpack("<i", frame[TTL:TTL + 4].ljust(4, b"\0"))[0]
    return b"".join(struct.pack("<BBhi", *instruction) for instruction in (
        (0x61, 0x12, 0, 0),  # r2 = data
        (0x61, 0x13, 4, 0),  # r3 = data_end
        (0xBF, 0x24, 0, 0),  # r4 = r2
        (0x07, 0x04, 0, TTL + 4),  # r4 += TTL + 4
        (0x2D, 0x34, 1, 0),  # if r4 > r3 skip the next
        (0x62, 0x02, TTL, word),  # *(u32 *)(r2 + TTL) = word
        (0xB7, 0, 0, 3),  # r0 = XDP_TX
        (0x95, 0, 0, 0)))  # exit


def _load(frame):
    program = _program(frame)
    insns, license_ = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"GPL")
    return _bpf(BPF_PROG_LOAD, struct.pack(
        "=IIQQIIQII", BPF_PROG_TYPE_XDP, len(program) // 8, _pointer(insns), _pointer(license_),
        0, 0, 0, 0, 0))


def _bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr, len(attr))
    result = _libc.syscall(SYS_BPF[platform.machine()], command, buffer, len(attr))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bpf: {os.strerror(number)}")
    return result


def _pointer(buffer):
    return ctypes.cast(buffer, ctypes.c_void_p).value


class Flood:
    """
    Sends frames from an interface, each 65536 times, then the next, between start() and stop().
    They leave as an XDP program would send them: not even captures on the interface see them.
    """

    def __init__(self, space, ifname, frames, run=RUN):
        self.space, self.frames, self.run = space, frames, run
        self.ifindex = space.index(ifname)
        self.sent = 0
        self.error = None
        self._stop = threading.Event()
        self._thread = None
        self.programs = [_load(frame) for frame in frames]

    def _send(self, program, frame):
        data = ctypes.create_string_buffer(frame, len(frame))
        context = ctypes.create_string_buffer(struct.pack(
            "=IIIIII", 0, len(frame), 0, self.ifindex, 0, 0))
        _bpf(BPF_PROG_RUN, struct.pack(
            "=IIIIQQIIIIQQIII", program, 0, len(frame), 0, _pointer(data), 0, self.run, 0, 24,
            0, _pointer(context), 0, LIVE_FRAMES, 0, BATCH))
        self.sent += self.run

    def _loop(self):
        try:
            with self.space.entered():
                while not self._stop.is_set():
                    number = self.sent // self.run % len(self.frames)
                    self._send(self.programs[number], self.frames[number])
        except OSError as error:
            self.error = error

    def start(self):
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()
        return self

    def stop(self):
        """Returns how many frames were sent in all."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._thread = None
        if self.error:
            raise self.error
        return self.sent

    def close(self):
        self._stop.set()
        if self._thread:
            self._thread.join()
        for program in self.programs:
            os.close(program)
