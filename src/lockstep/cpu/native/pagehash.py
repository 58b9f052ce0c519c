"""cpu/pagehash natively: the hashes of all dirty pages, brought up to date in one pass over memory.

A boot dirties some 30,000 pages, and the way through Python takes three times as long as a hash.
Written from the specification of XXH3, with its names:
https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md. There is no loop in the code of a
page: every length is known.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir

from lockstep.cpu.layout import DIRTY, FIRST_SUM, PAGE, PAGE_HASH, PAGE_SUMS, SUM_BYTES
from lockstep.cpu.native.words import I8, I32, I64, PTR

_I128: Final = ir.IntType(128)
_I256: Final = ir.IntType(256)
_LANES: Final = ir.VectorType(I64, 8)
_STRIPE: Final = 64
_STRIPES: Final = PAGE // _STRIPE
_SECRET_STEP: Final = 8
_MASK: Final = (1 << 64) - 1

_PRIME32_1: Final = 0x9E3779B1
_PRIME32_2: Final = 0x85EBCA77
_PRIME32_3: Final = 0xC2B2AE3D
_PRIME64_1: Final = 0x9E3779B185EBCA87
_PRIME64_2: Final = 0xC2B2AE3D27D4EB4F
_PRIME64_3: Final = 0x165667B19E3779F9
_PRIME64_4: Final = 0x85EBCA77C2B2AE63
_PRIME64_5: Final = 0x27D4EB2F165667C5
_PRIME_MX1: Final = 0x165667919E3779F9
_START: Final = (
    _PRIME32_3, _PRIME64_1, _PRIME64_2, _PRIME64_3, _PRIME64_4, _PRIME32_2, _PRIME64_5, _PRIME32_1,
)  # fmt: skip
_DEFAULT_SECRET: Final = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_SCRAMBLE: Final = len(_DEFAULT_SECRET) - _STRIPE
"""Where in the secret; so the others."""
_STRIPES_A_BLOCK: Final = _SCRAMBLE // _SECRET_STEP
_LAST_STRIPE: Final = _SCRAMBLE - 7
_LOW: Final = 11
_HIGH: Final = _SCRAMBLE - 11


def define_rehash(module: ir.Module) -> None:
    """lockstep_rehash(sums, hashes, ram, flags, pages): 0, for the buffers of cpu/layout."""
    function = ir.Function(module, ir.FunctionType(I64, [PTR, *[I64] * 4]), "lockstep_rehash")
    builder = ir.IRBuilder(function.append_basic_block())
    sums, pages = function.args[0], function.args[4]
    hashes, ram, flags = (builder.inttoptr(each, PTR) for each in function.args[1:4])
    entry = builder.block
    look, written, changed, next_page, over = (builder.append_basic_block() for _ in range(5))
    builder.branch(look)

    builder.position_at_end(look)
    number = builder.phi(I64)
    number.add_incoming(I64(0), entry)
    flag = builder.load(_byte(builder, flags, number), typ=I8)
    dirty = builder.icmp_unsigned("!=", builder.and_(flag, I8(DIRTY)), I8(0))
    builder.cbranch(dirty, written, next_page)

    builder.position_at_end(written)
    page = _byte(builder, ram, builder.mul(number, I64(PAGE)))
    new = builder.call(_define_hash(module), [page, number])
    kept = _byte(builder, hashes, builder.mul(number, I64(PAGE_HASH)))
    old = builder.load(kept, typ=_I128, align=16)
    builder.cbranch(builder.icmp_unsigned("!=", old, new), changed, next_page)

    builder.position_at_end(changed)
    builder.store(new, kept, align=16)
    _account(builder, sums, number, old, new)
    builder.branch(next_page)

    builder.position_at_end(next_page)
    following = builder.add(number, I64(1))
    number.add_incoming(following, next_page)
    builder.cbranch(builder.icmp_unsigned("<", following, pages), look, over)

    builder.position_at_end(over)
    builder.ret(I64(0))


def _account(builder: ir.IRBuilder, sums: Any, number: Any, old: Any, new: Any) -> None:
    """Take a page's old hash out of the sums and put the new one in."""
    total = builder.load(sums, typ=_I128, align=8)
    builder.store(builder.xor(total, builder.xor(old, new)), sums, align=8)
    leaves = (builder.zext(builder.trunc(each, I64), _I256) for each in (new, old))
    change = builder.sub(*leaves)
    place = builder.zext(builder.add(number, I64(1)), _I256)
    for offset in range(FIRST_SUM, PAGE_SUMS, SUM_BYTES):
        at = _byte(builder, sums, I64(offset))
        builder.store(builder.add(builder.load(at, typ=_I256, align=8), change), at, align=8)
        change = builder.mul(change, place)


def _define_hash(module: ir.Module) -> ir.Function:
    """page_hash(page, number): its hash; 0 if it is all zeros, which is rarely looked up to its
    end."""
    function = ir.Function(module, ir.FunctionType(_I128, [PTR, I64]), "page_hash")
    page, number = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    doubtful, hashed, zeros = (builder.append_basic_block() for _ in range(3))
    first = builder.load(page, typ=I64)
    builder.cbranch(builder.icmp_unsigned("!=", first, I64(0)), hashed, doubtful)

    builder.position_at_end(doubtful)
    union = _stripe(builder, page, 0)
    for stripe in range(1, _STRIPES):
        union = builder.or_(union, _stripe(builder, page, stripe))
    any_bit = builder.icmp_unsigned("!=", builder.bitcast(union, ir.IntType(512)), _nothing(512))
    builder.cbranch(any_bit, hashed, zeros)

    builder.position_at_end(zeros)
    builder.ret(_nothing(128))
    builder.position_at_end(hashed)
    builder.ret(_PageHash(builder, page, number).value())
    return function


class _PageHash:
    """The specification's long-input variant, being written to `builder`."""

    def __init__(self, builder: ir.IRBuilder, page: Any, seed: Any) -> None:
        self._builder = builder
        self._page = page
        self._secret = self._derive_secret(seed)
        self._lanes: Any = ir.Constant(_LANES, [I64(each) for each in _START])

    def value(self) -> Any:
        """All of it."""
        for stripe in range(_STRIPES - 1):
            self._accumulate(stripe, stripe % _STRIPES_A_BLOCK * _SECRET_STEP)
            if stripe % _STRIPES_A_BLOCK == _STRIPES_A_BLOCK - 1:
                self._scramble()
        self._accumulate(_STRIPES - 1, _LAST_STRIPE)
        low = self._merge(_LOW, PAGE * _PRIME64_1 & _MASK)
        high = self._merge(_HIGH, ~(PAGE * _PRIME64_2) & _MASK)
        builder = self._builder
        raised = builder.shl(builder.zext(high, _I128), ir.Constant(_I128, 64))
        return builder.or_(builder.zext(low, _I128), raised)

    def _derive_secret(self, seed: Any) -> Any:
        """The default one, with the seed added to every other word and taken from the rest."""
        builder = self._builder
        with builder.goto_entry_block():  # room in the frame, and not anew for each page
            secret = builder.alloca(_LANES, size=I32(len(_DEFAULT_SECRET) // _STRIPE))
        minus = builder.sub(I64(0), seed)
        seeds: Any = ir.Constant(_LANES, ir.Undefined)
        for lane in range(8):
            seeds = builder.insert_element(seeds, minus if lane % 2 else seed, I32(lane))
        for at in range(0, len(_DEFAULT_SECRET), _STRIPE):
            words = [
                I64(int.from_bytes(_DEFAULT_SECRET[n : n + 8], "little"))
                for n in range(at, at + _STRIPE, 8)
            ]
            part = builder.add(ir.Constant(_LANES, words), seeds)
            builder.store(part, _byte(builder, secret, I64(at)), align=_STRIPE)
        return secret

    def _key(self, at: int) -> Any:
        return self._builder.load(_byte(self._builder, self._secret, I64(at)), typ=_LANES, align=1)

    def _accumulate(self, stripe: int, secret: int) -> None:
        builder = self._builder
        data = _stripe(builder, self._page, stripe)
        keyed = builder.xor(data, self._key(secret))
        low = builder.and_(keyed, _splat((1 << 32) - 1))
        product = builder.mul(low, builder.lshr(keyed, _splat(32)))
        neighbours = ir.Constant(ir.VectorType(I32, 8), [I32(lane ^ 1) for lane in range(8)])
        swapped = builder.shuffle_vector(data, ir.Constant(_LANES, ir.Undefined), neighbours)
        self._lanes = builder.add(builder.add(self._lanes, product), swapped)

    def _scramble(self) -> None:
        builder, lanes = self._builder, self._lanes
        mixed = builder.xor(lanes, builder.lshr(lanes, _splat(47)))
        mixed = builder.xor(mixed, self._key(_SCRAMBLE))
        self._lanes = builder.mul(mixed, _splat(_PRIME32_1))

    def _merge(self, secret: int, start: int) -> Any:
        builder = self._builder
        mixed = builder.xor(self._lanes, self._key(secret))
        result: Any = I64(start)
        for lane in range(0, 8, 2):
            pair = (builder.extract_element(mixed, I32(lane + n)) for n in range(2))
            product = builder.mul(*(builder.zext(each, _I128) for each in pair))
            high = builder.trunc(builder.lshr(product, ir.Constant(_I128, 64)), I64)
            result = builder.add(result, builder.xor(builder.trunc(product, I64), high))
        result = builder.xor(result, builder.lshr(result, I64(37)))
        result = builder.mul(result, I64(_PRIME_MX1))
        return builder.xor(result, builder.lshr(result, I64(32)))


def _byte(builder: ir.IRBuilder, start: Any, offset: Any) -> Any:
    return builder.gep(start, [offset], source_etype=I8, inbounds=True)


def _stripe(builder: ir.IRBuilder, page: Any, number: int) -> Any:
    at = _byte(builder, page, I64(number * _STRIPE))
    return builder.load(at, typ=_LANES, align=_STRIPE)


def _splat(value: int) -> Any:
    return ir.Constant(_LANES, [I64(value)] * 8)


def _nothing(bits: int) -> Any:
    return ir.Constant(ir.IntType(bits), 0)
