// Starting and ending, devices, contexts, versions, attributes.
#include <cstdio>
#include <cstring>

#include "control.h"

namespace standin {
namespace {

struct Runtime {
  std::mutex mutex;
  bool initialized = false;
  std::map<int, void *> primary;
  std::map<int, int> uses;
};
Runtime &runtime() {
  static auto *made = new Runtime;
  return *made;
}
thread_local void *current = nullptr;

void *make_context(int device) {
  auto context = std::make_shared<Context>();
  context->device = device;
  void *handle = add(Kind::Context, context);
  auto stream = std::make_shared<Stream>();
  stream->device = device;
  stream->context = handle;
  stream->worker = std::thread([raw = stream.get()] { raw->run(); });
  stream->handle = context->default_stream = add(Kind::Stream, stream);
  return handle;
}

bool destroy_context(void *handle) {
  auto context = std::static_pointer_cast<Context>(take(handle, Kind::Context));
  if (!context) return false;
  auto taken = take(context->default_stream, Kind::Stream);
  if (taken) std::static_pointer_cast<Stream>(taken)->stop();
  return true;
}

}  // namespace

bool initialized() {
  std::lock_guard<std::mutex> lock(runtime().mutex);
  return runtime().initialized;
}

void *context_handle() { return current; }

std::shared_ptr<Context> current_context() { return get<Context>(current, Kind::Context); }

}  // namespace standin

using namespace standin;

extern "C" {

STANDIN_EXPORT aclError aclInit(const char *configPath) {
  ENTER(aclError, 500000);
  (void)configPath;
  std::lock_guard<std::mutex> lock(runtime().mutex);
  if (runtime().initialized) return fail(code::REPEAT_INITIALIZE, "aclInit was called before");
  runtime().initialized = true;
  return 0;
}

STANDIN_EXPORT aclError aclFinalize() {
  ENTER(aclError, 500000);
  std::map<int, void *> primary;
  {
    std::lock_guard<std::mutex> lock(runtime().mutex);
    if (!runtime().initialized) return fail(code::UNINITIALIZED, "aclInit was not called");
    runtime().initialized = false;
    primary.swap(runtime().primary);
    runtime().uses.clear();
  }
  for (auto &entry : primary) destroy_context(entry.second);
  std::string report;
  for (auto &entry : live_handles())
    report += std::string(kind_name(entry.first)) + "=" + std::to_string(entry.second) + "\n";
  report += memory_report();
  if (!report.empty()) {
    for (char &c : report)
      if (c == '\n') c = ' ';
    std::fprintf(stderr, "stand-in: alive at aclFinalize: %s\n", report.c_str());
  }
  return 0;
}

STANDIN_EXPORT const char *aclGetRecentErrMsg() { return take_message(); }

STANDIN_EXPORT aclError aclrtGetDeviceCount(uint32_t *count) {
  ENTER(aclError, 507899);
  if (!count) return fail(code::PARAM, "aclrtGetDeviceCount: a null address");
  *count = static_cast<uint32_t>(settings().devices);
  return 0;
}

STANDIN_EXPORT aclError aclrtSetDevice(int32_t deviceId) {
  ENTER(aclError, 507033);
  if (!initialized()) return fail(code::UNINITIALIZED, "aclrtSetDevice: aclInit was not called");
  if (deviceId < 0 || deviceId >= settings().devices)
    return fail(code::DEVICE_ID, "aclrtSetDevice: there is no device %d", deviceId);
  std::lock_guard<std::mutex> lock(runtime().mutex);
  auto &context = runtime().primary[deviceId];
  if (!context) context = make_context(deviceId);
  runtime().uses[deviceId]++;
  current = context;
  return 0;
}

STANDIN_EXPORT aclError aclrtResetDevice(int32_t deviceId) {
  ENTER(aclError, 507033);
  void *context = nullptr;
  {
    std::lock_guard<std::mutex> lock(runtime().mutex);
    auto found = runtime().primary.find(deviceId);
    if (found == runtime().primary.end())
      return fail(code::DEVICE_ID, "aclrtResetDevice: device %d was not set", deviceId);
    if (--runtime().uses[deviceId] > 0) return 0;
    context = found->second;
    runtime().primary.erase(found);
  }
  destroy_context(context);
  return 0;
}

STANDIN_EXPORT aclError aclrtGetDevice(int32_t *deviceId) {
  ENTER(aclError, code::NO_CONTEXT);
  auto context = current_context();
  if (!context) return fail(code::NO_CONTEXT, "aclrtGetDevice: the thread has no context");
  *deviceId = context->device;
  return 0;
}

STANDIN_EXPORT aclError aclrtCreateContext(aclrtContext *context, int32_t deviceId) {
  ENTER(aclError, 507033);
  if (!initialized()) return fail(code::UNINITIALIZED, "aclInit was not called");
  if (!context) return fail(code::PARAM, "aclrtCreateContext: a null address");
  if (deviceId < 0 || deviceId >= settings().devices)
    return fail(code::DEVICE_ID, "aclrtCreateContext: there is no device %d", deviceId);
  *context = current = make_context(deviceId);
  return 0;
}

STANDIN_EXPORT aclError aclrtDestroyContext(aclrtContext context) {
  ENTER(aclError, code::PARAM);
  if (!destroy_context(context)) return fail(code::PARAM, "%p is no context", context);
  return 0;
}

STANDIN_EXPORT aclError aclrtSetCurrentContext(aclrtContext context) {
  ENTER(aclError, code::PARAM);
  if (!find(context, Kind::Context)) return fail(code::PARAM, "%p is no context", context);
  current = context;
  return 0;
}

STANDIN_EXPORT aclError aclrtGetCurrentContext(aclrtContext *context) {
  ENTER(aclError, code::NO_CONTEXT);
  if (!current_context()) return fail(code::NO_CONTEXT, "the thread has no context");
  *context = current;
  return 0;
}

STANDIN_EXPORT const char *aclrtGetSocName() {
  return enter("aclrtGetSocName", 507008) ? nullptr : settings().soc.c_str();
}

STANDIN_EXPORT aclError aclrtGetVersion(int32_t *majorVersion, int32_t *minorVersion,
                                        int32_t *patchVersion) {
  ENTER(aclError, 507899);
  if (!majorVersion || !minorVersion || !patchVersion) return fail(code::PARAM, "a null address");
  *majorVersion = 1;
  *minorVersion = 15;
  *patchVersion = 0;
  return 0;
}

STANDIN_EXPORT aclError aclsysGetCANNVersion(aclCANNPackageName name,
                                             aclCANNPackageVersion *version) {
  ENTER(aclError, 100000);
  if (!version || name != ACL_PKG_NAME_CANN) return fail(100000, "aclsysGetCANNVersion");
  std::memset(version, 0, sizeof *version);
  std::snprintf(version->version, sizeof version->version, "%s", settings().version.c_str());
  return 0;
}

STANDIN_EXPORT aclError aclrtDeviceCanAccessPeer(int32_t *canAccessPeer, int32_t deviceId,
                                                 int32_t peerDeviceId) {
  ENTER(aclError, code::PARAM);
  int devices = settings().devices;
  if (!canAccessPeer || deviceId < 0 || deviceId >= devices || peerDeviceId < 0 ||
      peerDeviceId >= devices)
    return fail(code::DEVICE_ID, "there is no device %d or %d", deviceId, peerDeviceId);
  *canAccessPeer = deviceId != peerDeviceId;
  return 0;
}

STANDIN_EXPORT aclError aclrtGetDeviceInfo(uint32_t deviceId, aclrtDevAttr attr, int64_t *value) {
  ENTER(aclError, code::PARAM);
  if (!value || static_cast<int>(deviceId) >= settings().devices)
    return fail(code::DEVICE_ID, "aclrtGetDeviceInfo: there is no device %u", deviceId);
  switch (attr) {
    case ACL_DEV_ATTR_AICORE_CORE_NUM: *value = settings().cores; return 0;
    case ACL_DEV_ATTR_VECTOR_CORE_NUM: *value = settings().vector_cores; return 0;
    case ACL_DEV_ATTR_TOTAL_GLOBAL_MEM_SIZE:
      *value = static_cast<int64_t>(settings().memory);
      return 0;
    default: return fail(code::PARAM, "aclrtGetDeviceInfo: attribute %d", static_cast<int>(attr));
  }
}

}  // extern "C"
