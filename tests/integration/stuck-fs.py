#!/usr/bin/env python3
"""A FUSE file system that never answers: who looks into it sleeps uninterruptibly until this process ends.

    stuck-fs.py DIRECTORY READY     makes the file READY when it has taken a request that it will not answer
"""
import ctypes
import os
import struct
import sys
import time

directory, ready = sys.argv[1:]
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"stuck", directory.encode(), b"fuse.stuck", 0, options) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
while True:
    data = os.read(fuse, 1 << 17)
    _, opcode, unique, nodeid = struct.unpack_from("<IIQQ", data)
    if opcode == 26:  # INIT: protocol 7.31
        os.write(fuse, struct.pack("<IiQ", 80, 0, unique) + struct.pack("<IIII", 7, 31, 0, 0) + bytes(48))
    elif opcode == 3 and nodeid == 1:  # GETATTR of the root
        attributes = struct.pack("<6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
        os.write(fuse, struct.pack("<IiQQII", 120, 0, unique, 3600, 0, 0) + attributes)
    else:
        open(ready, "w", encoding="ascii").close()
        time.sleep(3600)
