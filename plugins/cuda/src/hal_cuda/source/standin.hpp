// Lets the source of a CUDA kernel compile as C++ and run on the host, one thread after another.
// A thread is a context of its own, so that __syncthreads can go on to the next one and come back.
// Contexts are made once for each program; jumps between them take no call of the system.
#include <cmath>
#include <cstdint>
#include <csetjmp>
#include <cstring>
#include <ucontext.h>

#define HAL_HOST
#define __device__
#define __global__
#define __shared__ static
#define __restrict__

struct Index { unsigned x, y, z; };
static Index blockIdx, threadIdx, blockDim, gridDim;

namespace standin {
const int THREADS = 256, STACK = 1 << 16;
ucontext_t first[THREADS];
jmp_buf scheduler, thread[THREADS];
char stack[THREADS][STACK];
bool made[THREADS], done[THREADS];
int current;
void (*body)();

void leave() {
  if (!_setjmp(thread[current])) _longjmp(scheduler, 1);
}
// What a context does: the thread of one block, then that of the next.
void start() {
  for (;;) {
    body();
    done[current] = true;
    leave();
  }
}
void resume(int i) {
  current = i;
  threadIdx.x = i;
  if (_setjmp(scheduler)) return;
  if (made[i]) _longjmp(thread[i], 1);
  made[i] = true;
  getcontext(&first[i]);
  first[i].uc_stack.ss_sp = stack[i];
  first[i].uc_stack.ss_size = STACK;
  makecontext(&first[i], start, 0);
  setcontext(&first[i]);
}
// Runs the threads of a block one after another: for kernels without a barrier.
void in_turn() {
  for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) body();
}
// Runs every thread of a block up to its next barrier, again and again until all are done.
void in_step() {
  int left = blockDim.x;
  for (int i = 0; i < (int)blockDim.x; i++) done[i] = false;
  while (left > 0)
    for (int i = 0; i < (int)blockDim.x; i++)
      if (!done[i]) {
        resume(i);
        left -= done[i];
      }
}
}  // namespace standin

static inline void __syncthreads() { standin::leave(); }
template <class T> T atomicMax(T* at, T value) { T old = *at; if (value > old) *at = value; return old; }
template <class T> T atomicCAS(T* at, T expected, T value) {
  T old = *at;
  if (old == expected) *at = value;
  return old;
}
