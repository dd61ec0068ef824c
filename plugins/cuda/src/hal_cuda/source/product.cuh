// Matrix products of any type: for integers, and wherever cuBLASLt is not there or declines.
// A block of 256 threads calculates 64 x 64 results, each thread 4 x 4 of them.

template <class T, int AXES> struct ProductArgs {
  T* out;
  const T* left;
  const T* right;
  const T* bias;  // one for each column, or null
  i64 rows, columns, depth, batch;
  i64 left_row, left_step, right_step, right_column, bias_step;
  Axes<AXES, 3> axes;  // of the batch in out, left and right
};
template <class T, int AXES> __device__ void multiply(const ProductArgs<T, AXES>& a) {
  typedef typename Wider<T>::type V;
  const int TILE = 64, DEPTH = 16;
  __shared__ V left[DEPTH][TILE + 1], right[DEPTH][TILE + 1];
  const int me = threadIdx.x, row = me / 16 * 4, column = me % 16 * 4;
  const i64 down = (a.rows + TILE - 1) / TILE, across = (a.columns + TILE - 1) / TILE;
  for (i64 tile = blockIdx.x; tile < a.batch * down * across; tile += gridDim.x) {
    const i64 batch = tile / (down * across), rest = tile % (down * across);
    const i64 top = rest / across * TILE, side = rest % across * TILE;
    i64 at[3];
    a.axes.offsets(batch, at);
    V sum[4][4];
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < 4; j++) sum[i][j] = narrow<V>(0);
    for (i64 start = 0; start < a.depth; start += DEPTH) {
      for (int i = me; i < TILE * DEPTH; i += 256) {
        // Neighbouring threads read along the axis that lies closer in memory.
        const int k = a.left_step < a.left_row ? i % DEPTH : i / TILE;
        const int m = a.left_step < a.left_row ? i / DEPTH : i % TILE;
        const bool there = top + m < a.rows && start + k < a.depth;
        left[k][m] = there ? wide(a.left[at[1] + (top + m) * a.left_row + (start + k) * a.left_step])
                           : narrow<V>(0);
        const int l = a.right_step < a.right_column ? i % DEPTH : i / TILE;
        const int n = a.right_step < a.right_column ? i / DEPTH : i % TILE;
        const bool here = side + n < a.columns && start + l < a.depth;
        right[l][n] = here ? wide(a.right[at[2] + (start + l) * a.right_step +
                                          (side + n) * a.right_column])
                           : narrow<V>(0);
      }
      __syncthreads();
      for (int k = 0; k < DEPTH; k++)
        for (int i = 0; i < 4; i++)
          for (int j = 0; j < 4; j++)
            sum[i][j] = m_multiply_add(left[k][row + i], right[k][column + j], sum[i][j]);
      __syncthreads();
    }
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < 4; j++) {
        const i64 m = top + row + i, n = side + column + j;
        if (m < a.rows && n < a.columns) {
          V value = a.bias ? m_add(sum[i][j], wide(a.bias[n * a.bias_step])) : sum[i][j];
          a.out[at[0] + m * a.columns + n] = narrow<T>(value);
        }
      }
  }
}
