"""The bugs that can be switched on, with what each does."""

from __future__ import annotations

BUGS = {
    # What kernels calculate
    "wrong stride": "a transposed array is read as if it were contiguous",
    "negative stride ignored": "a reversed array is read forwards",
    "offset ignored": "a view is read from the start of its buffer",
    "wrong broadcast": "an axis of size 1 is stretched by repeating memory, not elements",
    "off-by-one reduction": "sum leaves out the last of more than 16 elements",
    "ignored NaN": "max and maximum prefer numbers to NaN",
    "wrong rounding": "cast to a narrower float cuts off instead of rounding",
    "signed zero lost": "multiply gives 0 for -0",
    "overflow saturates": "integers stay at the end of their range instead of wrapping around",
    "silent downcast": "float64 is calculated in float32",
    "integers as floats": "int64 is summed in float64",
    "dropped chunk": "of an odd number of elements, the last ones are not written",
    "naive softmax": "softmax does not take off the largest value",
    "last of equal": "argmax gives the last of the largest elements",
    "unstable sort": "argsort exchanges equal elements",
    "negative index": "take counts no index from the end",
    "alias in place": "negative works in its input's memory",
    "writes beyond": "a kernel writes one element behind its result",
    "adds to the result": "a kernel adds to what the result's memory holds",
    "nondeterministic": "sum adds up in another order each time",
    "attributes forgotten": "a kernel is cached without its attributes",
    "packs nothing": "matmul says it has released a factor, and reads it all the same",
    # Order
    "missing wait": "wait does nothing",
    "early event": "an event is complete as soon as it is recorded",
    "early synchronize": "synchronize does not wait",
    "early download": "download does not wait",
    "late upload": "upload reads the host array when its turn comes",
    "elapsed in seconds": "elapsed gives seconds",
    "streams are mixed up": "every second stream runs its work in the opposite order",
    # Memory
    "early reuse": "a buffer freed on one stream is given to another at once",
    "free at once": "free does not wait for the stream",
    "leak": "every fourth buffer is never given back",
    "pool grows": "freed buffers are never used again",
    "out of memory counted": "a refused allocation is counted as allocated",
    "misaligned": "buffers start 8 bytes off",
    "stale peak": "the peak is that of the first allocation",
    # Errors, threads, descriptions
    "swallowed error": "failed work is never reported",
    "error stays behind": "a stream that waits hears of no failure",
    "sticky error": "failed work is reported again and again",
    "error everywhere": "failed work is reported on every stream",
    "not thread-safe": "kernels share scratch memory",
    "dishonest dtypes": "float64 is listed but held as float32",
    "raising kernel": "kernel raises for what it does not know",
    "raising devices": "devices raises",
}  # fmt: skip
