"""Runs a command as on a kernel that was started with ipv6.disable=1: no socket of that family can be made.

A network namespace cannot show this: with net.ipv6.conf.all.disable_ipv6=1 [::] is bound all the same.
"""

import ctypes
import os
import platform
import struct
import sys

SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
AF_INET6, EAFNOSUPPORT = 10, 97
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_OF_THE_CALL, FIRST_ARGUMENT = 0, 16


def step(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def main():
    steps = [
        step(LOAD_WORD, NUMBER_OF_THE_CALL),
        step(JUMP_IF_EQUAL, SOCKET, 0, 3),
        step(LOAD_WORD, FIRST_ARGUMENT),
        step(JUMP_IF_EQUAL, AF_INET6, 0, 1),
        step(RETURN, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        step(RETURN, SECCOMP_RET_ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)]:
        if libc.prctl(*call):
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


main()
