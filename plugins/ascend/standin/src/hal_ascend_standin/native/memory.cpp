// Device memory: one file mapped twice, without access at the device's addresses, so that a touch
// from the host traps, and with access where copies and kernels work.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "control.h"

namespace standin {
namespace {

constexpr uint64_t ALIGNMENT = 512;  // As aclrtMalloc's blocks are; it also adds 32 bytes.
constexpr uint64_t POISONED = 1 << 16;

struct Arena {
  char *device = nullptr, *host = nullptr;
  int file = -1;
  uint64_t size = 0, used = 0;
  std::map<uint64_t, uint64_t> live, free;
};

struct Memory {
  std::mutex mutex;
  std::map<int, Arena> arenas;
  std::map<char *, uint64_t> pinned;
};
Memory &memory() {
  static auto *made = new Memory;
  return *made;
}

struct sigaction previous;

// Says what happened before the process dies of it: only functions safe in a handler.
void on_trap(int number, siginfo_t *info, void *context) {
  char *address = static_cast<char *>(info->si_addr);
  for (auto &entry : memory().arenas)
    if (address >= entry.second.device && address < entry.second.device + entry.second.size) {
      const char text[] = "stand-in: the host touched device memory without a copy\n";
      if (write(2, text, sizeof text - 1) < 0) _exit(139);
    }
  sigaction(SIGSEGV, &previous, nullptr);
  if (previous.sa_flags & SA_SIGINFO && previous.sa_sigaction)
    previous.sa_sigaction(number, info, context);
}

Arena *arena(int device) {
  auto &arenas = memory().arenas;
  auto found = arenas.find(device);
  if (found != arenas.end()) return &found->second;
  Arena made;
  made.size = settings().memory / 4096 * 4096;
  made.file = memfd_create("standin", MFD_CLOEXEC);
  if (made.file < 0 || ftruncate(made.file, static_cast<off_t>(made.size)) != 0) return nullptr;
  int shared = MAP_SHARED | MAP_NORESERVE;
  void *device_map = mmap(nullptr, made.size, PROT_NONE, shared, made.file, 0);
  void *host_map = mmap(nullptr, made.size, PROT_READ | PROT_WRITE, shared, made.file, 0);
  if (device_map == MAP_FAILED || host_map == MAP_FAILED) return nullptr;
  made.device = static_cast<char *>(device_map);
  made.host = static_cast<char *>(host_map);
  made.free[0] = made.size;
  if (arenas.empty()) {
    struct sigaction action = {};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &previous);
  }
  return &arenas.emplace(device, made).first->second;
}

}  // namespace

void *host_view(const void *address, uint64_t nbytes, int *device) {
  Memory &m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  const char *wanted = static_cast<const char *>(address);
  for (auto &entry : m.arenas) {
    Arena &a = entry.second;
    if (wanted < a.device || wanted >= a.device + a.size) continue;
    uint64_t offset = static_cast<uint64_t>(wanted - a.device);
    auto block = a.live.upper_bound(offset);
    if (block == a.live.begin()) return nullptr;
    --block;
    if (offset + nbytes > block->first + block->second) return nullptr;
    if (device) *device = entry.first;
    return a.host + offset;
  }
  return nullptr;
}

bool is_device_address(const void *address) {
  Memory &m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  const char *wanted = static_cast<const char *>(address);
  for (auto &entry : m.arenas)
    if (wanted >= entry.second.device && wanted < entry.second.device + entry.second.size)
      return true;
  return false;
}

bool is_pinned(const void *address, uint64_t nbytes) {
  Memory &m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  char *wanted = const_cast<char *>(static_cast<const char *>(address));
  auto block = m.pinned.upper_bound(wanted);
  if (block == m.pinned.begin()) return false;
  --block;
  return wanted + nbytes <= block->first + block->second;
}

std::string memory_report() {
  Memory &m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  size_t blocks = 0;
  for (auto &entry : m.arenas) blocks += entry.second.live.size();
  std::string text;
  if (blocks) text += "device block=" + std::to_string(blocks) + "\n";
  if (!m.pinned.empty()) text += "pinned block=" + std::to_string(m.pinned.size()) + "\n";
  return text;
}

}  // namespace standin

using namespace standin;

namespace {

// Reads and writes of one copy, checked when it is enqueued as the driver would.
struct Copy {
  char *to;
  const char *from;
};

int resolve(const char *name, void *dst, uint64_t room, const void *src, uint64_t count, int kind,
            bool pinned_needed, Copy *copy) {
  if (!dst || !src) return fail(code::PARAM, "%s: a null address", name);
  if (count > room)
    return fail(code::PARAM, "%s: %llu bytes do not fit %llu", name,
                static_cast<unsigned long long>(count), static_cast<unsigned long long>(room));
  bool to_device = kind == ACL_MEMCPY_HOST_TO_DEVICE || kind == ACL_MEMCPY_DEVICE_TO_DEVICE;
  bool from_device = kind == ACL_MEMCPY_DEVICE_TO_HOST || kind == ACL_MEMCPY_DEVICE_TO_DEVICE;
  if (is_device_address(dst) != to_device || is_device_address(src) != from_device)
    return fail(code::MEMORY_TYPE, "%s: kind %d does not fit the addresses %p and %p", name, kind,
                dst, src);
  copy->to = static_cast<char *>(to_device ? host_view(dst, count) : dst);
  copy->from = static_cast<const char *>(from_device ? host_view(src, count) : src);
  if (!copy->to || !copy->from)
    return fail(code::PARAM, "%s: %llu bytes at %p or %p leave their allocation", name,
                static_cast<unsigned long long>(count), dst, src);
  if (pinned_needed && ((!to_device && !is_pinned(dst, count)) ||
                        (!from_device && !is_pinned(src, count))))
    return fail(code::PARAM, "%s: host memory must come from aclrtMallocHost", name);
  return 0;
}

}  // namespace

extern "C" {

STANDIN_EXPORT aclError aclrtMalloc(void **devPtr, size_t size, aclrtMemMallocPolicy policy) {
  ENTER(aclError, code::OUT_OF_MEMORY);
  (void)policy;
  auto context = current_context();
  if (!context) return fail(code::NO_CONTEXT, "aclrtMalloc: the thread has no context");
  int forbidden = 0;
  if (capture_forbids("aclrtMalloc", &forbidden)) return forbidden;
  if (!devPtr || size == 0) return fail(code::PARAM, "aclrtMalloc: size %zu", size);
  Memory &m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  Arena *a = arena(context->device);
  if (!a) return fail(code::OUT_OF_MEMORY, "aclrtMalloc: the host cannot map the device's memory");
  uint64_t need = (size + 32 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  for (auto hole = a->free.begin(); hole != a->free.end(); ++hole) {
    if (hole->second < need) continue;
    uint64_t offset = hole->first, rest = hole->second - need;
    a->free.erase(hole);
    if (rest) a->free[offset + need] = rest;
    a->live[offset] = need;
    a->used += need;
    // What is read before it is written must not look like zeros.
    std::memset(a->host + offset, 0xA5, std::min<uint64_t>(need, POISONED));
    *devPtr = a->device + offset;
    return 0;
  }
  return fail(code::OUT_OF_MEMORY, "aclrtMalloc: %zu bytes do not fit the %llu that are free", size,
              static_cast<unsigned long long>(a->size - a->used));
}

STANDIN_EXPORT aclError aclrtFree(void *devPtr) {
  ENTER(aclError, code::PARAM);
  Memory &m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  for (auto &entry : m.arenas) {
    Arena &a = entry.second;
    char *address = static_cast<char *>(devPtr);
    if (address < a.device || address >= a.device + a.size) continue;
    auto block = a.live.find(static_cast<uint64_t>(address - a.device));
    if (block == a.live.end()) break;
    uint64_t offset = block->first, size = block->second;
    a.live.erase(block);
    a.used -= size;
    if (size >= POISONED)
      fallocate(a.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                static_cast<off_t>(size));
    auto after = a.free.lower_bound(offset);
    if (after != a.free.end() && offset + size == after->first) {
      size += after->second;
      after = a.free.erase(after);
    }
    if (after != a.free.begin()) {
      auto before = std::prev(after);
      if (before->first + before->second == offset) {
        before->second += size;
        return 0;
      }
    }
    a.free[offset] = size;
    return 0;
  }
  return fail(code::PARAM, "aclrtFree: %p is no allocation that is alive", devPtr);
}

STANDIN_EXPORT aclError aclrtMallocHost(void **hostPtr, size_t size) {
  ENTER(aclError, code::OUT_OF_MEMORY);
  if (!current_context()) return fail(code::NO_CONTEXT, "aclrtMallocHost: no context");
  if (!hostPtr || size == 0) return fail(code::PARAM, "aclrtMallocHost: size %zu", size);
  void *block = std::aligned_alloc(4096, (size + 4095) / 4096 * 4096);
  if (!block) return fail(code::OUT_OF_MEMORY, "aclrtMallocHost: %zu bytes", size);
  std::lock_guard<std::mutex> lock(memory().mutex);
  memory().pinned[static_cast<char *>(block)] = size;
  *hostPtr = block;
  return 0;
}

STANDIN_EXPORT aclError aclrtFreeHost(void *hostPtr) {
  ENTER(aclError, code::PARAM);
  std::lock_guard<std::mutex> lock(memory().mutex);
  if (!memory().pinned.erase(static_cast<char *>(hostPtr)))
    return fail(code::PARAM, "aclrtFreeHost: %p is no allocation that is alive", hostPtr);
  std::free(hostPtr);
  return 0;
}

STANDIN_EXPORT aclError aclrtGetMemInfo(aclrtMemAttr attr, size_t *free, size_t *total) {
  ENTER(aclError, code::PARAM);
  (void)attr;
  auto context = current_context();
  if (!context) return fail(code::NO_CONTEXT, "aclrtGetMemInfo: no context");
  if (!free || !total) return fail(code::PARAM, "aclrtGetMemInfo: a null address");
  std::lock_guard<std::mutex> lock(memory().mutex);
  Arena *a = arena(context->device);
  *total = a ? a->size : 0;
  *free = a ? a->size - a->used : 0;
  return 0;
}

STANDIN_EXPORT aclError aclrtMemcpy(void *dst, size_t destMax, const void *src, size_t count,
                                    aclrtMemcpyKind kind) {
  ENTER(aclError, code::COPY);
  if (!current_context()) return fail(code::NO_CONTEXT, "aclrtMemcpy: no context");
  int forbidden = 0;
  if (capture_forbids("aclrtMemcpy", &forbidden)) return forbidden;
  Copy copy = {};
  int code = resolve("aclrtMemcpy", dst, destMax, src, count, kind, false, &copy);
  if (code == 0) std::memmove(copy.to, copy.from, count);
  return code;
}

STANDIN_EXPORT aclError aclrtMemcpyAsync(void *dst, size_t destMax, const void *src, size_t count,
                                         aclrtMemcpyKind kind, aclrtStream stream) {
  ENTER(aclError, code::COPY);
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  Copy copy = {};
  code = resolve("aclrtMemcpyAsync", dst, destMax, src, count, kind, true, &copy);
  if (code) return code;
  return submit(target, [=]() -> Outcome {
    std::memmove(copy.to, copy.from, count);
    return {};
  });
}

STANDIN_EXPORT aclError aclrtMemsetAsync(void *devPtr, size_t maxCount, int32_t value, size_t count,
                                         aclrtStream stream) {
  ENTER(aclError, code::COPY);
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  void *bytes = host_view(devPtr, count);
  if (!bytes || count > maxCount)
    return fail(code::PARAM, "aclrtMemsetAsync: %zu bytes at %p", count, devPtr);
  return submit(target, [=]() -> Outcome {
    std::memset(bytes, value, count);
    return {};
  });
}

}  // extern "C"
