// What the operators' first and second phase work with.
#pragma once
#include "core.h"

#pragma GCC visibility push(default)
namespace standin {

struct Tensor : Object {
  int dtype = 0, format = 0;
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
  void *address = nullptr;
};

struct Bytes : Object {
  int dtype = 0;
  std::vector<char> bytes;
};

struct TensorList : Object {
  std::vector<void *> members;
};

// One argument of a first phase, copied so that it outlives the objects it was given by.
struct Bound {
  Argument plain = {};
  std::vector<Tensor> tensors;
  std::vector<char> bytes;
  bool broken = false;
  bool absent = false;  // A tensor that was left out; it keeps its index.
  bool output = false;
};

struct Executor : Object {
  std::string name;
  std::vector<Bound> bound;
  uint64_t workspace = 0;
  bool repeatable = false;
};

Bound bind(const aclTensor *handle);
Bound bind(const aclScalar *handle);
Bound bind(const aclIntArray *handle);
Bound bind(const aclTensorList *handle);
Bound bind(int64_t value);
Bound bind(double value);
Bound bind(const char *value);
inline Bound written(Bound made) {
  made.output = true;
  return made;
}
inline Bound bind(bool value) { return bind(static_cast<int64_t>(value)); }
inline Bound bind(int value) { return bind(static_cast<int64_t>(value)); }
inline Bound bind(int8_t value) { return bind(static_cast<int64_t>(value)); }

int prepare(const char *name, std::vector<Bound> bound, uint64_t *workspace,
            aclOpExecutor **executor);
int launch(const char *name, void *workspace, uint64_t size, aclOpExecutor *executor,
           aclrtStream stream);

}  // namespace standin
#pragma GCC visibility pop
