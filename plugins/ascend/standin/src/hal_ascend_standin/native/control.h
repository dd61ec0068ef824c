// What the files of the runtime library share beyond core.h.
#pragma once
#include "core.h"

#pragma GCC visibility push(default)
namespace standin {
const char *take_message();
Outcome task_fault(bool *hang);
bool hanging();
std::map<Kind, int> live_handles();
std::string memory_report();
void stop_all_streams();
}  // namespace standin
#pragma GCC visibility pop
