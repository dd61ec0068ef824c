// Handles, errors, settings, injected faults and the report of leaks.
#include "core.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "control.h"

namespace standin {
namespace {

struct Chip {
  const char *name, *soc;
  uint64_t gibibytes;
  int cores, vector_cores;
};
// Memory and cores as Huawei publishes them for one device; 910C counts each of its two dies.
const Chip CHIPS[] = {
    {"310P3", "Ascend310P3", 24, 8, 7},
    {"910B3", "Ascend910B3", 64, 20, 40},
    {"910C", "Ascend910_9392", 64, 24, 48},
};

struct Handles {
  std::mutex mutex;
  std::unordered_map<uint64_t, std::pair<Kind, std::shared_ptr<Object>>> live;
  uint64_t next = 1;
};
Handles &handles() {
  static auto *made = new Handles;
  return *made;
}

struct Faults {
  std::mutex mutex;
  std::vector<std::string> calls;
  bool recording = false;
  int64_t calls_seen = 0, fail_call = -1, tasks_seen = 0, fail_task = -1, hang_task = -1;
  int call_code = 0, task_code = 0;
  bool fired = false;
  std::atomic<bool> active{false};
  std::atomic<bool> lost{false};
};
Faults &faults() {
  static auto *made = new Faults;
  return *made;
}

thread_local std::string recent;
thread_local std::string given_out;

int64_t number(const char *name, int64_t otherwise) {
  const char *text = std::getenv(name);
  return text && *text ? std::strtoll(text, nullptr, 10) : otherwise;
}

}  // namespace

const char *kind_name(Kind kind) {
  static const char *names[] = {"",       "context",     "stream", "event",         "model",
                                "tensor", "tensor list", "scalar", "integer array", "executor",
                                "communicator"};
  return names[static_cast<int>(kind)];
}

Settings &settings() {
  static Settings *made = [] {
    auto *s = new Settings;
    const char *version = std::getenv("HAL_STANDIN_VERSION");
    s->version = version && *version ? version : "8.5.0";
    const char *wanted = std::getenv("HAL_STANDIN_CHIP");
    s->chip = wanted && *wanted ? wanted : "910B3";
    // A chip that is not listed is taken for one like the 910B3 under its own name.
    Chip chip = CHIPS[1];
    s->soc = "Ascend" + s->chip;
    for (const Chip &known : CHIPS)
      if (s->chip == known.name) {
        chip = known;
        s->soc = known.soc;
      }
    s->memory = static_cast<uint64_t>(
        number("HAL_STANDIN_MEMORY", static_cast<int64_t>(chip.gibibytes << 30)));
    s->cores = chip.cores;
    s->vector_cores = chip.vector_cores;
    s->devices = static_cast<int>(number("HAL_STANDIN_DEVICES", 1));
    s->delay_high = static_cast<int>(number("HAL_STANDIN_DELAY_US", 0));
    s->arithmetic = number("HAL_STANDIN_ARITHMETIC", 1) != 0;
    if (std::getenv("HAL_STANDIN_FAIL_CALL") || std::getenv("HAL_STANDIN_FAIL_TASK") ||
        std::getenv("HAL_STANDIN_HANG_TASK")) {
      Faults &f = faults();
      f.fail_call = number("HAL_STANDIN_FAIL_CALL", -1);
      f.fail_task = number("HAL_STANDIN_FAIL_TASK", -1);
      f.hang_task = number("HAL_STANDIN_HANG_TASK", -1);
      f.call_code = f.task_code = static_cast<int>(number("HAL_STANDIN_FAIL_CODE", 0));
      f.active = true;
    }
    return s;
  }();
  return *made;
}

void set_message(const std::string &message) { recent = message; }

int fail(int code, const char *format, ...) {
  char text[512];
  va_list list;
  va_start(list, format);
  std::vsnprintf(text, sizeof text, format, list);
  va_end(list);
  recent = "EZ" + std::to_string(code) + ": " + text;
  return code;
}

const char *take_message() {
  given_out.swap(recent);
  recent.clear();
  return given_out.empty() ? nullptr : given_out.c_str();
}

int enter(const char *name, int usual_code) {
  Faults &f = faults();
  if (f.lost) return fail(code::LOST, "%s: the device lost its heartbeat", name);
  if (!f.active) return 0;
  std::lock_guard<std::mutex> lock(f.mutex);
  int64_t index = f.calls_seen++;
  if (f.recording) f.calls.emplace_back(name);
  if (index != f.fail_call) return 0;
  f.fired = true;
  int injected = f.call_code ? f.call_code : usual_code;
  if (injected == code::LOST) f.lost = true;
  return fail(injected, "%s: injected fault at call %lld", name, static_cast<long long>(index));
}

Outcome task_fault(bool *hang) {
  Faults &f = faults();
  *hang = false;
  if (f.lost) return {code::LOST, "the device lost its heartbeat"};
  if (!f.active) return {};
  std::lock_guard<std::mutex> lock(f.mutex);
  int64_t index = f.tasks_seen++;
  if (index == f.hang_task) {
    *hang = f.fired = true;
    return {};
  }
  if (index != f.fail_task) return {};
  f.fired = true;
  int injected = f.task_code ? f.task_code : code::EXECUTION;
  if (injected == code::LOST) f.lost = true;
  return {injected, "injected fault at task " + std::to_string(index)};
}

bool hanging() {
  std::lock_guard<std::mutex> lock(faults().mutex);
  return faults().hang_task >= 0;
}

void *add(Kind kind, std::shared_ptr<Object> object) {
  Handles &h = handles();
  std::lock_guard<std::mutex> lock(h.mutex);
  uint64_t id = (h.next++ << 8) | static_cast<uint64_t>(kind);
  h.live.emplace(id, std::make_pair(kind, std::move(object)));
  return reinterpret_cast<void *>(id);
}

std::shared_ptr<Object> find(const void *handle, Kind kind) {
  Handles &h = handles();
  std::lock_guard<std::mutex> lock(h.mutex);
  auto found = h.live.find(reinterpret_cast<uint64_t>(handle));
  return found == h.live.end() || found->second.first != kind ? nullptr : found->second.second;
}

std::shared_ptr<Object> take(void *handle, Kind kind) {
  Handles &h = handles();
  std::lock_guard<std::mutex> lock(h.mutex);
  auto found = h.live.find(reinterpret_cast<uint64_t>(handle));
  if (found == h.live.end() || found->second.first != kind) return nullptr;
  auto object = found->second.second;
  h.live.erase(found);
  return object;
}

std::map<Kind, int> live_handles() {
  Handles &h = handles();
  std::lock_guard<std::mutex> lock(h.mutex);
  std::map<Kind, int> counts;
  for (auto &entry : h.live) counts[entry.second.first]++;
  return counts;
}

uint64_t bytes_of(uint64_t elements, int dtype) {
  return dtype == ACL_INT4 ? (elements + 1) / 2 : elements * item_size(dtype);
}

uint64_t item_size(int dtype) {
  switch (dtype) {
    case ACL_FLOAT: case ACL_INT32: case ACL_UINT32: return 4;
    case ACL_FLOAT16: case ACL_BF16: case ACL_INT16: case ACL_UINT16: return 2;
    case ACL_INT64: case ACL_UINT64: case ACL_DOUBLE: case ACL_COMPLEX64: return 8;
    case ACL_COMPLEX128: return 16;
    default: return 1;
  }
}

}  // namespace standin

using namespace standin;

extern "C" {

STANDIN_EXPORT void standin_set_arithmetic(Check check, Compute compute) {
  settings().check = check;
  settings().compute = compute;
}

STANDIN_EXPORT void standin_configure(const char *key, int64_t value) {
  std::string name = key;
  if (name == "arithmetic") settings().arithmetic = value != 0;
  if (name == "delay_us") settings().delay_high = static_cast<int>(value);
}

// Starts counting calls and tasks anew; -1 injects nothing, code 0 is the function's usual one.
STANDIN_EXPORT void standin_faults(int64_t fail_call, int64_t fail_task, int64_t hang_task,
                                   int code) {
  Faults &f = faults();
  std::lock_guard<std::mutex> lock(f.mutex);
  f.calls.clear();
  f.calls_seen = f.tasks_seen = 0;
  f.fail_call = fail_call;
  f.fail_task = fail_task;
  f.hang_task = hang_task;
  f.call_code = f.task_code = code;
  f.recording = true;
  f.fired = false;
  f.lost = false;
  f.active = true;
}

STANDIN_EXPORT void standin_no_faults() {
  Faults &f = faults();
  std::lock_guard<std::mutex> lock(f.mutex);
  f.fail_call = f.fail_task = f.hang_task = -1;
  f.recording = false;
  f.lost = false;
  f.active = false;
}

STANDIN_EXPORT int64_t standin_tasks() {
  std::lock_guard<std::mutex> lock(faults().mutex);
  return faults().tasks_seen;
}

STANDIN_EXPORT int standin_fired() {
  std::lock_guard<std::mutex> lock(faults().mutex);
  return faults().fired;
}

// The names of the calls since standin_faults, one a line; returns the number of bytes.
STANDIN_EXPORT int64_t standin_calls(char *text, int64_t room) {
  std::lock_guard<std::mutex> lock(faults().mutex);
  std::string all;
  for (auto &name : faults().calls) all += name + "\n";
  if (text && room > static_cast<int64_t>(all.size())) std::memcpy(text, all.c_str(), all.size() + 1);
  return static_cast<int64_t>(all.size());
}

// What is alive, "name count" a line; returns the number of bytes.
STANDIN_EXPORT int64_t standin_live(char *text, int64_t room) {
  std::string all;
  for (auto &entry : live_handles())
    all += std::string(kind_name(entry.first)) + "=" + std::to_string(entry.second) + "\n";
  all += memory_report();
  if (text && room > static_cast<int64_t>(all.size())) std::memcpy(text, all.c_str(), all.size() + 1);
  return static_cast<int64_t>(all.size());
}

}  // extern "C"
