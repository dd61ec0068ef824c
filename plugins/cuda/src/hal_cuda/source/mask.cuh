// A mask of attention as what is added to the scores, and zeros for queries that see no key.

template <class M, class T, int AXES> struct BiasArgs {
  T* bias;
  bool* blind;  // for each row: whether it sees no key
  const M* mask;  // true where a key is seen, or what is added to the scores
  i64 rows, queries, keys, pitch, causal, step;
  Axes<AXES, 1> axes;  // of the rows in `mask`
};

__device__ inline bool shows(bool seen) { return seen; }
template <class M> __device__ inline bool shows(M added) {
  return !(is_inf(wide(added)) && sign_bit(wide(added)));
}
template <class T> __device__ inline T added(bool seen) {
  return narrow<T>(seen ? 0.0f : bits_f32(0xff800000u));
}
template <class T, class M> __device__ inline T added(M value) { return value; }

// One block for each row. A row without any key is given all of them, so that no NaN arises.
template <class M, class T, int AXES> __device__ void make_bias(const BiasArgs<M, T, AXES>& a) {
  __shared__ bool shared[256];
  for (i64 row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const i64 query = row % a.queries;
    const i64 end = a.causal && query + 1 < a.keys ? query + 1 : a.keys;
    i64 from;
    a.axes.offsets(row, &from);
    bool any = false;
    for (i64 k = threadIdx.x; k < end; k += 256) any = any || shows(a.mask[from + k * a.step]);
    any = combine_threads<256, 1>(any, shared, [](bool x, bool y) { return x || y; });
    if (threadIdx.x == 0) a.blind[row] = !any;
    for (i64 k = threadIdx.x; k < a.pitch; k += 256)
      a.bias[row * a.pitch + k] =
          any && k < a.keys ? added<T>(a.mask[from + k * a.step]) : narrow<T>(0.0f);
  }
}

template <class T, int AXES> struct BlindArgs {
  T* out;
  const bool* blind;
  i64 rows, width;
  Axes<AXES, 1> axes;  // of the rows of `out` in `blind`
};
template <class T, int AXES> __device__ void clear_blind(const BlindArgs<T, AXES>& a) {
  for (i64 row = thread_index(); row < a.rows; row += thread_count()) {
    i64 at;
    a.axes.offsets(row, &at);
    if (a.blind[at])
      for (i64 i = 0; i < a.width; i++) a.out[row * a.width + i] = narrow<T>(0.0f);
  }
}
