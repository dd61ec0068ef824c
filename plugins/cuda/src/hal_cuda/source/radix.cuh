// Stable sorting of long lines by their keys' digits of 4 bits, from the last to the first.
// Each pass counts the digits of every tile, finds where each tile's digits go, and moves them.

template <class T, class K, int AXES> struct RadixArgs {
  i64* out;         // positions in order, written by the last pass
  const T* values;  // read by the first pass
  const K* in;      // keys and positions, as the pass before left them
  K* next;
  const u32* from;
  u32* to;
  u32* counts;  // of each line, tile and digit; then where they go in the line
  i64 lines, count, tiles, step, shift;
  Axes<AXES, 1> axes;  // of the lines in `values`
};
const int DIGITS = 16, EACH = 8, TILE = 256 * EACH;

// The bits of a value, mapped so that they are in order as whole numbers: NaN behind all others,
// both zeros equal. Descending order is that of the inverted bits; equal ones keep theirs.
template <bool DESCENDING, class K, class T> __device__ inline K ordered(T value) {
  const auto v = wide(value);
  typedef Real<typename Wider<T>::type> R;
  const K sign = (K)((K)1 << (8 * sizeof(K) - 1));
  K bits;
  memcpy(&bits, &value, sizeof(K));
  if constexpr (R::floating) {
    if (is_nan(v)) bits = (K)~(K)0;
    else if (v == 0) bits = sign;
    else bits = bits & sign ? (K)~bits : (K)(bits | sign);
  } else if constexpr (R::is_signed) {
    bits = bits ^ sign;
  }
  return DESCENDING ? (K)~bits : bits;
}
template <bool FIRST, bool DESCENDING, class T, class K, int AXES>
__device__ inline K radix_key(const RadixArgs<T, K, AXES>& a, i64 line, i64 base, i64 i) {
  if constexpr (FIRST) return ordered<DESCENDING, K>(a.values[base + i * a.step]);
  else return a.in[line * a.count + i];
}

// Counts, for each thread of the block, the digits of its EACH neighbouring elements.
template <bool FIRST, bool DESCENDING, class T, class K, int AXES>
__device__ inline void count_digits(const RadixArgs<T, K, AXES>& a, i64 line, i64 base, i64 first,
                                    u32* counters, K* keys) {
  const int me = threadIdx.x;
  for (int digit = 0; digit < DIGITS; digit++) counters[digit * 256 + me] = 0;
#pragma unroll
  for (int n = 0; n < EACH; n++) {
    const i64 i = first + me * EACH + n;
    if (i < a.count) {
      keys[n] = radix_key<FIRST, DESCENDING>(a, line, base, i);
      counters[(int)((keys[n] >> a.shift) & (DIGITS - 1)) * 256 + me]++;
    }
  }
  __syncthreads();
}

template <bool FIRST, bool DESCENDING, class T, class K, int AXES>
__device__ void radix_count(const RadixArgs<T, K, AXES>& a) {
  __shared__ u32 counters[DIGITS * 256], shared[256];
  const int me = threadIdx.x, digit = me / DIGITS, lane = me % DIGITS;
  for (i64 tile = blockIdx.x; tile < a.lines * a.tiles; tile += gridDim.x) {
    const i64 line = tile / a.tiles;
    i64 base;
    a.axes.offsets(line, &base);
    K keys[EACH];
    count_digits<FIRST, DESCENDING>(a, line, base, tile % a.tiles * TILE, counters, keys);
    u32 sum = 0;
    for (int n = lane; n < 256; n += DIGITS) sum += counters[digit * 256 + n];
    sum = combine_threads<DIGITS, 1>(sum, shared, [](u32 x, u32 y) { return x + y; });
    if (lane == 0) a.counts[tile * DIGITS + digit] = sum;
  }
}

// One block for each line: what comes before each digit of each tile.
template <class T, class K, int AXES> __device__ void radix_scan(const RadixArgs<T, K, AXES>& a) {
  __shared__ u32 shared[256];
  const int me = threadIdx.x, digit = me / DIGITS, lane = me % DIGITS;
  const i64 part = (a.tiles + DIGITS - 1) / DIGITS, start = lane * part;
  const i64 end = start + part < a.tiles ? start + part : a.tiles;
  for (i64 line = blockIdx.x; line < a.lines; line += gridDim.x) {
    u32* counts = a.counts + line * a.tiles * DIGITS + digit;
    u32 sum = 0;
    for (i64 tile = start; tile < end; tile++) sum += counts[tile * DIGITS];
    u32 before = scan_block<Sum<u32>>(sum, shared) - sum;
    for (i64 tile = start; tile < end; tile++) {
      const u32 own = counts[tile * DIGITS];
      counts[tile * DIGITS] = before;
      before += own;
    }
    __syncthreads();
  }
}

template <bool FIRST, bool LAST, bool DESCENDING, class T, class K, int AXES>
__device__ void radix_move(const RadixArgs<T, K, AXES>& a) {
  __shared__ u32 counters[DIGITS * 256], shared[256], start[DIGITS];
  const int me = threadIdx.x;
  for (i64 tile = blockIdx.x; tile < a.lines * a.tiles; tile += gridDim.x) {
    const i64 line = tile / a.tiles, first = tile % a.tiles * TILE;
    i64 base;
    a.axes.offsets(line, &base);
    K keys[EACH];
    count_digits<FIRST, DESCENDING>(a, line, base, first, counters, keys);
    // What comes before each thread's digits in this tile; a thread adds up 16 neighbours.
    u32 sum = 0;
    for (int n = 0; n < DIGITS; n++) sum += counters[me * DIGITS + n];
    u32 before = scan_block<Sum<u32>>(sum, shared) - sum;
    for (int n = 0; n < DIGITS; n++) {
      const u32 own = counters[me * DIGITS + n];
      counters[me * DIGITS + n] = before;
      before += own;
    }
    __syncthreads();
    if (me < DIGITS) start[me] = a.counts[tile * DIGITS + me] - counters[me * 256];
    __syncthreads();
#pragma unroll
    for (int n = 0; n < EACH; n++) {
      const i64 i = first + me * EACH + n;
      if (i < a.count) {
        const int digit = (int)((keys[n] >> a.shift) & (DIGITS - 1));
        const i64 place = line * a.count + (u32)(start[digit] + counters[digit * 256 + me]++);
        const u32 position = FIRST ? (u32)i : a.from[line * a.count + i];
        if constexpr (LAST) {
          a.out[place] = position;
        } else {
          a.next[place] = keys[n];
          a.to[place] = position;
        }
      }
    }
    __syncthreads();
  }
}
