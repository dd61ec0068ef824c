// A triangle of a matrix, the determinant that the diagonal of a factorisation gives, eigenvectors.

template <class T> struct TriangleArgs {
  T* out;
  const T* in;
  i64 n, rows, columns, upper, in_matrix, in_row, in_column;
};
template <class T> __device__ void triangle_of(const TriangleArgs<T>& a) {
  for (i64 i = thread_index(); i < a.n; i += thread_count()) {
    const i64 column = i % a.columns, line = i / a.columns, row = line % a.rows;
    const i64 at = line / a.rows * a.in_matrix + row * a.in_row + column * a.in_column;
    const bool kept = a.upper ? column >= row : column <= row;
    a.out[i] = kept ? a.in[at] : narrow<T>(0);
  }
}

// A row exchanged with itself is none; every other one turns the sign.
template <class T, class R, class P> struct DeterminantArgs {
  T* sign;
  R* size;
  const T* factors;
  const P* pivots;
  i64 count, n;
};
template <class T, class R, class P>
__device__ void determinant_of(const DeterminantArgs<T, R, P>& a) {
  __shared__ T signs[256];
  __shared__ f64 sizes[256];
  for (i64 which = blockIdx.x; which < a.count; which += gridDim.x) {
    T sign = narrow<T>(1);
    f64 size = 0;
    for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) {
      const T pivot = a.factors[(which * a.n + i) * a.n + i];
      sign = sign * m_sign(pivot);
      if (a.pivots[which * a.n + i] != i + 1) sign = m_negative(sign);
      size += m_log((f64)m_abs(pivot));
    }
    sign = combine_threads<256, 1>(sign, signs, [](T x, T y) { return x * y; });
    size = combine_threads<256, 1>(size, sizes, [](f64 x, f64 y) { return x + y; });
    if (threadIdx.x == 0) {
      a.sign[which] = sign;
      a.size[which] = (R)size;
    }
  }
}

// Of two conjugate eigenvalues the first has the positive imaginary part; its vector's real part is
// in its own column, the imaginary part in the next one's.
template <class C, class R> struct PairsArgs {
  C* out;
  const R* vectors;
  const C* values;
  i64 total, n;
};
template <class C, class R> __device__ void vectors_of_pairs(const PairsArgs<C, R>& a) {
  for (i64 i = thread_index(); i < a.total; i += thread_count()) {
    const i64 column = i % a.n, line = i / a.n, row = line % a.n, matrix = line / a.n;
    const R side = a.values[matrix * a.n + column].im;
    const R* own = a.vectors + (matrix * a.n + column) * a.n + row;
    const R re = side < 0 ? own[-a.n] : own[0];
    const R im = side > 0 ? own[a.n] : side < 0 ? -own[0] : R(0);
    a.out[i] = make<R>(re, im);
  }
}
