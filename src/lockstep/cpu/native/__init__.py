"""The threaded interpreter: the semantics lowered to LLVM, compiled once and cached."""
