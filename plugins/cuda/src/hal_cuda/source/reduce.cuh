// Reductions: what is accumulated for each operator, and the loop over the reduced axes.

template <class T> struct Lowest {
  __device__ static T low() {
    if constexpr (Real<T>::floating) return narrow<T>(bits_f32(0xff800000u));
    else if constexpr (Real<T>::is_signed) return (T)((u64)1 << (sizeof(T) * 8 - 1));
    else return T(0);
  }
  __device__ static T high() {
    if constexpr (Real<T>::floating) return narrow<T>(bits_f32(0x7f800000u));
    else if constexpr (Real<T>::is_signed) return (T)(((u64)1 << (sizeof(T) * 8 - 1)) - 1);
    else return (T)~T(0);
  }
};
template <> struct Lowest<bool> {
  __device__ static bool low() { return false; }
  __device__ static bool high() { return true; }
};

// Each has: the accumulated type A; start; take one value at its position; merge; finish.
template <class V> struct Sum {
  typedef V A;
  __device__ static A start() { return narrow<A>(0); }
  template <class T> __device__ static A take(A a, T v, i64) { return m_add(a, narrow<A>(v)); }
  __device__ static A merge(A a, A b) { return m_add(a, b); }
  __device__ static A finish(A a, i64, f64) { return a; }
};
template <class V> struct Mean : Sum<V> {
  __device__ static V finish(V a, i64 count, f64) { return m_divide(a, narrow<V>((f64)count)); }
};
template <class V> struct Product {
  typedef V A;
  __device__ static A start() { return narrow<A>(1); }
  template <class T> __device__ static A take(A a, T v, i64) { return m_multiply(a, narrow<A>(v)); }
  __device__ static A merge(A a, A b) { return m_multiply(a, b); }
  __device__ static A finish(A a, i64, f64) { return a; }
};
template <class V> struct Max {
  typedef V A;
  __device__ static A start() { return Lowest<A>::low(); }
  template <class T> __device__ static A take(A a, T v, i64) { return m_maximum(a, (A)v); }
  __device__ static A merge(A a, A b) { return m_maximum(a, b); }
  __device__ static A finish(A a, i64, f64) { return a; }
};
template <class V> struct Min {
  typedef V A;
  __device__ static A start() { return Lowest<A>::high(); }
  template <class T> __device__ static A take(A a, T v, i64) { return m_minimum(a, (A)v); }
  __device__ static A merge(A a, A b) { return m_minimum(a, b); }
  __device__ static A finish(A a, i64, f64) { return a; }
};
template <class V> struct Any {
  typedef bool A;
  __device__ static A start() { return false; }
  template <class T> __device__ static A take(A a, T v, i64) { return a || narrow<bool>(v); }
  __device__ static A merge(A a, A b) { return a || b; }
  __device__ static A finish(A a, i64, f64) { return a; }
};
template <class V> struct All {
  typedef bool A;
  __device__ static A start() { return true; }
  template <class T> __device__ static A take(A a, T v, i64) { return a && narrow<bool>(v); }
  __device__ static A merge(A a, A b) { return a && b; }
  __device__ static A finish(A a, i64, f64) { return a; }
};
template <class V> struct Count {
  typedef i64 A;
  __device__ static A start() { return 0; }
  template <class T> __device__ static A take(A a, T v, i64) { return a + narrow<bool>(v); }
  __device__ static A merge(A a, A b) { return a + b; }
  __device__ static A finish(A a, i64, f64) { return a; }
};
// The first of the largest (SIGN 1) or smallest (SIGN -1); NaN counts as beyond every number.
template <class V, int SIGN> struct Position {
  struct A { V value; i64 at; };
  __device__ static A start() { A a = {V(0), -1}; return a; }
  __device__ static bool before(A a, A b) {
    if (a.at < 0 || b.at < 0) return b.at < 0;
    if (is_nan(a.value) || is_nan(b.value)) {
      if (is_nan(a.value) && is_nan(b.value)) return a.at < b.at;
      return is_nan(a.value);
    }
    if (a.value == b.value) return a.at < b.at;
    return SIGN > 0 ? a.value > b.value : a.value < b.value;
  }
  template <class T> __device__ static A take(A a, T v, i64 at) {
    A b = {(V)v, at};
    return merge(a, b);
  }
  __device__ static A merge(A a, A b) { return before(a, b) ? a : b; }
  __device__ static i64 finish(A a, i64, f64) { return a.at; }
};
template <class V> struct ArgMax : Position<V, 1> {};
template <class V> struct ArgMin : Position<V, -1> {};
// Welford's count, mean and sum of squared distances; `number` is the correction.
template <class V> struct Variance {
  struct A { V count, mean, squares; };
  __device__ static A start() { A a = {V(0), V(0), V(0)}; return a; }
  template <class T> __device__ static A take(A a, T value, i64) {
    V v = (V)value, distance = v - a.mean;
    A r = {a.count + V(1), a.mean + distance / (a.count + V(1)), V(0)};
    r.squares = a.squares + distance * (v - r.mean);
    return r;
  }
  __device__ static A merge(A a, A b) {
    if (a.count == V(0)) return b;
    if (b.count == V(0)) return a;
    V count = a.count + b.count, distance = b.mean - a.mean, part = b.count / count;
    A r = {count, a.mean + distance * part,
           a.squares + b.squares + distance * distance * a.count * part};
    return r;
  }
  __device__ static V finish(A a, i64, f64 number) { return a.squares / (a.count - V(number)); }
};
template <class V> struct Deviation : Variance<V> {
  __device__ static V finish(typename Variance<V>::A a, i64 count, f64 number) {
    return m_sqrt(Variance<V>::finish(a, count, number));
  }
};
// The logarithm of a sum of exponentials, kept as the largest value and the sum relative to it.
template <class V> struct LogSumExp {
  struct A { V top, sum; };
  __device__ static A start() { A a = {Lowest<V>::low(), V(0)}; return a; }
  template <class T> __device__ static A take(A a, T value, i64) {
    A b = {(V)value, V(1)};
    return merge(a, b);
  }
  __device__ static A merge(A a, A b) {
    if (a.sum == V(0)) return b;
    if (b.sum == V(0)) return a;
    if (a.top == b.top) { A r = {a.top, a.sum + b.sum}; return r; }
    bool first = a.top > b.top || is_nan(a.top);
    A high = first ? a : b, low = first ? b : a;
    A r = {high.top, high.sum + low.sum * m_exp(low.top - high.top)};
    return r;
  }
  __device__ static V finish(A a, i64, f64) { return a.top + m_log(a.sum); }
};

// `in` holds values where FIRST, else what other blocks accumulated; `out` likewise for LAST.
template <class IN, class OUT, int KEPT, int REDUCED> struct ReduceArgs {
  OUT* out;
  const IN* in;
  i64 outputs, count, elements, segments;  // `elements` as the user counts them
  f64 number;
  Axes<KEPT, 1> kept;
  Axes<REDUCED, 1> reduced;
};

// COUNT threads, STRIDE apart, reduce one segment of what belongs to one output.
template <class OP, int COUNT, int STRIDE, bool FIRST, bool LAST, class IN, class OUT, int KEPT,
          int REDUCED>
__device__ void reduce_outputs(const ReduceArgs<IN, OUT, KEPT, REDUCED>& a) {
  typedef typename OP::A A;
  __shared__ A shared[256];
  const int group = 256 / COUNT;
  const int lane = threadIdx.x / STRIDE % COUNT;
  const int slot = STRIDE == 1 ? threadIdx.x / COUNT : threadIdx.x % STRIDE;
  const i64 tasks = a.outputs * a.segments;
  const i64 part = (a.count + a.segments - 1) / a.segments;
  for (i64 first = (i64)blockIdx.x * group; first < tasks; first += (i64)gridDim.x * group) {
    const i64 task = first + slot;
    A mine = OP::start();
    if (task < tasks) {
      const i64 output = task / a.segments, segment = task - output * a.segments;
      i64 base, at;
      a.kept.offsets(output, &base);
      i64 end = (segment + 1) * part;
      if (end > a.count) end = a.count;
      for (i64 i = segment * part + lane; i < end; i += COUNT) {
        a.reduced.offsets(i, &at);
        if constexpr (FIRST) mine = OP::take(mine, wide(a.in[base + at]), i);
        else mine = OP::merge(mine, a.in[base + at]);
      }
    }
    mine = combine_threads<COUNT, STRIDE>(mine, shared, [](A x, A y) { return OP::merge(x, y); });
    if (lane == 0 && task < tasks) {
      if constexpr (LAST) a.out[task] = narrow<OUT>(OP::finish(mine, a.elements, a.number));
      else a.out[task] = mine;
    }
  }
}
