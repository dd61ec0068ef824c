// How the threads of a block work together, and how an index becomes an offset in memory.

#ifdef HAL_WIDE_INDEX
typedef i64 index_t;
typedef u64 uindex_t;
#else
typedef i32 index_t;
typedef u32 uindex_t;
#endif

__device__ inline i64 thread_index() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline i64 thread_count() { return (i64)gridDim.x * blockDim.x; }

// Sizes and strides of up to N axes for K arrays, last axis fastest.
template <int N, int K> struct Axes {
  i64 size[N > 0 ? N : 1];
  i64 stride[K][N > 0 ? N : 1];
  __device__ void offsets(i64 linear, i64* result) const {
    for (int k = 0; k < K; k++) result[k] = 0;
    uindex_t rest = (uindex_t)linear;
    for (int d = N - 1; d > 0; d--) {
      uindex_t size_d = (uindex_t)size[d], next = rest / size_d;
      index_t at = (index_t)(rest - next * size_d);
      rest = next;
      for (int k = 0; k < K; k++) result[k] += (i64)at * stride[k][d];
    }
    if (N > 0)
      for (int k = 0; k < K; k++) result[k] += (i64)rest * stride[k][0];
  }
};

// Combines the values of COUNT threads, STRIDE apart, as COMBINE says; every thread of the block
// must call it, and every one gets the result of its own COUNT threads.
template <int COUNT, int STRIDE, class V, class COMBINE>
__device__ inline V combine_threads(V value, V* shared, COMBINE combine) {
  if (COUNT == 1) return value;
  const int me = threadIdx.x, lane = me / STRIDE % COUNT;
  shared[me] = value;
  __syncthreads();
  for (int step = COUNT / 2; step > 0; step /= 2) {
    if (lane < step) shared[me] = combine(shared[me], shared[me + step * STRIDE]);
    __syncthreads();
  }
  V result = shared[me - lane * STRIDE];
  __syncthreads();
  return result;
}
