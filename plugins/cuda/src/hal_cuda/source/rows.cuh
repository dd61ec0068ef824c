// Operators on rows: softmax and the normalizations. COUNT threads share a row.

template <class T, int AXES> struct RowArgs {
  T* out;
  const T* in;
  const T* weight;  // may be null
  const T* bias;    // may be null
  i64 rows, count, in_step, out_step;
  // The parameters of element i of row r are at (r % groups) * channels + i / span.
  i64 groups, channels, span;
  f64 epsilon;
  Axes<AXES, 2> axes;
};

template <class OP, int COUNT, class T, int AXES, class WRITE>
__device__ inline void for_rows(const RowArgs<T, AXES>& a, WRITE write) {
  typedef typename OP::A A;
  __shared__ A shared[256];
  const int group = 256 / COUNT, lane = threadIdx.x % COUNT;
  for (i64 first = (i64)blockIdx.x * group; first < a.rows; first += (i64)gridDim.x * group) {
    const i64 row = first + threadIdx.x / COUNT;
    i64 at[2] = {0, 0};
    A mine = OP::start();
    if (row < a.rows) {
      a.axes.offsets(row, at);
      for (i64 i = lane; i < a.count; i += COUNT)
        mine = OP::take(mine, wide(a.in[at[0] + i * a.in_step]), i);
    }
    mine = combine_threads<COUNT, 1>(mine, shared, [](A x, A y) { return OP::merge(x, y); });
    if (row < a.rows)
      for (i64 i = lane; i < a.count; i += COUNT)
        a.out[at[1] + i * a.out_step] =
            narrow<T>(write(wide(a.in[at[0] + i * a.in_step]), mine, row, i));
  }
}

template <int COUNT, class T, int AXES> __device__ void softmax(const RowArgs<T, AXES>& a) {
  typedef typename Wider<T>::type V;
  for_rows<LogSumExp<V>, COUNT>(a, [](V v, typename LogSumExp<V>::A s, i64, i64) {
    // An infinite maximum leaves nothing but NaN, as its difference from itself does.
    return m_exp(v - s.top) / (is_inf(s.top) ? s.top - s.top : s.sum);
  });
}
template <int COUNT, class T, int AXES> __device__ void log_softmax(const RowArgs<T, AXES>& a) {
  typedef typename Wider<T>::type V;
  for_rows<LogSumExp<V>, COUNT>(a, [](V v, typename LogSumExp<V>::A s, i64, i64) {
    return v - s.top - (is_inf(s.top) ? s.top - s.top : m_log(s.sum));
  });
}

template <class T, int AXES, class V>
__device__ inline V affine(const RowArgs<T, AXES>& a, V v, i64 row, i64 i) {
  const i64 at = row % a.groups * a.channels + i / a.span;
  if (a.weight) v = v * wide(a.weight[at]);
  if (a.bias) v = v + wide(a.bias[at]);
  return v;
}
template <int COUNT, class T, int AXES> __device__ void standardize(const RowArgs<T, AXES>& a) {
  typedef typename Wider<T>::type V;
  for_rows<Variance<V>, COUNT>(a, [&](V v, typename Variance<V>::A s, i64 row, i64 i) {
    V scale = V(1) / m_sqrt(s.squares / s.count + V(a.epsilon));
    return affine(a, (v - s.mean) * scale, row, i);
  });
}
template <class V> struct Power : Sum<V> {
  template <class T> __device__ static V take(V a, T v, i64) { return a + (V)v * (V)v; }
};
template <int COUNT, class T, int AXES> __device__ void rms_normalize(const RowArgs<T, AXES>& a) {
  typedef typename Wider<T>::type V;
  for_rows<Power<V>, COUNT>(a, [&](V v, V s, i64 row, i64 i) {
    return affine(a, v * (V(1) / m_sqrt(s / V(a.count) + V(a.epsilon))), row, i);
  });
}
