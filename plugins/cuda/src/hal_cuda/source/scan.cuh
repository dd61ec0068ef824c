// Running sums and products along an axis, and the positions of what is not zero.

// Combines each thread's value with those of the threads before it; every thread must call it.
template <class OP> __device__ inline typename OP::A scan_block(typename OP::A value,
                                                                 typename OP::A* shared) {
  const int me = threadIdx.x;
  shared[me] = value;
  __syncthreads();
  for (int step = 1; step < 256; step *= 2) {
    typename OP::A before = me >= step ? shared[me - step] : OP::start();
    __syncthreads();
    if (me >= step) shared[me] = OP::merge(before, shared[me]);
    __syncthreads();
  }
  return shared[me];
}

template <class IN, class OUT, int AXES> struct ScanArgs {
  OUT* out;
  const IN* in;
  i64 lines, count, in_step, out_step;
  Axes<AXES, 2> axes;
};
template <class OP, class IN, class OUT, int AXES>
__device__ void scan_lines(const ScanArgs<IN, OUT, AXES>& a) {
  typedef typename OP::A A;
  __shared__ A shared[256];
  for (i64 line = blockIdx.x; line < a.lines; line += gridDim.x) {
    i64 at[2];
    a.axes.offsets(line, at);
    A before = OP::start();
    for (i64 start = 0; start < a.count; start += 256) {
      const i64 i = start + threadIdx.x;
      A mine = i < a.count ? OP::take(OP::start(), wide(a.in[at[0] + i * a.in_step]), i)
                           : OP::start();
      A sum = OP::merge(before, scan_block<OP>(mine, shared));
      if (i < a.count) a.out[at[1] + i * a.out_step] = narrow<OUT>(sum);
      before = OP::merge(before, shared[255]);
      __syncthreads();
    }
  }
}

template <class T, int AXES> struct NonzeroArgs {
  i64* out;
  const T* in;
  i64 size, limit, ndim, sizes[8];
  Axes<AXES, 1> axes;
};
// One block walks over all elements, so that the positions come out in order.
template <class T, int AXES> __device__ void find_nonzero(const NonzeroArgs<T, AXES>& a) {
  __shared__ i64 shared[256];
  i64 before = 0;
  for (i64 start = 0; start < a.size; start += 256) {
    const i64 i = start + threadIdx.x;
    i64 at;
    a.axes.offsets(i < a.size ? i : 0, &at);
    const bool found = i < a.size && narrow<bool>(wide(a.in[at]));
    const i64 place = before + scan_block<Sum<i64>>(found, shared) - 1;
    if (found && place < a.limit) {
      i64 rest = i;
      for (i64 axis = a.ndim - 1; axis >= 0; axis--) {
        a.out[place * a.ndim + axis] = rest % a.sizes[axis];
        rest /= a.sizes[axis];
      }
    }
    before += shared[255];
    __syncthreads();
  }
}
