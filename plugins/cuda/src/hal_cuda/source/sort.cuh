// Stable sorting of positions by merging: each pass merges neighbouring sorted runs, and every
// element finds its place in the merged run by a binary search in the other one.

template <class T, int AXES> struct SortArgs {
  i64* out;
  const i64* in;  // positions sorted in runs; not read in the first pass
  const T* keys;
  i64 n, count, step, run;
  Axes<AXES, 1> axes;  // of the lines in `keys`
};
template <bool FIRST, bool DESCENDING, class T, int AXES>
__device__ void merge_runs(const SortArgs<T, AXES>& a) {
  for (i64 i = thread_index(); i < a.n; i += thread_count()) {
    const i64 line = i / a.count, at = i - line * a.count;
    if (FIRST) {
      a.out[i] = at;
      continue;
    }
    i64 base;
    a.axes.offsets(line, &base);
    const i64* order = a.in + line * a.count;
    const i64 start = at / (2 * a.run) * (2 * a.run);
    i64 middle = start + a.run, end = start + 2 * a.run;
    if (middle > a.count) middle = a.count;
    if (end > a.count) end = a.count;
    const bool left = at < middle;
    const auto key = wide(a.keys[base + order[at] * a.step]);
    i64 low = left ? middle : start, high = left ? end : middle;
    const i64 from = low;
    while (low < high) {
      const i64 probe = (low + high) / 2;
      const auto other = wide(a.keys[base + order[probe] * a.step]);
      // Equal elements keep their order: those of the left run stay in front.
      bool before = DESCENDING ? sorts_before(key, other) : sorts_before(other, key);
      if (!left && !before) before = !(DESCENDING ? sorts_before(other, key) : sorts_before(key, other));
      if (before) low = probe + 1;
      else high = probe;
    }
    const i64 place = left ? at + (low - from) : start + (at - middle) + (low - from);
    a.out[line * a.count + place] = order[at];
  }
}
