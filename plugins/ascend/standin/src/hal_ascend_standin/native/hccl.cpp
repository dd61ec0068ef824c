// Collectives between the devices of one process or of several on one machine.
//
// The identity of a group names a folder in shared memory. What a rank sends is a file there, whole
// as soon as it has its name; the others read it. Calls have numbers, so that ranks meet in the
// order of their calls.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>

#include "core.h"

using namespace standin;

namespace {

const int PATIENCE = 60;  // Seconds until a rank that does not come is given up.
const char *PREFIX = "hal-standin-group-";

struct Communicator : Object {
  std::string folder;
  uint32_t rank = 0, size = 0;
  uint64_t calls = 0;
  std::map<uint32_t, uint64_t> sends, receives;
};

// What every rank sent in one call, and what came of it.
struct Meeting {
  std::vector<std::vector<char>> sent;
  std::vector<char> result;
};

std::string base() { return access("/dev/shm", W_OK) ? P_tmpdir : "/dev/shm"; }

// Writes a file that is there whole or not at all; a name can be given once.
bool publish(const std::string &folder, const std::string &name, const void *data, size_t bytes) {
  std::string path = folder + "/" + name, hidden = path + ".part";
  int file = open(hidden.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file < 0) return false;
  const char *rest = static_cast<const char *>(data);
  while (bytes) {
    ssize_t written = write(file, rest, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    rest += written;
    bytes -= static_cast<size_t>(written);
  }
  close(file);
  bool named = !bytes && link(hidden.c_str(), path.c_str()) == 0;
  unlink(hidden.c_str());
  return named;
}

bool read_whole(const std::string &path, std::vector<char> *found) {
  int file = open(path.c_str(), O_RDONLY);
  if (file < 0) return false;
  struct stat about = {};
  fstat(file, &about);
  found->resize(static_cast<size_t>(about.st_size));
  size_t have = 0;
  while (have < found->size()) {
    ssize_t got = read(file, found->data() + have, found->size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  close(file);
  return have == found->size();
}

bool wait_until(const std::function<bool()> &ready, int seconds = PATIENCE) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  int pause = 20;
  while (!ready()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(pause));
    pause = std::min(2 * pause, 1000);
  }
  return true;
}

bool await(const std::string &path, std::vector<char> *found, int seconds = PATIENCE) {
  return wait_until([&] { return read_whole(path, found); }, seconds);
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
  auto tensor = [&](std::vector<char> &data) {
    Argument a = {};
    a.kind = 1;
    a.dtype = dtype;
    a.count = 1;
    a.shape = shape;
    a.strides = strides;
    a.data = data.data();
    return a;
  };
  for (auto &part : meeting.sent) given.push_back(tensor(part));
  Argument list = {};
  list.kind = 7;
  list.count = static_cast<int64_t>(given.size());
  list.data = given.data();
  Argument number = {};
  number.kind = 4;
  number.integer = operation;
  Argument all[] = {list, number, tensor(meeting.result)};
  char text[512] = "";
  Compute compute = settings().compute;
  if (!compute) return {};
  int code = compute("HcclReduce", all, 3, text, sizeof text);
  return code ? Outcome{code, text} : Outcome{};
}

// Runs a collective on the stream: brings what it sends, waits for all, takes what it needs.
HcclResult collective(const Call &call, const std::function<Outcome(Meeting &)> &finish) {
  auto comm = call.comm;
  uint64_t number = comm->calls++;
  const char *send = call.send;
  uint64_t bytes = call.bytes;
  submit(call.stream, [=]() -> Outcome {
    auto name = [&](uint64_t n, uint32_t rank) {
      return "all." + std::to_string(n) + "." + std::to_string(rank);
    };
    if (!publish(comm->folder, name(number, comm->rank), send, bytes))
      return {HCCL_E_INTERNAL, "what a collective sends cannot be written to shared memory"};
    Meeting meeting;
    meeting.sent.resize(comm->size);
    for (uint32_t rank = 0; rank < comm->size; ++rank) {
      if (!await(comm->folder + "/" + name(number, rank), &meeting.sent[rank]))
        return {HCCL_E_TIMEOUT, "a rank did not take part in a collective"};
      if (meeting.sent[rank].size() != bytes)
        return {HCCL_E_PARA, "ranks disagree about the size of a collective"};
    }
    // All are here: nobody reads any more what was sent in the call before.
    if (number) unlink((comm->folder + "/" + name(number - 1, comm->rank)).c_str());
    return finish(meeting);
  });
  return HCCL_SUCCESS;
}

// Takes away what groups left behind whose ranks ended without leaving.
void sweep() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  auto old = fs::file_time_type::clock::now() - std::chrono::minutes(10);
  for (fs::directory_iterator entry(base(), ignored), end; entry != end;
       entry.increment(ignored)) {
    const fs::path &path = entry->path();
    bool group = path.filename().string().rfind(PREFIX, 0) == 0;
    if (group && fs::last_write_time(path, ignored) < old) fs::remove_all(path, ignored);
  }
}

HcclResult identify(HcclRootInfo *root) {
  sweep();
  static std::atomic<uint64_t> counter{1};
  std::random_device random;
  char name[128];
  std::snprintf(name, sizeof name, "%s/%s%d-%08x%08x-%llu", base().c_str(), PREFIX,
                static_cast<int>(getpid()), random(), random(),
                static_cast<unsigned long long>(counter++));
  if (mkdir(name, 0700)) return problem(HCCL_E_INTERNAL, "no folder in shared memory can be made");
  std::memset(root->internal, 0, sizeof root->internal);
  std::memcpy(root->internal, name, std::strlen(name));
  return HCCL_SUCCESS;
}

HcclResult join(const std::string &folder, uint32_t rank, uint32_t size) {
  if (folder.rfind(base() + "/" + PREFIX, 0) || access(folder.c_str(), W_OK))
    return problem(HCCL_E_PARA, "the identity names no group on this machine");
  publish(folder, "size", &size, sizeof size);
  std::vector<char> first;
  if (!await(folder + "/size", &first, 5) || first.size() != sizeof size ||
      std::memcmp(first.data(), &size, sizeof size))
    return problem(HCCL_E_PARA, "ranks disagree about their number");
  if (!publish(folder, "joined." + std::to_string(rank), "", 0))
    return problem(HCCL_E_PARA, "another one has this rank");
  bool all = wait_until(
      [&] {
        for (uint32_t r = 0; r < size; ++r)
          if (access((folder + "/joined." + std::to_string(r)).c_str(), F_OK)) return false;
        return true;
      },
      PATIENCE / 2);
  return all ? HCCL_SUCCESS : problem(HCCL_E_TIMEOUT, "not every rank came");
}

// The last rank to leave takes the folder away.
void leave(const Communicator &comm) {
  publish(comm.folder, "left." + std::to_string(comm.rank), "", 0);
  for (uint32_t r = 0; r < comm.size; ++r)
    if (access((comm.folder + "/left." + std::to_string(r)).c_str(), F_OK)) return;
  std::error_code ignored;
  std::filesystem::remove_all(comm.folder, ignored);
}

}  // namespace

extern "C" {

STANDIN_EXPORT HcclResult HcclGetRootInfo(HcclRootInfo *rootInfo) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  if (!rootInfo) return problem(HCCL_E_PTR, "a null address");
  return identify(rootInfo);
}

STANDIN_EXPORT HcclResult HcclCommInitRootInfo(uint32_t nRanks, const HcclRootInfo *rootInfo,
                                               uint32_t rank, HcclComm *comm) {
  ENTER(HcclResult, HCCL_E_INTERNAL);
  if (!rootInfo || !comm) return problem(HCCL_E_PTR, "a null address");
  if (!current_context()) return problem(HCCL_E_PARA, "the thread has no context");
  if (rank >= nRanks) return problem(HCCL_E_PARA, "the rank is not below the number of ranks");
  std::string folder(rootInfo->internal, strnlen(rootInfo->internal, 256));
  HcclResult joined = join(folder, rank, nRanks);
  if (joined != HCCL_SUCCESS) return joined;
  auto made = std::make_shared<Communicator>();
  made->folder = folder;
  made->rank = rank;
  made->size = nRanks;
  *comm = add(Kind::Communicator, made);
  return HCCL_SUCCESS;
}

STANDIN_EXPORT HcclResult HcclCommDestroy(HcclComm comm) {
  ENTER(HcclResult, HCCL_E_PARA);
  auto found = std::static_pointer_cast<Communicator>(take(comm, Kind::Communicator));
  if (!found) return problem(HCCL_E_PARA, "no communicator");
  leave(*found);
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
  return collective(call, [=](Meeting &m) {
    Outcome outcome = reduce(m, count, dtype, op);
    if (!outcome.code) std::memcpy(receive, m.result.data(), bytes);
    return outcome;
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
  return collective(call, [=](Meeting &m) -> Outcome {
    for (size_t r = 0; r < m.sent.size(); ++r)
      std::memcpy(receive + r * bytes, m.sent[r].data(), bytes);
    return {};
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
  return collective(call, [=](Meeting &m) {
    Outcome outcome = reduce(m, recvCount * size, dtype, op);
    if (!outcome.code) std::memcpy(receive, m.result.data() + rank * bytes, bytes);
    return outcome;
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
  return collective(call, [=](Meeting &m) -> Outcome {
    if (rank != root) std::memcpy(receive, m.sent[root].data(), bytes);
    return {};
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
  std::string key = "pair." + std::to_string(call.comm->rank) + "." + std::to_string(destRank) +
                    "." + std::to_string(call.comm->sends[destRank]++);
  std::string folder = call.comm->folder;
  const char *send = call.send;
  submit(call.stream, [=]() -> Outcome {
    if (!publish(folder, key, send, bytes))
      return {HCCL_E_INTERNAL, "what is sent cannot be written to shared memory"};
    std::string path = folder + "/" + key;
    if (!wait_until([&] { return access(path.c_str(), F_OK) != 0; }))
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
  std::string key = "pair." + std::to_string(srcRank) + "." + std::to_string(call.comm->rank) +
                    "." + std::to_string(call.comm->receives[srcRank]++);
  std::string path = call.comm->folder + "/" + key;
  char *receive = call.receive;
  submit(call.stream, [=]() -> Outcome {
    std::vector<char> sent;
    if (!await(path, &sent)) return {HCCL_E_TIMEOUT, "nobody sent what was to be received"};
    unlink(path.c_str());
    if (sent.size() != bytes) return {HCCL_E_PARA, "another size was sent than is received"};
    std::memcpy(receive, sent.data(), bytes);
    return {};
  });
  return HCCL_SUCCESS;
}

}  // extern "C"
