// Attention in one pass over the keys, for any layout, mask and floating-point type.
// A block takes TILE queries; each thread has ROWS of them, and of TILE keys at a time as many.

template <class T, class M, int AXES> struct AttentionArgs {
  T* out;
  const T* query;
  const T* key;
  const T* value;
  const M* mask;  // true where a key is seen, or what is added to the scores; may be null
  i64 batch, queries, keys, width, value_width, causal;
  f64 scale;
  i64 query_row, query_column, key_row, key_column, value_row, value_column, mask_row, mask_column;
  Axes<AXES, 5> axes;  // of the batch and heads in out, query, key, value and mask
};

template <class W> __device__ inline W masked(W score, bool seen) {
  return seen ? score : -bits_f64(0x7ff0000000000000ull);
}
template <class W, class M> __device__ inline W masked(W score, M added) {
  return score + wide(added);
}

// COLUMNS is the width of a value, rounded up to a multiple of CHUNK.
template <int COLUMNS, class T, class M, int AXES>
__device__ void attend(const AttentionArgs<T, M, AXES>& a) {
  typedef typename Wider<T>::type W;
  const int ROWS = sizeof(W) == 4 ? 4 : 2, TILE = 16 * ROWS, CHUNK = 32;
  __shared__ W left[CHUNK][TILE + 1], right[CHUNK][TILE + 1], weight[TILE][TILE + 1];
  const W hidden = -bits_f64(0x7ff0000000000000ull);
  const int me = threadIdx.x, row = me / 16 * ROWS, lane = me % 16, column = lane * ROWS;
  const i64 down = (a.queries + TILE - 1) / TILE;
  for (i64 tile = blockIdx.x; tile < a.batch * down; tile += gridDim.x) {
    const i64 first = tile % down * TILE;
    i64 at[5];
    a.axes.offsets(tile / down, at);
    W sum[ROWS][COLUMNS / 16], top[ROWS], total[ROWS];
    for (int i = 0; i < ROWS; i++) {
      top[i] = hidden;
      total[i] = 0;
      for (int j = 0; j < COLUMNS / 16; j++) sum[i][j] = 0;
    }
    const i64 end = a.causal && first + TILE < a.keys ? first + TILE : a.keys;
    for (i64 start = 0; start < end; start += TILE) {
      W score[ROWS][ROWS];
      for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < ROWS; j++) score[i][j] = 0;
      for (i64 from = 0; from < a.width; from += CHUNK) {
        for (int i = me; i < TILE * CHUNK; i += 256) {
          const int c = i % CHUNK, r = i / CHUNK;
          const bool inside = from + c < a.width;
          left[c][r] = inside && first + r < a.queries
              ? wide(a.query[at[1] + (first + r) * a.query_row + (from + c) * a.query_column])
              : W(0);
          right[c][r] = inside && start + r < a.keys
              ? wide(a.key[at[2] + (start + r) * a.key_row + (from + c) * a.key_column])
              : W(0);
        }
        __syncthreads();
        for (int c = 0; c < CHUNK; c++)
          for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < ROWS; j++)
              score[i][j] = m_multiply_add(left[c][row + i], right[c][column + j], score[i][j]);
        __syncthreads();
      }
      for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < ROWS; j++) {
          const i64 q = first + row + i, k = start + column + j;
          const bool there = q < a.queries && k < a.keys && !(a.causal && k > q);
          W s = score[i][j] * (W)a.scale;
          if (there && a.mask)
            s = masked(s, a.mask[at[4] + q * a.mask_row + k * a.mask_column]);
          weight[row + i][column + j] = score[i][j] = there ? s : hidden;
        }
      __syncthreads();
      W base[ROWS];
      for (int i = 0; i < ROWS; i++) {
        W most = top[i];
        for (int k = 0; k < TILE; k++)
          if (weight[row + i][k] > most) most = weight[row + i][k];
        base[i] = most == hidden ? W(0) : most;
        const W keep = m_exp(top[i] - base[i]);
        top[i] = most;
        total[i] = total[i] * keep;
        for (int j = 0; j < COLUMNS / 16; j++) sum[i][j] = sum[i][j] * keep;
      }
      __syncthreads();
      for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < ROWS; j++)
          weight[row + i][column + j] = m_exp(score[i][j] - base[i]);
      __syncthreads();
      for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < TILE; k++) total[i] = total[i] + weight[row + i][k];
#pragma unroll
      for (int part = 0; part < COLUMNS / CHUNK; part++) {
        for (int i = me; i < TILE * CHUNK; i += 256) {
          const int c = i % CHUNK, r = i / CHUNK;
          const i64 k = start + r, across = part * CHUNK + c;
          right[c][r] = k < a.keys && across < a.value_width
              ? wide(a.value[at[3] + k * a.value_row + across * a.value_column])
              : W(0);
        }
        __syncthreads();
        for (int k = 0; k < TILE; k++)
          for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < 2; j++)
              sum[i][2 * part + j] = m_multiply_add(weight[row + i][k], right[lane + 16 * j][k],
                                                    sum[i][2 * part + j]);
        __syncthreads();
      }
    }
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS / 16; j++) {
        const i64 q = first + row + i, across = lane + 16 * j;
        if (q < a.queries && across < a.value_width)
          a.out[at[0] + q * a.value_width + across] =
              narrow<T>(total[i] == W(0) ? W(0) : sum[i][j] / total[i]);
      }
  }
}
