// Collectives between the devices of one process: ranks meet in the order of their calls.
#include <cstring>
#include <random>

#include "core.h"

using namespace standin;

namespace {

// One collective call: every rank brings what it sends and waits until all have.
struct Meeting {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<uint32_t, const char *> sent;
  uint32_t done = 0;
  Outcome failed;
  std::vector<char> result;
};

struct Group {
  std::mutex mutex;
  std::condition_variable changed;
  uint32_t size = 0, joined = 0;
  std::map<std::string, std::shared_ptr<Meeting>> meetings;
  std::shared_ptr<Meeting> meeting(const std::string &key) {
    std::lock_guard<std::mutex> lock(mutex);
    auto &found = meetings[key];
    if (!found) found = std::make_shared<Meeting>();
    return found;
  }
  void forget(const std::string &key) {
    std::lock_guard<std::mutex> lock(mutex);
    meetings.erase(key);
  }
};

struct Communicator : Object {
  std::shared_ptr<Group> group;
  uint32_t rank = 0, size = 0;
  uint64_t calls = 0;
  std::map<uint32_t, uint64_t> sends, receives;
};

std::mutex groups_mutex;
std::map<std::string, std::shared_ptr<Group>> &groups() {
  static auto *made = new std::map<std::string, std::shared_ptr<Group>>;
  return *made;
}

int aclDtype(HcclDataType type) {
  switch (type) {
    case HCCL_DATA_TYPE_INT8: return ACL_INT8;
    case HCCL_DATA_TYPE_INT16: return ACL_INT16;
    case HCCL_DATA_TYPE_INT32: return ACL_INT32;
    case HCCL_DATA_TYPE_FP16: return ACL_FLOAT16;
    case HCCL_DATA_TYPE_FP32: return ACL_FLOAT;
    case HCCL_DATA_TYPE_INT64: return ACL_INT64;
    case HCCL_DATA_TYPE_UINT64: return ACL_UINT64;
    case HCCL_DATA_TYPE_UINT8: return ACL_UINT8;
    case HCCL_DATA_TYPE_UINT16: return ACL_UINT16;
    case HCCL_DATA_TYPE_UINT32: return ACL_UINT32;
    case HCCL_DATA_TYPE_FP64: return ACL_DOUBLE;
    case HCCL_DATA_TYPE_BFP16: return ACL_BF16;
    default: return ACL_DT_UNDEFINED;
  }
}

HcclResult problem(HcclResult result, const char *text) {
  fail(static_cast<int>(result), "%s", text);
  return result;
}

struct Call {
  std::shared_ptr<Communicator> comm;
  std::shared_ptr<Stream> stream;
  char *send = nullptr, *receive = nullptr;
  uint64_t bytes = 0;
};

HcclResult begin(const char *name, HcclComm comm, aclrtStream stream, const void *send,
                 uint64_t send_bytes, void *receive, uint64_t receive_bytes, HcclDataType type,
                 Call *call) {
  call->comm = get<Communicator>(comm, Kind::Communicator);
  if (!call->comm) return problem(HCCL_E_PARA, "no communicator that is alive");
  int code = 0;
  call->stream = usable_stream(stream, &code);
  if (!call->stream) return HCCL_E_PARA;
  if (aclDtype(type) == ACL_DT_UNDEFINED) return problem(HCCL_E_PARA, "an unknown data type");
  if (send) call->send = static_cast<char *>(host_view(send, send_bytes));
  if (receive) call->receive = static_cast<char *>(host_view(receive, receive_bytes));
  if ((send && !call->send) || (receive && !call->receive)) {
    fail(HCCL_E_PTR, "%s: an address outside every allocation", name);
    return HCCL_E_PTR;
  }
  call->bytes = send ? send_bytes : receive_bytes;
  return HCCL_SUCCESS;
}

// Reduces what all ranks sent into the meeting's result, by the arithmetic of the callback.
Outcome reduce(Meeting &meeting, uint64_t count, int dtype, int operation) {
  int64_t shape[1] = {static_cast<int64_t>(count)}, strides[1] = {1};
  meeting.result.resize(count * item_size(dtype));
  std::vector<Argument> given;
  auto tensor = [&](const char *data) {
    Argument a = {};
    a.kind = 1;
    a.dtype = dtype;
    a.count = 1;
    a.shape = shape;
    a.strides = strides;
    a.data = const_cast<char *>(data);
    return a;
  };
  for (auto &entry : meeting.sent) given.push_back(tensor(entry.second));
  Argument list = {};
  list.kind = 7;
  list.count = static_cast<int64_t>(given.size());
  list.data = given.data();
  Argument number = {};
  number.kind = 4;
  number.integer = operation;
  Argument all[] = {list, number, tensor(meeting.result.data())};
  char text[512] = "";
  Compute compute = settings().compute;
  if (!compute) return {};
  int code = compute("HcclReduce", all, 3, text, sizeof text);
  return code ? Outcome{code, text} : Outcome{};
}

// Runs a collective on the stream: brings `send`, waits for all, then `finish` takes what it needs.
HcclResult collective(const Call &call, const std::function<Outcome(Meeting &)> &last,
                      const std::function<void(Meeting &)> &finish) {
  auto comm = call.comm;
  std::string key = "all " + std::to_string(comm->calls++);
  auto meeting = comm->group->meeting(key);
  auto group = comm->group;
  const char *send = call.send;
  submit(call.stream, [=]() -> Outcome {
    std::unique_lock<std::mutex> lock(meeting->mutex);
    meeting->sent[comm->rank] = send;
    if (meeting->sent.size() == comm->size) {
      meeting->failed = last(*meeting);
      meeting->changed.notify_all();
    }
    if (!pause(lock, meeting->changed, [&] { return meeting->sent.size() == comm->size; }, 60000))
      return {HCCL_E_TIMEOUT, "a rank did not take part in a collective"};
    Outcome outcome = meeting->failed;
    if (!outcome.code) finish(*meeting);
    meeting->done++;
    meeting->changed.notify_all();
    // What a rank sent may change only when every rank has read it.
    pause(lock, meeting->changed, [&] { return meeting->done == comm->size; }, 60000);
    group->forget(key);
    return outcome;
  });
  return HCCL_SUCCESS;
}

Outcome nothing(Meeting &) { return {}; }

std::shared_ptr<Group> group_of(const HcclRootInfo *root, uint32_t size) {
  std::lock_guard<std::mutex> lock(groups_mutex);
  auto &found = groups()[std::string(root->internal, 32)];
  if (!found) {
    found = std::make_shared<Group>();
    found->size = size;
  }
  return found;
}

void identify(HcclRootInfo *root) {
  static std::atomic<uint64_t> counter{1};
  std::memset(root->internal, 0, sizeof root->internal);
  std::string name = "standin-" + std::to_string(counter++);
  std::memcpy(root->internal, name.c_str(), name.size());
}

}  // namespace

extern "C" {

STANDIN_EXPORT HcclResult HcclGetRootInfo(HcclRootInfo *rootInfo) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  if (!rootInfo) return problem(HCCL_E_PTR, "a null address");
  identify(rootInfo);
  return HCCL_SUCCESS;
}

STANDIN_EXPORT HcclResult HcclCommInitRootInfo(uint32_t nRanks, const HcclRootInfo *rootInfo,
                                               uint32_t rank, HcclComm *comm) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  if (!rootInfo || !comm) return problem(HCCL_E_PTR, "a null address");
  if (!current_context()) return problem(HCCL_E_PARA, "the thread has no context");
  if (rank >= nRanks) return problem(HCCL_E_PARA, "the rank is not below the number of ranks");
  auto group = group_of(rootInfo, nRanks);
  std::unique_lock<std::mutex> lock(group->mutex);
  if (group->size != nRanks) return problem(HCCL_E_PARA, "ranks disagree about their number");
  group->joined++;
  group->changed.notify_all();
  if (!pause(lock, group->changed, [&] { return group->joined >= nRanks; }, 30000))
    return problem(HCCL_E_TIMEOUT, "not every rank came");
  lock.unlock();
  auto made = std::make_shared<Communicator>();
  made->group = group;
  made->rank = rank;
  made->size = nRanks;
  *comm = add(Kind::Communicator, made);
  return HCCL_SUCCESS;
}

STANDIN_EXPORT HcclResult HcclCommDestroy(HcclComm comm) {
  ENTER(HcclResult, HCCL_E_PARA);
  if (!take(comm, Kind::Communicator)) return problem(HCCL_E_PARA, "no communicator");
  return HCCL_SUCCESS;
}

STANDIN_EXPORT const char *HcclGetErrorString(HcclResult code) {
  switch (code) {
    case HCCL_SUCCESS: return "no error";
    case HCCL_E_PARA: return "parameter error";
    case HCCL_E_PTR: return "empty pointer";
    case HCCL_E_TIMEOUT: return "timeout";
    default: return "internal error";
  }
}

STANDIN_EXPORT HcclResult HcclAllReduce(void *sendBuf, void *recvBuf, uint64_t count,
                                        HcclDataType dataType, HcclReduceOp op, HcclComm comm,
                                        aclrtStream stream) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  int dtype = aclDtype(dataType);
  uint64_t bytes = count * item_size(dtype);
  Call call;
  HcclResult result = begin(__func__, comm, stream, sendBuf, bytes, recvBuf, bytes, dataType, &call);
  if (result != HCCL_SUCCESS) return result;
  char *receive = call.receive;
  return collective(
      call, [=](Meeting &m) { return reduce(m, count, dtype, op); },
      [=](Meeting &m) {
        if (!m.result.empty()) std::memcpy(receive, m.result.data(), bytes);
      });
}

STANDIN_EXPORT HcclResult HcclAllGather(void *sendBuf, void *recvBuf, uint64_t sendCount,
                                        HcclDataType dataType, HcclComm comm, aclrtStream stream) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  uint64_t bytes = sendCount * item_size(aclDtype(dataType));
  auto found = get<Communicator>(comm, Kind::Communicator);
  Call call;
  HcclResult result = begin(__func__, comm, stream, sendBuf, bytes, recvBuf,
                            bytes * (found ? found->size : 1), dataType, &call);
  if (result != HCCL_SUCCESS) return result;
  char *receive = call.receive;
  return collective(call, nothing, [=](Meeting &m) {
    for (auto &entry : m.sent) std::memmove(receive + entry.first * bytes, entry.second, bytes);
  });
}

STANDIN_EXPORT HcclResult HcclReduceScatter(void *sendBuf, void *recvBuf, uint64_t recvCount,
                                            HcclDataType dataType, HcclReduceOp op, HcclComm comm,
                                            aclrtStream stream) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  int dtype = aclDtype(dataType);
  uint64_t bytes = recvCount * item_size(dtype);
  auto found = get<Communicator>(comm, Kind::Communicator);
  uint32_t size = found ? found->size : 1, rank = found ? found->rank : 0;
  Call call;
  HcclResult result =
      begin(__func__, comm, stream, sendBuf, bytes * size, recvBuf, bytes, dataType, &call);
  if (result != HCCL_SUCCESS) return result;
  char *receive = call.receive;
  return collective(
      call, [=](Meeting &m) { return reduce(m, recvCount * size, dtype, op); },
      [=](Meeting &m) {
        if (!m.result.empty()) std::memcpy(receive, m.result.data() + rank * bytes, bytes);
      });
}

STANDIN_EXPORT HcclResult HcclBroadcast(void *buf, uint64_t count, HcclDataType dataType,
                                        uint32_t root, HcclComm comm, aclrtStream stream) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  uint64_t bytes = count * item_size(aclDtype(dataType));
  Call call;
  HcclResult result = begin(__func__, comm, stream, buf, bytes, buf, bytes, dataType, &call);
  if (result != HCCL_SUCCESS) return result;
  if (root >= call.comm->size) return problem(HCCL_E_PARA, "there is no such root");
  uint32_t rank = call.comm->rank;
  char *receive = call.receive;
  return collective(call, nothing, [=](Meeting &m) {
    if (rank != root) std::memcpy(receive, m.sent[root], bytes);
  });
}

STANDIN_EXPORT HcclResult HcclSend(void *sendBuf, uint64_t count, HcclDataType dataType,
                                   uint32_t destRank, HcclComm comm, aclrtStream stream) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  uint64_t bytes = count * item_size(aclDtype(dataType));
  Call call;
  HcclResult result = begin(__func__, comm, stream, sendBuf, bytes, nullptr, 0, dataType, &call);
  if (result != HCCL_SUCCESS) return result;
  if (destRank >= call.comm->size) return problem(HCCL_E_PARA, "there is no such rank");
  std::string key = "pair " + std::to_string(call.comm->rank) + " " + std::to_string(destRank) +
                    " " + std::to_string(call.comm->sends[destRank]++);
  auto meeting = call.comm->group->meeting(key);
  const char *send = call.send;
  submit(call.stream, [=]() -> Outcome {
    std::unique_lock<std::mutex> lock(meeting->mutex);
    meeting->sent[0] = send;
    meeting->changed.notify_all();
    if (!pause(lock, meeting->changed, [&] { return meeting->done > 0; }, 60000))
      return {HCCL_E_TIMEOUT, "nobody received what was sent"};
    return {};
  });
  return HCCL_SUCCESS;
}

STANDIN_EXPORT HcclResult HcclRecv(void *recvBuf, uint64_t count, HcclDataType dataType,
                                   uint32_t srcRank, HcclComm comm, aclrtStream stream) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  uint64_t bytes = count * item_size(aclDtype(dataType));
  Call call;
  HcclResult result = begin(__func__, comm, stream, nullptr, 0, recvBuf, bytes, dataType, &call);
  if (result != HCCL_SUCCESS) return result;
  if (srcRank >= call.comm->size) return problem(HCCL_E_PARA, "there is no such rank");
  std::string key = "pair " + std::to_string(srcRank) + " " + std::to_string(call.comm->rank) +
                    " " + std::to_string(call.comm->receives[srcRank]++);
  auto group = call.comm->group;
  auto meeting = group->meeting(key);
  char *receive = call.receive;
  submit(call.stream, [=]() -> Outcome {
    std::unique_lock<std::mutex> lock(meeting->mutex);
    if (!pause(lock, meeting->changed, [&] { return !meeting->sent.empty(); }, 60000))
      return {HCCL_E_TIMEOUT, "nobody sent what was to be received"};
    std::memcpy(receive, meeting->sent[0], bytes);
    meeting->done++;
    meeting->changed.notify_all();
    group->forget(key);
    return {};
  });
  return HCCL_SUCCESS;
}

}  // extern "C"
