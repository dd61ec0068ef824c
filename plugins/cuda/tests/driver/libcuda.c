// A libcuda.so.1 without a GPU, for tests: cuda.core and cuda.bindings run on it as they are.
// Device memory is host memory, and work is done at once; while a stream captures, it is recorded.
// A misuse that a real driver would not survive is answered with an error and counted as one.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
typedef uint64_t CUdeviceptr;
typedef unsigned (*Kernel)(void**, unsigned);
enum { OK = 0, INVALID = 1, MEMORY = 2, CONTEXT = 201, HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600,
       ILLEGAL = 700, NOT_SUPPORTED = 801, CAPTURE = 900, WRONG_CAPTURE = 906 };

#define MARK_STREAM 0x57
#define MARK_EVENT 0xe7
#define MARK_GRAPH 0x6a
#define TOTAL (2ull << 30)

typedef struct Work { int kind; uint64_t a, b, n; Kernel kernel; void* words; struct Work* next; } Work;
typedef struct { int mark; Work *first, *last; } Graph;
typedef struct { int mark, device; Graph* capture; int failed; } Stream;
typedef struct { int mark, recorded; int64_t at; } Event;
typedef struct { int mark; uint64_t used, high, threshold; } Pool;
typedef struct Block { CUdeviceptr at; void* raw; size_t size; Pool* pool; int device; struct Block* next; } Block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Block* blocks;
static int misuses, lost, contexts[2];
static int64_t ticks;
static __thread void* current;
static Kernel host_kernel;
static char first_misuse[200];

// What a test asks of this library beside the driver's functions.
void standin_kernel(Kernel kernel) { host_kernel = kernel; }
int standin_misuses(char* text) { strcpy(text, first_misuse); return misuses; }
int standin_blocks(void) { int n = 0; for (Block* b = blocks; b; b = b->next) n++; return n; }
void standin_lose(int error) { lost = error; }

static CUresult misuse(const char* what, CUresult code) {
  if (!misuses++) snprintf(first_misuse, sizeof first_misuse, "%s", what);
  return code;
}
static CUresult ready(void) { return lost ? lost : current ? OK : misuse("no context", CONTEXT); }
#define READY do { CUresult r_ = ready(); if (r_) return r_; } while (0)

static Block* find(CUdeviceptr at) {
  for (Block* b = blocks; b; b = b->next) if (at >= b->at && at < b->at + b->size) return b;
  return NULL;
}
static int inside(CUdeviceptr at, size_t n) {
  Block* b = find(at);
  return b && at + n <= b->at + b->size;
}
static Stream* stream_of(void* s) {
  static Stream legacy = {MARK_STREAM, 0, NULL, 0};
  if ((uintptr_t)s <= 2) return &legacy;
  return ((Stream*)s)->mark == MARK_STREAM ? s : NULL;
}

static CUresult perform(Work* w) {
  void* parameters[1] = {w->words};
  switch (w->kind) {
    case 'k': w->kernel(parameters, (unsigned)w->n); break;
    case 'c': memmove((void*)w->a, (void*)w->b, w->n); break;
    case 's': memset((void*)w->a, (int)w->b, w->n); break;
  }
  return OK;
}
static CUresult submit(void* handle, Work w) {
  READY;
  Stream* s = stream_of(handle);
  if (!s) return misuse("work on what is no stream", HANDLE);
  if (!s->capture) return perform(&w);
  Work* kept = malloc(sizeof w);
  *kept = w;
  if (w.kind == 'k') {
    size_t size = w.kernel(NULL, 0);
    kept->words = memcpy(malloc(size), w.words, size);
  }
  kept->next = NULL;
  if (s->capture->last) s->capture->last->next = kept; else s->capture->first = kept;
  s->capture->last = kept;
  return OK;
}

// the driver itself

CUresult cuInit(unsigned flags) { return flags ? INVALID : OK; }
CUresult cuDriverGetVersion(int* version) { *version = 13050; return OK; }
CUresult cuGetErrorName(CUresult code, const char** text) {
  *text = code == OK ? "CUDA_SUCCESS" : code == MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY"
        : code == ILLEGAL ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_OTHER";
  return OK;
}
CUresult cuGetErrorString(CUresult code, const char** text) { *text = "said by the stand-in"; return OK; }
CUresult cuGetProcAddress_v2(const char* name, void** found, int version, uint64_t flags, int* status) {
  char text[128];
  *found = dlsym(RTLD_DEFAULT, name);
  for (int n = 3; n > 1 && !*found; n--) {
    // The packages for CUDA 12 call the second version of what has a third one since.
    snprintf(text, sizeof text, "%s_v%d", name, version < 12030 ? 5 - n : n);
    *found = dlsym(RTLD_DEFAULT, text);
  }
  if (!*found && getenv("STANDIN_LOG")) fprintf(stderr, "absent: %s\n", name);
  if (status) *status = *found ? 0 : 1;
  return *found ? OK : NOT_FOUND;
}
CUresult cuGetExportTable(const void** table, const void* which) { return NOT_FOUND; }  // NVRTC asks.
CUresult cuGetProcAddress(const char* name, void** found, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, found, version, flags, NULL);
}

// devices and contexts

CUresult cuDeviceGetCount(int* count) { *count = 2; return OK; }
CUresult cuDeviceGet(int* device, int ordinal) { *device = ordinal; return ordinal < 2 ? OK : 101; }
CUresult cuDeviceGetName(char* name, int size, int device) { snprintf(name, size, "No GPU %d", device); return OK; }
CUresult cuDeviceTotalMem_v2(size_t* bytes, int device) { *bytes = TOTAL; return OK; }
CUresult cuDeviceGetUuid_v2(char* uuid, int device) { memset(uuid, device, 16); return OK; }
CUresult cuDeviceGetAttribute(int* value, int attribute, int device) {
  switch (attribute) {
    case 75: *value = 9; break;    // compute capability, major
    case 76: *value = 0; break;    // and minor
    case 16: *value = 4; break;    // multiprocessors
    case 115: *value = 1; break;   // memory pools
    case 38: *value = 1 << 20; break;  // L2 cache
    default: *value = 1;
  }
  return OK;
}
CUresult cuDeviceCanAccessPeer(int* can, int device, int other) { *can = device != other; return OK; }
CUresult cuDevicePrimaryCtxRetain(void** context, int device) { *context = &contexts[device]; return OK; }
CUresult cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
CUresult cuCtxGetCurrent(void** context) { *context = current; return OK; }
CUresult cuCtxSetCurrent(void* context) { current = context; return OK; }
CUresult cuCtxPushCurrent_v2(void* context) { current = context; return OK; }
CUresult cuCtxPopCurrent_v2(void** context) { *context = current; current = NULL; return OK; }
CUresult cuCtxGetDevice(int* device) {
  if (!current) return CONTEXT;
  *device = current == &contexts[1];
  return OK;
}
CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) { *least = 0; *greatest = -5; return OK; }

// memory

static CUresult allocate(CUdeviceptr* at, size_t size, Pool* pool) {
  READY;
  if (!size) return INVALID;
  if (pool && pool->used + size > TOTAL) return MEMORY;
  Block* b = calloc(1, sizeof *b);
  b->raw = malloc(size + 512);
  if (!b->raw) return MEMORY;
  memset(b->raw, 0xA5, size + 512);
  b->at = ((uintptr_t)b->raw + 255) / 256 * 256;
  b->size = size;
  b->pool = pool;
  b->device = current == &contexts[1];
  pthread_mutex_lock(&lock);
  b->next = blocks;
  blocks = b;
  if (pool && (pool->used += size) > pool->high) pool->high = pool->used;
  pthread_mutex_unlock(&lock);
  *at = b->at;
  return OK;
}
static CUresult release(CUdeviceptr at) {
  pthread_mutex_lock(&lock);
  Block** link = &blocks;
  while (*link && (*link)->at != at) link = &(*link)->next;
  Block* b = *link;
  if (b) {
    *link = b->next;
    if (b->pool) b->pool->used -= b->size;
  }
  pthread_mutex_unlock(&lock);
  if (!b) return misuse("freed what is not allocated", INVALID);
  free(b->raw);
  free(b);
  return OK;
}
CUresult cuMemPoolCreate(Pool** pool, const void* properties) {
  *pool = calloc(1, sizeof **pool);
  (*pool)->mark = 0x90;
  return OK;
}
CUresult cuMemPoolDestroy(Pool* pool) { return OK; }
CUresult cuMemPoolSetAttribute(Pool* pool, int attribute, void* value) {
  if (pool->mark != 0x90) return misuse("an attribute of what is no pool", HANDLE);
  if (attribute == 4) pool->threshold = *(uint64_t*)value;
  return OK;
}
CUresult cuMemPoolGetAttribute(Pool* pool, int attribute, void* value) {
  uint64_t* result = value;
  switch (attribute) {
    case 4: *result = pool->threshold; break;
    case 5: case 7: *result = pool->used; break;
    case 6: case 8: *result = pool->high; break;
    default: *(int*)value = 1;
  }
  return OK;
}
CUresult cuMemPoolSetAccess(Pool* pool, const void* map, size_t count) { return OK; }
CUresult cuMemPoolGetAccess(int* flags, Pool* pool, void* location) { *flags = 3; return OK; }
CUresult cuMemAllocFromPoolAsync(CUdeviceptr* at, size_t size, Pool* pool, void* handle) {
  Stream* s = stream_of(handle);
  if (!s) return misuse("allocated on what is no stream", HANDLE);
  if (s->capture) return misuse("a pool's memory asked for in a capture", CAPTURE);
  if (pool->mark != 0x90) return misuse("allocated from what is no pool", HANDLE);
  return allocate(at, size, pool);
}
CUresult cuMemAllocAsync(CUdeviceptr* at, size_t size, void* handle) {
  return stream_of(handle) ? allocate(at, size, NULL) : misuse("allocated on no stream", HANDLE);
}
CUresult cuMemFreeAsync(CUdeviceptr at, void* handle) {
  Stream* s = stream_of(handle);
  if (!s) return misuse("freed on what is no stream", HANDLE);
  return s->capture ? OK : release(at);  // A graph keeps its memory.
}
CUresult cuMemAllocHost_v2(void** at, size_t size) { return allocate((CUdeviceptr*)at, size, NULL); }
CUresult cuMemFreeHost(void* at) { return release((CUdeviceptr)at); }
CUresult cuPointerGetAttribute(void* value, int attribute, CUdeviceptr at) {
  if (attribute != 9) return NOT_SUPPORTED;  // which device
  if (!find(at)) return INVALID;
  *(int*)value = find(at)->device;
  return OK;
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t n, void* stream) {
  if (!inside(to, n)) return misuse("copied to what is not allocated", INVALID);
  return submit(stream, (Work){'c', to, (uintptr_t)from, n});
}
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t n, void* stream) {
  if (!inside(from, n)) return misuse("copied from what is not allocated", INVALID);
  return submit(stream, (Work){'c', (uintptr_t)to, from, n});
}
CUresult cuMemcpyPeerAsync(CUdeviceptr to, void* there, CUdeviceptr from, void* here, size_t n, void* stream) {
  if (!inside(to, n) || !inside(from, n)) return misuse("copied what is not allocated", INVALID);
  if (there == here) return misuse("a copy between devices of one device", INVALID);
  return submit(stream, (Work){'c', to, from, n});
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n, void* stream) {
  if (!inside(to, n)) return misuse("cleared what is not allocated", INVALID);
  return submit(stream, (Work){'s', to, value, n});
}

// programs: a library's only kernel is the host's, which the test has named before

CUresult cuLibraryLoadData(void** library, const void* code, int* a, void** b, unsigned n, int* c, void** d, unsigned m) {
  READY;
  if (memcmp(code, "\177ELF", 4)) return misuse("loaded what is no program", 200);
  *library = (void*)host_kernel;
  return OK;
}
CUresult cuLibraryUnload(void* library) { return OK; }
CUresult cuLibraryGetKernel(void** kernel, void* library, const char* name) {
  *kernel = library;
  return library ? OK : NOT_FOUND;
}
CUresult cuKernelGetFunction(void** function, void* kernel) { *function = kernel; return OK; }
CUresult cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by,
                        unsigned bz, unsigned shared, void* stream, void** parameters, void** extra) {
  if (!x || y != 1 || z != 1 || bx != 256 || by != 1 || bz != 1 || shared || extra)
    return misuse("an odd launch", INVALID);
  return submit(stream, (Work){'k', 0, 0, x, (Kernel)function, parameters[0]});
}

// order

CUresult cuStreamCreateWithPriority(Stream** stream, unsigned flags, int priority) {
  READY;
  *stream = calloc(1, sizeof **stream);
  (*stream)->mark = MARK_STREAM;
  (*stream)->device = current == &contexts[1];
  return OK;
}
CUresult cuStreamDestroy_v2(Stream* stream) {
  if (!stream_of(stream)) return misuse("destroyed what is no stream", HANDLE);
  stream->mark = 0;  // Not given back: later uses are seen.
  return OK;
}
CUresult cuStreamSynchronize(void* stream) {
  Stream* s = stream_of(stream);
  if (!s) return misuse("waited for what is no stream", HANDLE);
  return s->capture ? CAPTURE : ready();
}
CUresult cuStreamQuery(void* stream) { return stream_of(stream) ? ready() : HANDLE; }
CUresult cuStreamGetCtx(void* stream, void** context) { *context = current; return OK; }
CUresult cuStreamGetCtx_v2(void* stream, void** context, void** green) {
  *context = current;
  *green = NULL;
  return OK;
}
CUresult cuStreamGetDevice(void* stream, int* device) { *device = stream_of(stream)->device; return OK; }
CUresult cuStreamGetPriority(void* stream, int* priority) { *priority = 0; return OK; }
CUresult cuStreamGetFlags(void* stream, unsigned* flags) { *flags = 1; return OK; }
CUresult cuStreamWaitEvent(void* stream, Event* event, unsigned flags) {
  if (!stream_of(stream)) return misuse("a wait of what is no stream", HANDLE);
  return event->mark == MARK_EVENT ? ready() : misuse("a wait for what is no event", HANDLE);
}
CUresult cuEventCreate(Event** event, unsigned flags) {
  READY;
  *event = calloc(1, sizeof **event);
  (*event)->mark = MARK_EVENT;
  return OK;
}
CUresult cuEventDestroy_v2(Event* event) {
  if (event->mark != MARK_EVENT) return misuse("destroyed what is no event", HANDLE);
  event->mark = 0;
  return OK;
}
CUresult cuEventRecord(Event* event, void* stream) {
  if (event->mark != MARK_EVENT) return misuse("recorded what is no event", HANDLE);
  if (!stream_of(stream)) return misuse("recorded on what is no stream", HANDLE);
  event->recorded = 1;
  event->at = ++ticks;
  return ready();
}
CUresult cuEventRecordWithFlags(Event* event, void* stream, unsigned flags) { return cuEventRecord(event, stream); }
CUresult cuEventQuery(Event* event) { return event->mark == MARK_EVENT ? ready() : misuse("asked no event", HANDLE); }
CUresult cuEventSynchronize(Event* event) { return cuEventQuery(event); }
CUresult cuEventElapsedTime_v2(float* milliseconds, Event* start, Event* end) {
  if (!start->recorded || !end->recorded) return misuse("the time of unrecorded events", HANDLE);
  *milliseconds = (float)(end->at - start->at);
  return OK;
}

// graphs

CUresult cuStreamIsCapturing(void* stream, int* status) {
  Stream* s = stream_of(stream);
  if (!s) return misuse("asked of what is no stream", HANDLE);
  *status = s->capture ? 1 : 0;
  return OK;
}
CUresult cuStreamGetCaptureInfo_v3(void* stream, int* status, uint64_t* id, void** graph, const void** d, const void** e, size_t* n) {
  CUresult r = cuStreamIsCapturing(stream, status);
  if (id) *id = 1;
  if (graph) *graph = r == OK ? stream_of(stream)->capture : NULL;
  if (d) *d = NULL;
  if (e) *e = NULL;
  if (n) *n = 0;
  return r;
}
CUresult cuStreamGetCaptureInfo_v2(void* stream, int* status, uint64_t* id, void** graph, const void** d, size_t* n) {
  return cuStreamGetCaptureInfo_v3(stream, status, id, graph, d, NULL, n);
}
CUresult cuStreamBeginCapture_v2(void* stream, int mode) {
  READY;
  Stream* s = stream_of(stream);
  if (!s || (uintptr_t)stream <= 2) return misuse("a capture of the default stream", CAPTURE);
  if (s->capture) return misuse("a capture within a capture", CAPTURE);
  s->capture = calloc(1, sizeof(Graph));
  s->capture->mark = MARK_GRAPH;
  return OK;
}
CUresult cuStreamEndCapture(void* stream, Graph** graph) {
  Stream* s = stream_of(stream);
  if (!s || !s->capture) return misuse("the end of no capture", INVALID);
  *graph = s->capture;
  s->capture = NULL;
  return OK;
}
CUresult cuGraphInstantiateWithParams(void** made, Graph* graph, void* parameters) {
  if (graph->mark != MARK_GRAPH) return misuse("made no graph ready", HANDLE);
  *made = graph;
  ((int*)parameters)[6] = 0;
  return OK;
}
CUresult cuUserObjectCreate(void** made, void* at, void* destroy, unsigned count, unsigned flags) {
  *made = at;
  return OK;
}
CUresult cuUserObjectRetain(void* object, unsigned count) { return OK; }
CUresult cuUserObjectRelease(void* object, unsigned count) { return OK; }
CUresult cuGraphRetainUserObject(Graph* graph, void* object, unsigned count, unsigned flags) { return OK; }
CUresult cuGraphReleaseUserObject(Graph* graph, void* object, unsigned count) { return OK; }
CUresult cuGraphInstantiate(void** made, Graph* graph, uint64_t flags) { *made = graph; return OK; }
CUresult cuGraphUpload(void* graph, void* stream) { return OK; }
CUresult cuGraphExecDestroy(void* graph) { return OK; }
CUresult cuGraphDestroy(void* graph) { return OK; }
CUresult cuGraphLaunch(Graph* graph, void* stream) {
  READY;
  if (graph->mark != MARK_GRAPH) return misuse("launched no graph", HANDLE);
  if (!stream_of(stream) || stream_of(stream)->capture) return misuse("launched nowhere", HANDLE);
  for (Work* w = graph->first; w; w = w->next) perform(w);
  return OK;
}
