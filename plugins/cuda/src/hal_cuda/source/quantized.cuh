// Products with weights of 8 or 4 bits: codes with a scale and a zero point for groups of columns.

template <class T> struct QuantizedArgs {
  T* out;
  const T* in;
  const u8* weight;  // codes of 4 bits lie two in a byte, the first one in the low half
  const T* scales;
  const T* zeros;  // the codes that stand for zero, or null
  const T* bias;   // may be null
  i64 rows, columns, features, group_size, groups;
};

// The value of a code, number `half` in its byte. Without a sign, zero is the middle of the range.
template <int BITS, bool SIGN> __device__ inline int code(u8 byte, int half) {
  if (BITS == 8) return SIGN ? (int)(i8)byte : (int)byte;
  const int bits = half ? byte >> 4 : byte & 15;
  return SIGN && bits > 7 ? bits - 16 : bits;
}
template <int BITS, bool SIGN, class T>
__device__ inline typename Wider<T>::type zero_code(const QuantizedArgs<T>& a, i64 at) {
  typedef typename Wider<T>::type W;
  return a.zeros ? wide(a.zeros[at]) : W(SIGN ? 0 : 1 << (BITS - 1));
}

// For few rows: 32 threads share a column, and each code is read once for all ROWS rows.
template <int BITS, bool SIGN, int ROWS, class T>
__device__ void quantized_rows(const QuantizedArgs<T>& a) {
  typedef typename Wider<T>::type W;
  const int LANES = 32, EACH = 8 / BITS, WORD = 4;
  __shared__ W shared[256];
  const int lane = threadIdx.x % LANES;
  const i64 bytes = (a.features + EACH - 1) / EACH;
  const bool words = bytes % WORD == 0 && (u64)a.weight % WORD == 0;
  for (i64 first = (i64)blockIdx.x * (256 / LANES); first < a.columns;
       first += (i64)gridDim.x * (256 / LANES)) {
    const i64 column = first + threadIdx.x / LANES;
    W sum[ROWS];
    for (int m = 0; m < ROWS; m++) sum[m] = 0;
    if (column < a.columns) {
      const u8* codes = a.weight + column * bytes;
      const int step = words ? WORD : 1;
      for (i64 b = (i64)lane * step; b < bytes; b += LANES * step) {
        u32 loaded = words ? *(const u32*)(codes + b) : codes[b];
        i64 k = b * EACH, group = k / a.group_size, next = (group + 1) * a.group_size;
        i64 at = column * a.groups + group;
        W zero = zero_code<BITS, SIGN>(a, at), scale = wide(a.scales[at]);
        for (int n = 0; n < step * EACH && k < a.features; n++, k++) {
          if (k == next) {
            next += a.group_size;
            at++;
            zero = zero_code<BITS, SIGN>(a, at);
            scale = wide(a.scales[at]);
          }
          const u8 byte = (u8)(loaded >> (n / EACH * 8));
          const W value = (W(code<BITS, SIGN>(byte, n % EACH)) - zero) * scale;
          for (int m = 0; m < ROWS; m++)
            if (m < a.rows) sum[m] = m_multiply_add(wide(a.in[m * a.features + k]), value, sum[m]);
        }
      }
    }
    for (int m = 0; m < ROWS; m++) {
      W total = combine_threads<LANES, 1>(sum[m], shared, [](W x, W y) { return x + y; });
      if (lane == 0 && column < a.columns && m < a.rows)
        a.out[m * a.columns + column] =
            narrow<T>(a.bias ? total + wide(a.bias[column]) : total);
    }
  }
}

// For many rows: the weight as numbers, to be multiplied by another kernel.
template <int BITS, bool SIGN, class T> __device__ void dequantize(const QuantizedArgs<T>& a) {
  typedef typename Wider<T>::type W;
  const int EACH = 8 / BITS;
  const i64 bytes = (a.features + EACH - 1) / EACH;
  for (i64 i = thread_index(); i < a.columns * a.features; i += thread_count()) {
    const i64 row = i / a.features, k = i % a.features, at = row * a.groups + k / a.group_size;
    const int value = code<BITS, SIGN>(a.weight[row * bytes + k / EACH], k % EACH);
    a.out[i] = narrow<T>((W(value) - zero_code<BITS, SIGN>(a, at)) * wide(a.scales[at]));
  }
}
