// What all four libraries share: the state, handles, errors, faults, tasks on streams.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "abi.h"

#pragma GCC visibility push(default)
namespace standin {

enum class Kind : uint8_t {
  Context = 1, Stream, Event, Model, Tensor, TensorList, Scalar, IntArray, Executor, Communicator
};
const char *kind_name(Kind kind);

struct Outcome {
  int code = 0;
  std::string message;
};
using Work = std::function<Outcome()>;

struct Object {
  virtual ~Object() = default;
};

struct Context : Object {
  int device = 0;
  void *default_stream = nullptr;
};

struct Model;
struct Event : Object {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t asked = 0, done = 0;
  uint64_t asked_nanoseconds = 0;
  std::chrono::steady_clock::time_point when{};
  std::shared_ptr<Model> captured;
  void *captured_stream = nullptr;
};

struct Stream : Object {
  int device = 0;
  void *context = nullptr;
  void *handle = nullptr;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Work> queue;
  size_t pending = 0;
  bool stopping = false;
  Outcome failed;
  std::shared_ptr<Model> capture;
  std::thread worker;
  void run();
  void stop();
};

struct Model : Object {
  std::vector<Work> works;
  std::set<void *> unjoined;
  void *origin = nullptr;
  int mode = 0;
  int failed = 0;
};

// Errors: the thread's last message, which aclGetRecentErrMsg gives out once.
int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void set_message(const std::string &message);

// Every function of the interface calls this first: it counts the call and injects faults.
int enter(const char *name, int usual_code);

// Handles are never reused, so use after destroy is always found.
void *add(Kind kind, std::shared_ptr<Object> object);
std::shared_ptr<Object> find(const void *handle, Kind kind);
std::shared_ptr<Object> take(void *handle, Kind kind);
template <class T> std::shared_ptr<T> get(const void *handle, Kind kind) {
  return std::static_pointer_cast<T>(find(handle, kind));
}

// Contexts and streams.
std::shared_ptr<Context> current_context();
void *context_handle();
std::shared_ptr<Stream> usable_stream(aclrtStream stream, int *code);
int submit(const std::shared_ptr<Stream> &stream, Work work);
bool pause(std::unique_lock<std::mutex> &lock, std::condition_variable &changed,
           const std::function<bool()> &ready, int milliseconds);
bool capture_forbids(const char *what, int *code);

// Memory: the device's addresses are never accessible; copies and kernels use the other mapping.
void *host_view(const void *device_address, uint64_t nbytes, int *device = nullptr);
bool is_pinned(const void *address, uint64_t nbytes);
bool is_device_address(const void *address);

// The arguments of an operator as the arithmetic behind the callback sees them.
struct Argument {
  int32_t kind;   // 0 null, 1 tensor, 2 scalar, 3 integers, 4 integer, 5 real, 6 text, 7 tensors
  int32_t dtype;
  int64_t count;  // axes of a tensor, entries of a list
  const int64_t *shape;
  const int64_t *strides;
  void *data;     // first element, bytes of a scalar, text, or the list's Arguments
  int64_t integer;
  double real;
};
using Check = int (*)(const char *name, const Argument *arguments, int count, const char *soc,
                      char *message, int room);
using Compute = int (*)(const char *name, const Argument *arguments, int count, char *message,
                        int room);

struct Settings {
  std::string chip, soc, version;
  int devices = 1;
  uint64_t memory = 0;
  int cores = 0, vector_cores = 0;
  std::atomic<int> delay_low{0}, delay_high{0};
  std::atomic<bool> arithmetic{true};
  std::atomic<Check> check{nullptr};
  std::atomic<Compute> compute{nullptr};
};
Settings &settings();

bool initialized();
uint64_t item_size(int dtype);
uint64_t bytes_of(uint64_t elements, int dtype);

}  // namespace standin
#pragma GCC visibility pop

// The first line of every function: counts the call, injects a fault where one is due.
#define ENTER(result_type, usual) \
  if (int injected_ = standin::enter(__func__, usual)) return static_cast<result_type>(injected_)
