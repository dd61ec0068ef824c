// Reading and writing at given positions. Never touches memory outside the tensor.

template <class I> __device__ inline i64 inside(I index, i64 size) {
  i64 at = (i64)index;
  if (Real<I>::is_signed && at < 0) at += size;
  return at < 0 ? 0 : at >= size ? size - 1 : at;
}

template <class T, class I, int AXES> struct TakeArgs {
  T* out;
  const T* in;
  const I* index;
  i64 n, size, step;
  Axes<AXES, 2> axes;  // of the input without its axis, and of the index
};
template <class T, class I, int AXES> __device__ void take(const TakeArgs<T, I, AXES>& a) {
  for (i64 i = thread_index(); i < a.n; i += thread_count()) {
    i64 at[2];
    a.axes.offsets(i, at);
    a.out[i] = a.in[at[0] + inside(a.index[at[1]], a.size) * a.step];
  }
}

template <class T, class I, int AXES> struct PutArgs {
  T* out;
  const I* index;
  const T* updates;
  u64* last;  // for each target, one more than the last position that writes it
  i64 n, size, step;
  Axes<AXES, 4> axes;  // of the output without its axis, index, updates, and the position
};

// Replaces a value of any size up to 8 bytes by what CHANGE makes of it, in one step.
template <class T, class CHANGE> __device__ inline void change(T* at, CHANGE make_new) {
  typedef typename std_if<sizeof(T) == 8, u64, u32>::type W;
  u64 address = (u64)at;
  const int shift = (int)(address % sizeof(W)) * 8;
  W* word = (W*)(address - address % sizeof(W));
  W old = *(volatile W*)word, seen;
  do {
    seen = old;
    T value;
    u64 bits = (u64)seen >> shift;
    memcpy(&value, &bits, sizeof(T));
    value = make_new(value);
    u64 fresh = 0;
    memcpy(&fresh, &value, sizeof(T));
    const u64 mask = sizeof(T) == 8 ? ~0ull : ((1ull << (sizeof(T) % 8 * 8)) - 1) << shift;
    old = atomicCAS(word, seen, (W)(((u64)seen & ~mask) | (fresh << shift)));
  } while (old != seen);
}

// The last of several updates of one element wins: the first pass finds it, the second writes.
// ROWS: `last` has one entry for each position along the axis, else one for each element.
template <bool ROWS, class T, class I, int AXES>
__device__ void put_mark(const PutArgs<T, I, AXES>& a) {
  for (i64 i = thread_index(); i < a.n; i += thread_count()) {
    i64 at[4];
    a.axes.offsets(i, at);
    const i64 row = inside(a.index[at[1]], a.size);
    atomicMax(&a.last[ROWS ? row : at[0] + row * a.step], (u64)(at[3] + 1));
  }
}
template <bool ROWS, class T, class I, int AXES>
__device__ void put_write(const PutArgs<T, I, AXES>& a) {
  for (i64 i = thread_index(); i < a.n; i += thread_count()) {
    i64 at[4];
    a.axes.offsets(i, at);
    const i64 row = inside(a.index[at[1]], a.size), to = at[0] + row * a.step;
    if (a.last[ROWS ? row : to] == (u64)(at[3] + 1)) a.out[to] = a.updates[at[2]];
  }
}
template <class T, class I, int AXES, class OP>
__device__ void put_combine(const PutArgs<T, I, AXES>& a, OP op) {
  // What is too large to be replaced in one step is left to a single thread.
  const bool alone = sizeof(T) > 8;
  const i64 first = !alone ? thread_index() : thread_index() == 0 ? 0 : a.n;
  for (i64 i = first; i < a.n; i += alone ? 1 : thread_count()) {
    i64 at[4];
    a.axes.offsets(i, at);
    const T update = a.updates[at[2]];
    T* to = &a.out[at[0] + inside(a.index[at[1]], a.size) * a.step];
    if constexpr (sizeof(T) <= 8)
      change(to, [=](T old) { return narrow<T>(op(wide(old), wide(update))); });
    else
      *to = narrow<T>(op(wide(*to), wide(update)));
  }
}

template <class T, int AXES> struct SearchArgs {
  i64* out;
  const T* in;
  const T* values;
  i64 n, size, step;
  Axes<AXES, 1> axes;
};
template <bool RIGHT, class T, int AXES> __device__ void search(const SearchArgs<T, AXES>& a) {
  for (i64 i = thread_index(); i < a.n; i += thread_count()) {
    i64 at;
    a.axes.offsets(i, &at);
    const auto value = wide(a.values[at]);
    i64 low = 0, high = a.size;
    while (low < high) {
      const i64 middle = (low + high) / 2;
      const auto other = wide(a.in[middle * a.step]);
      const bool after = RIGHT ? !sorts_before(value, other) : sorts_before(other, value);
      if (after) low = middle + 1;
      else high = middle;
    }
    a.out[i] = low;
  }
}
