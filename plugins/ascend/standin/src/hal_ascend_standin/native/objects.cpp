// Tensors, scalars, lists and executors: what the operators' first phase makes and checks.
#include "objects.h"

#include <cstring>

using namespace standin;

namespace standin {

namespace {

uint64_t span(const Tensor &tensor) {
  uint64_t last = 0;
  for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] == 0) return 0;
    last += static_cast<uint64_t>(tensor.shape[axis] - 1) *
            static_cast<uint64_t>(tensor.strides[axis]);
  }
  return bytes_of(last + 1, tensor.dtype);
}

// Fills in what the arithmetic sees of a tensor; a null result names what is wrong with it.
const char *view(const Tensor &tensor, bool data, Argument *out) {
  out->kind = 1;
  out->dtype = tensor.dtype;
  out->count = static_cast<int64_t>(tensor.shape.size());
  out->shape = tensor.shape.data();
  out->strides = tensor.strides.data();
  uint64_t bytes = span(tensor);
  if (!data || bytes == 0) return nullptr;
  char *first = static_cast<char *>(tensor.address) +
                bytes_of(static_cast<uint64_t>(tensor.offset), tensor.dtype);
  out->data = host_view(first, bytes);
  return out->data ? nullptr : "reads or writes outside an allocation";
}

std::vector<Argument> arguments(const Executor &executor, bool data,
                                std::vector<std::vector<Argument>> *lists, std::string *wrong) {
  std::vector<Argument> made;
  for (size_t i = 0; i < executor.bound.size(); ++i) {
    const Bound &b = executor.bound[i];
    Argument a = b.plain;
    const char *text = nullptr;
    if (b.plain.kind == 1) text = view(b.tensors[0], data, &a);
    if (b.plain.kind == 2 || b.plain.kind == 3 || b.plain.kind == 6)
      a.data = const_cast<char *>(b.bytes.data());
    if (b.plain.kind == 7) {
      lists->emplace_back();
      for (const Tensor &t : b.tensors) {
        Argument inner = {};
        const char *found = view(t, data, &inner);
        if (found) text = found;
        lists->back().push_back(inner);
      }
      a.data = lists->back().data();
      a.count = static_cast<int64_t>(b.tensors.size());
    }
    if (text && wrong->empty())
      *wrong = executor.name + ": argument " + std::to_string(i) + " " + text;
    made.push_back(a);
  }
  return made;
}

}  // namespace

int prepare(const char *name, std::vector<Bound> bound, uint64_t *workspace,
            aclOpExecutor **executor) {
  if (!workspace || !executor) return fail(code::OPERATOR_NULL, "%s: a null address", name);
  for (const Bound &b : bound)
    if (b.broken)
      return fail(code::OPERATOR_PARAM, "%s: an argument is no object that is alive", name);
  auto made = std::make_shared<Executor>();
  made->name = name;
  made->bound = std::move(bound);
  // Some operators want room to work in; which ones is the operators' own affair.
  made->workspace = std::hash<std::string>{}(made->name) % 2 ? 4096 : 0;
  if (Check check = settings().arithmetic ? settings().check.load() : nullptr) {
    char text[512] = "";
    std::string wrong;
    std::vector<std::vector<Argument>> lists;
    lists.reserve(made->bound.size());
    auto seen = arguments(*made, false, &lists, &wrong);
    int code = check(name, seen.data(), static_cast<int>(seen.size()), settings().soc.c_str(), text,
                     sizeof text);
    if (code) return fail(code, "%s", text);
  }
  *workspace = made->workspace;
  *executor = static_cast<aclOpExecutor *>(add(Kind::Executor, made));
  return 0;
}

int launch(const char *name, void *workspace, uint64_t size, aclOpExecutor *executor,
           aclrtStream stream) {
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  auto found = get<Executor>(executor, Kind::Executor);
  if (!found)
    return fail(code::EXECUTOR_NULL, "%s: %p is no executor, or one that was used up", name,
                static_cast<void *>(executor));
  if (found->name != name)
    return fail(code::OPERATOR_PARAM, "%s: the executor was made for %s", name,
                found->name.c_str());
  if (size < found->workspace ||
      (found->workspace && (!host_view(workspace, size) ||
                            reinterpret_cast<uint64_t>(workspace) % 32)))
    return fail(code::OPERATOR_PARAM, "%s: the workspace of %llu bytes at %p; %llu are needed",
                name, static_cast<unsigned long long>(size), workspace,
                static_cast<unsigned long long>(found->workspace));
  // The addresses of this moment count: a repeatable executor may get others before it runs.
  auto now = std::make_shared<Executor>(*found);
  if (!found->repeatable) take(executor, Kind::Executor);
  if (!settings().arithmetic || !settings().compute.load()) {
    return submit(target, []() -> Outcome { return {}; });
  }
  void *scratch = found->workspace ? host_view(workspace, size) : nullptr;
  uint64_t scratch_size = found->workspace;
  return submit(target, [now, scratch, scratch_size]() -> Outcome {
    std::string wrong;
    std::vector<std::vector<Argument>> lists;
    lists.reserve(now->bound.size());
    auto seen = arguments(*now, true, &lists, &wrong);
    if (!wrong.empty()) return {code::EXECUTION, wrong};
    char text[512] = "";
    int failed = settings().compute.load()(now->name.c_str(), seen.data(),
                                           static_cast<int>(seen.size()), text, sizeof text);
    // Whoever shares the workspace with something else must not get away with it.
    if (scratch) std::memset(scratch, 0x5A, scratch_size);
    if (failed) return {failed, now->name + ": " + text};
    return {};
  });
}

Bound bind(const aclTensor *handle) {
  Bound made;
  made.absent = !handle;
  if (!handle) return made;
  auto found = get<Tensor>(handle, Kind::Tensor);
  made.broken = !found;
  made.plain.kind = 1;
  if (found) made.tensors.push_back(*found);
  return made;
}

Bound bind(const aclScalar *handle) {
  Bound made;
  if (!handle) return made;
  auto found = get<Bytes>(handle, Kind::Scalar);
  made.broken = !found;
  made.plain.kind = 2;
  if (found) {
    made.plain.dtype = found->dtype;
    made.bytes = found->bytes;
  }
  return made;
}

Bound bind(const aclIntArray *handle) {
  Bound made;
  if (!handle) return made;
  auto found = get<Bytes>(handle, Kind::IntArray);
  made.broken = !found;
  made.plain.kind = 3;
  if (found) {
    made.bytes = found->bytes;
    made.plain.count = static_cast<int64_t>(found->bytes.size() / sizeof(int64_t));
  }
  return made;
}

Bound bind(const aclTensorList *handle) {
  Bound made;
  if (!handle) return made;
  auto found = get<TensorList>(handle, Kind::TensorList);
  made.broken = !found;
  made.plain.kind = 7;
  if (found)
    for (void *member : found->members) {
      auto tensor = get<Tensor>(member, Kind::Tensor);
      if (!tensor) made.broken = true;
      else made.tensors.push_back(*tensor);
    }
  return made;
}

Bound bind(int64_t value) {
  Bound made;
  made.plain.kind = 4;
  made.plain.integer = value;
  return made;
}

Bound bind(double value) {
  Bound made;
  made.plain.kind = 5;
  made.plain.real = value;
  return made;
}

Bound bind(const char *value) {
  Bound made;
  if (!value) return made;
  made.plain.kind = 6;
  made.bytes.assign(value, value + std::strlen(value) + 1);
  return made;
}

}  // namespace standin

extern "C" {

STANDIN_EXPORT aclTensor *aclCreateTensor(const int64_t *viewDims, uint64_t viewDimsNum,
                                          aclDataType dataType, const int64_t *stride,
                                          int64_t offset, aclFormat format,
                                          const int64_t *storageDims, uint64_t storageDimsNum,
                                          void *tensorData) {
  if (enter(__func__, 1)) return nullptr;
  if (viewDimsNum > 8 || (viewDimsNum && !viewDims) || (storageDimsNum && !storageDims)) {
    fail(code::OPERATOR_PARAM, "aclCreateTensor: at most 8 axes");
    return nullptr;
  }
  auto made = std::make_shared<Tensor>();
  made->dtype = dataType;
  made->format = format;
  made->offset = offset;
  made->address = tensorData;
  made->shape.assign(viewDims, viewDims + viewDimsNum);
  made->strides.resize(viewDimsNum);
  int64_t step = 1;
  for (uint64_t axis = viewDimsNum; axis-- > 0;) {
    made->strides[axis] = stride ? stride[axis] : step;
    step *= viewDims[axis];
    if (made->strides[axis] < 0 || viewDims[axis] < 0) {
      fail(code::OPERATOR_PARAM, "aclCreateTensor: a negative stride or size");
      return nullptr;
    }
  }
  return static_cast<aclTensor *>(add(Kind::Tensor, made));
}

STANDIN_EXPORT aclScalar *aclCreateScalar(void *value, aclDataType dataType) {
  if (enter(__func__, 1)) return nullptr;
  auto made = std::make_shared<Bytes>();
  made->dtype = dataType;
  const char *bytes = static_cast<const char *>(value);
  made->bytes.assign(bytes, bytes + item_size(dataType));
  return static_cast<aclScalar *>(add(Kind::Scalar, made));
}

STANDIN_EXPORT aclIntArray *aclCreateIntArray(const int64_t *value, uint64_t size) {
  if (enter(__func__, 1)) return nullptr;
  auto made = std::make_shared<Bytes>();
  const char *bytes = reinterpret_cast<const char *>(value);
  made->bytes.assign(bytes, bytes + size * sizeof(int64_t));
  return static_cast<aclIntArray *>(add(Kind::IntArray, made));
}

STANDIN_EXPORT aclTensorList *aclCreateTensorList(const aclTensor *const *value, uint64_t size) {
  if (enter(__func__, 1)) return nullptr;
  auto made = std::make_shared<TensorList>();
  for (uint64_t i = 0; i < size; ++i) made->members.push_back(const_cast<aclTensor *>(value[i]));
  return static_cast<aclTensorList *>(add(Kind::TensorList, made));
}

STANDIN_EXPORT aclnnStatus aclDestroyTensor(const aclTensor *tensor) {
  ENTER(aclnnStatus, code::OPERATOR_PARAM);
  if (!take(const_cast<aclTensor *>(tensor), Kind::Tensor))
    return fail(code::OPERATOR_PARAM, "aclDestroyTensor: no tensor that is alive");
  return 0;
}

STANDIN_EXPORT aclnnStatus aclDestroyScalar(const aclScalar *scalar) {
  ENTER(aclnnStatus, code::OPERATOR_PARAM);
  if (!take(const_cast<aclScalar *>(scalar), Kind::Scalar))
    return fail(code::OPERATOR_PARAM, "aclDestroyScalar: no scalar that is alive");
  return 0;
}

STANDIN_EXPORT aclnnStatus aclDestroyIntArray(const aclIntArray *array) {
  ENTER(aclnnStatus, code::OPERATOR_PARAM);
  if (!take(const_cast<aclIntArray *>(array), Kind::IntArray))
    return fail(code::OPERATOR_PARAM, "aclDestroyIntArray: no array that is alive");
  return 0;
}

// A list owns its tensors, as in CANN.
STANDIN_EXPORT aclnnStatus aclDestroyTensorList(const aclTensorList *list) {
  ENTER(aclnnStatus, code::OPERATOR_PARAM);
  auto found = std::static_pointer_cast<TensorList>(
      take(const_cast<aclTensorList *>(list), Kind::TensorList));
  if (!found) return fail(code::OPERATOR_PARAM, "aclDestroyTensorList: no list that is alive");
  for (void *member : found->members) take(member, Kind::Tensor);
  return 0;
}

STANDIN_EXPORT aclnnStatus aclSetAclOpExecutorRepeatable(aclOpExecutor *executor) {
  ENTER(aclnnStatus, code::EXECUTOR_NULL);
  auto found = get<Executor>(executor, Kind::Executor);
  if (!found) return fail(code::EXECUTOR_NULL, "no executor that is alive");
  found->repeatable = true;
  return 0;
}

STANDIN_EXPORT aclnnStatus aclDestroyAclOpExecutor(aclOpExecutor *executor) {
  ENTER(aclnnStatus, code::EXECUTOR_NULL);
  if (!take(executor, Kind::Executor))
    return fail(code::EXECUTOR_NULL, "aclDestroyAclOpExecutor: no executor that is alive");
  return 0;
}

namespace {

// The tensors of the operator's definition that are read, or those that are written, in order;
// those left out included. A list of tensors is one of them.
Bound *nth(Executor &executor, size_t index, bool output) {
  size_t seen = 0;
  for (Bound &b : executor.bound)
    if ((b.absent || b.plain.kind == 1 || b.plain.kind == 7) && b.output == output &&
        seen++ == index)
      return &b;
  return nullptr;
}

int set_address(const char *call, aclOpExecutor *executor, size_t index, bool output, int kind,
                size_t member, void *address) {
  auto found = get<Executor>(executor, Kind::Executor);
  if (!found) return fail(code::EXECUTOR_NULL, "%s: no executor that is alive", call);
  if (!found->repeatable)
    return fail(code::OPERATOR_PARAM, "%s: the executor is not repeatable", call);
  if (!address || reinterpret_cast<uint64_t>(address) % 32)
    return fail(code::OPERATOR_PARAM, "%s: %p is not 32-byte aligned", call, address);
  Bound *b = nth(*found, index, output);
  if (!b || b->plain.kind != kind || member >= b->tensors.size())
    return fail(code::OPERATOR_PARAM, "%s: there is no tensor %zu, %zu", call, index, member);
  b->tensors[member].address = address;
  return 0;
}

}  // namespace

STANDIN_EXPORT aclnnStatus aclSetInputTensorAddr(aclOpExecutor *executor, const size_t index,
                                                 aclTensor *tensor, void *addr) {
  ENTER(aclnnStatus, code::OPERATOR_PARAM);
  if (!find(tensor, Kind::Tensor))
    return fail(code::OPERATOR_NULL, "aclSetInputTensorAddr: no tensor that is alive");
  return set_address("aclSetInputTensorAddr", executor, index, false, 1, 0, addr);
}

STANDIN_EXPORT aclnnStatus aclSetOutputTensorAddr(aclOpExecutor *executor, const size_t index,
                                                  aclTensor *tensor, void *addr) {
  ENTER(aclnnStatus, code::OPERATOR_PARAM);
  if (!find(tensor, Kind::Tensor))
    return fail(code::OPERATOR_NULL, "aclSetOutputTensorAddr: no tensor that is alive");
  return set_address("aclSetOutputTensorAddr", executor, index, true, 1, 0, addr);
}

STANDIN_EXPORT aclnnStatus aclSetDynamicInputTensorAddr(aclOpExecutor *executor, size_t irIndex,
                                                        const size_t relativeIndex,
                                                        aclTensorList *tensors, void *addr) {
  ENTER(aclnnStatus, code::OPERATOR_PARAM);
  if (!find(tensors, Kind::TensorList))
    return fail(code::EXECUTOR_NULL, "aclSetDynamicInputTensorAddr: no list that is alive");
  return set_address("aclSetDynamicInputTensorAddr", executor, irIndex, false, 7, relativeIndex,
                     addr);
}

// The index counts the tensors of the first phase's arguments, those left out included.
STANDIN_EXPORT aclnnStatus aclSetTensorAddr(aclOpExecutor *executor, const size_t index,
                                            aclTensor *tensor, void *addr) {
  ENTER(aclnnStatus, code::OPERATOR_PARAM);
  auto found = get<Executor>(executor, Kind::Executor);
  if (!found) return fail(code::EXECUTOR_NULL, "aclSetTensorAddr: no executor that is alive");
  if (!found->repeatable)
    return fail(code::OPERATOR_PARAM, "aclSetTensorAddr: the executor is not repeatable");
  if (!find(tensor, Kind::Tensor))
    return fail(code::OPERATOR_NULL, "aclSetTensorAddr: no tensor that is alive");
  if (!addr || reinterpret_cast<uint64_t>(addr) % 32)
    return fail(code::OPERATOR_PARAM, "aclSetTensorAddr: %p is not 32-byte aligned", addr);
  size_t seen = 0;
  for (Bound &b : found->bound) {
    if (b.absent && seen++ == index)
      return fail(code::OPERATOR_PARAM, "aclSetTensorAddr: tensor %zu was left out", index);
    for (Tensor &t : b.tensors)
      if (seen++ == index) {
        t.address = addr;
        return 0;
      }
  }
  return fail(code::OPERATOR_PARAM, "aclSetTensorAddr: index %zu of %zu tensors", index, seen);
}

}  // extern "C"
