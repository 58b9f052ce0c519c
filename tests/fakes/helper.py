"""A helper that does what it is told: `python -m fakes.helper`."""

import os
import signal
import sys
import time
from pathlib import Path

from lockstep.host.helper import serve


def answer(request: bytes) -> bytes:
    verb, _, rest = request.partition(b" ")
    match verb:
        case b"pid":
            return str(os.getpid()).encode()
        case b"facts":
            return f"{os.getpgrp()} {os.getpriority(os.PRIO_PROCESS, 0)} {os.getcwd()}".encode()
        case b"echo":
            return rest
        case b"grow":
            return b"x" * int(rest)
        case b"chatter":
            print("a stray print", flush=True)
            os.write(1, b"and a write\n" * int(rest))
            os.write(2, b"and an error\n" * int(rest))
            return sys.stdin.buffer.read()
        case b"hang":
            Path(os.fsdecode(rest)).write_text(str(os.getpid()))
            time.sleep(600)
        case b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"leave":
            os.write(2, rest)
            os._exit(3)
    raise ValueError("what it cannot do")


if __name__ == "__main__":
    serve(answer)
