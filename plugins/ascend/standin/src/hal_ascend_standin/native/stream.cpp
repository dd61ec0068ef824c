// Streams with a thread each, events between them, and capture into models that are replayed.
#include <random>

#include "control.h"

namespace standin {
namespace {
thread_local std::vector<aclrtStream> capturing_here;
}  // namespace

void Stream::run() {
  std::mt19937 random(std::random_device{}());
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return stopping || !queue.empty(); });
    if (stopping) {
      pending = 0;
      changed.notify_all();
      return;
    }
    Work work = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    int high = settings().delay_high;
    if (high > 0)
      std::this_thread::sleep_for(
          std::chrono::microseconds(std::uniform_int_distribution<int>(0, high)(random)));
    Outcome outcome = work();
    work = nullptr;
    lock.lock();
    if (outcome.code && !failed.code) failed = outcome;
    if (pending) --pending;
    changed.notify_all();
  }
}

void Stream::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
    changed.notify_all();
  }
  if (worker.joinable()) worker.join();
}

// Waits until ready, for the time given (-1: without end), polling so that an end of the stream
// that is waited in is seen.
bool pause(std::unique_lock<std::mutex> &lock, std::condition_variable &changed,
           const std::function<bool()> &ready, int milliseconds) {
  if (milliseconds < 0) {
    changed.wait(lock, ready);
    return true;
  }
  return changed.wait_for(lock, std::chrono::milliseconds(milliseconds), ready);
}

namespace {

// A task that runs: an injected fault instead of it, nothing after a failure, or its work.
Outcome guarded(Stream *stream, const Work &work) {
  bool hang = false;
  Outcome injected = task_fault(&hang);
  std::unique_lock<std::mutex> lock(stream->mutex);
  if (hang) {
    // Until the stream is destroyed, or the fault is taken away.
    while (!stream->stopping && hanging())
      stream->changed.wait_for(lock, std::chrono::milliseconds(20));
    if (stream->stopping) return {};
  }
  if (stream->failed.code) return {};
  lock.unlock();
  return injected.code ? injected : work();
}

}  // namespace

int submit(const std::shared_ptr<Stream> &stream, Work work) {
  std::lock_guard<std::mutex> lock(stream->mutex);
  if (stream->capture) {
    stream->capture->works.push_back(std::move(work));
    return 0;
  }
  Stream *raw = stream.get();
  stream->queue.emplace_back([raw, work] { return guarded(raw, work); });
  stream->pending++;
  stream->changed.notify_all();
  return 0;
}

bool capture_forbids(const char *what, int *code) {
  for (aclrtStream handle : capturing_here) {
    auto stream = get<Stream>(handle, Kind::Stream);
    if (!stream) continue;
    std::lock_guard<std::mutex> lock(stream->mutex);
    if (stream->capture && stream->capture->mode != ACL_MODEL_RI_CAPTURE_MODE_RELAXED) {
      stream->capture->failed = code::CAPTURE_INVALID;
      *code = fail(code::CAPTURE_MODE, "%s: not allowed while this thread captures", what);
      return true;
    }
  }
  return false;
}

std::shared_ptr<Stream> usable_stream(aclrtStream handle, int *code) {
  auto context = current_context();
  if (!context) {
    *code = fail(code::NO_CONTEXT, "the thread has no context");
    return nullptr;
  }
  auto stream = get<Stream>(handle ? handle : context->default_stream, Kind::Stream);
  if (!stream) {
    *code = fail(code::HANDLE, "%p is no stream that is alive", handle);
    return nullptr;
  }
  if (get<Context>(stream->context, Kind::Context) != context) {
    *code = fail(code::STREAM_CONTEXT, "the stream belongs to another context than the thread's");
    return nullptr;
  }
  return stream;
}

}  // namespace standin

using namespace standin;

namespace {

int synchronize(const std::shared_ptr<Stream> &stream, int timeout) {
  std::unique_lock<std::mutex> lock(stream->mutex);
  if (stream->capture) {
    stream->capture->failed = code::CAPTURE_INVALID;
    return fail(code::STREAM_CAPTURED, "a stream that is captured cannot be waited for");
  }
  if (!pause(lock, stream->changed, [&] { return stream->pending == 0; }, timeout))
    return fail(code::SYNC_TIMEOUT, "the stream was not done after %d ms", timeout);
  Outcome failed;
  std::swap(failed, stream->failed);
  lock.unlock();
  return failed.code ? fail(failed.code, "%s", failed.message.c_str()) : 0;
}

}  // namespace

extern "C" {

STANDIN_EXPORT aclError aclrtCreateStream(aclrtStream *stream) {
  ENTER(aclError, 207008);
  auto context = current_context();
  if (!context) return fail(code::NO_CONTEXT, "aclrtCreateStream: no context");
  if (!stream) return fail(code::PARAM, "aclrtCreateStream: a null address");
  auto made = std::make_shared<Stream>();
  made->device = context->device;
  made->context = context_handle();
  made->worker = std::thread([raw = made.get()] { raw->run(); });
  made->handle = *stream = add(Kind::Stream, made);
  return 0;
}

STANDIN_EXPORT aclError aclrtDestroyStream(aclrtStream stream) {
  ENTER(aclError, code::HANDLE);
  auto taken = std::static_pointer_cast<Stream>(take(stream, Kind::Stream));
  if (!taken) return fail(code::HANDLE, "aclrtDestroyStream: %p is no stream", stream);
  {
    // As the runtime does: what was enqueued is finished first, unless it hangs.
    std::unique_lock<std::mutex> lock(taken->mutex);
    pause(lock, taken->changed, [&] { return taken->pending == 0; }, 1000);
  }
  taken->stop();
  return 0;
}

STANDIN_EXPORT aclError aclrtSynchronizeStreamWithTimeout(aclrtStream stream, int32_t timeout) {
  ENTER(aclError, code::EXECUTION);
  int code = 0;
  auto target = usable_stream(stream, &code);
  return target ? synchronize(target, timeout) : code;
}

STANDIN_EXPORT aclError aclrtSynchronizeStream(aclrtStream stream) {
  ENTER(aclError, code::EXECUTION);
  int code = 0;
  auto target = usable_stream(stream, &code);
  return target ? synchronize(target, -1) : code;
}

STANDIN_EXPORT aclError aclrtCreateEvent(aclrtEvent *event) {
  ENTER(aclError, 207007);
  if (!current_context()) return fail(code::NO_CONTEXT, "aclrtCreateEvent: no context");
  if (!event) return fail(code::PARAM, "aclrtCreateEvent: a null address");
  *event = add(Kind::Event, std::make_shared<Event>());
  return 0;
}

STANDIN_EXPORT aclError aclrtDestroyEvent(aclrtEvent event) {
  ENTER(aclError, code::HANDLE);
  if (!take(event, Kind::Event)) return fail(code::HANDLE, "%p is no event", event);
  return 0;
}

STANDIN_EXPORT aclError aclrtRecordEvent(aclrtEvent event, aclrtStream stream) {
  ENTER(aclError, code::PARAM);
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  auto found = get<Event>(event, Kind::Event);
  if (!found) return fail(code::HANDLE, "aclrtRecordEvent: %p is no event", event);
  uint64_t number;
  {
    std::scoped_lock lock(target->mutex, found->mutex);
    number = ++found->asked;
    found->captured = target->capture;
    found->captured_stream = target->handle;
    if (target->capture) return 0;
    // An event is complete even behind a failure: nothing that waits for it may hang.
    target->queue.emplace_back([found, number]() -> Outcome {
      std::lock_guard<std::mutex> inner(found->mutex);
      found->done = std::max(found->done, number);
      found->when = std::chrono::steady_clock::now();
      found->changed.notify_all();
      return {};
    });
    target->pending++;
    target->changed.notify_all();
  }
  return 0;
}

STANDIN_EXPORT aclError aclrtStreamWaitEvent(aclrtStream stream, aclrtEvent event) {
  ENTER(aclError, code::PARAM);
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  auto found = get<Event>(event, Kind::Event);
  if (!found) return fail(code::HANDLE, "aclrtStreamWaitEvent: %p is no event", event);
  std::scoped_lock lock(target->mutex, found->mutex);
  if (found->captured) {
    // The stream joins the capture, or the origin joins it back; works keep their global order.
    auto model = found->captured;
    if (target->capture == model)
      model->unjoined.erase(found->captured_stream);
    else if (!target->capture) {
      target->capture = model;
      model->unjoined.insert(target->handle);
    }
    return 0;
  }
  if (target->capture) return 0;  // Recorded before the capture: done before the model runs.
  uint64_t number = found->asked;
  Stream *raw = target.get();
  target->queue.emplace_back([raw, found, number]() -> Outcome {
    std::unique_lock<std::mutex> inner(found->mutex);
    while (found->done < number) {
      found->changed.wait_for(inner, std::chrono::milliseconds(50));
      inner.unlock();
      {
        std::lock_guard<std::mutex> own(raw->mutex);
        if (raw->stopping) return {};
      }
      inner.lock();
    }
    return {};
  });
  target->pending++;
  target->changed.notify_all();
  return 0;
}

STANDIN_EXPORT aclError aclrtQueryEventStatus(aclrtEvent event, aclrtEventRecordedStatus *status) {
  ENTER(aclError, code::PARAM);
  auto found = get<Event>(event, Kind::Event);
  if (!found || !status) return fail(code::HANDLE, "aclrtQueryEventStatus: %p is no event", event);
  std::lock_guard<std::mutex> lock(found->mutex);
  *status = found->asked && found->done >= found->asked ? ACL_EVENT_RECORDED_STATUS_COMPLETE
                                                        : ACL_EVENT_RECORDED_STATUS_NOT_READY;
  return 0;
}

STANDIN_EXPORT aclError aclrtSynchronizeEventWithTimeout(aclrtEvent event, int32_t timeout) {
  ENTER(aclError, code::EXECUTION);
  auto found = get<Event>(event, Kind::Event);
  if (!found) return fail(code::HANDLE, "aclrtSynchronizeEvent: %p is no event", event);
  std::unique_lock<std::mutex> lock(found->mutex);
  if (!pause(lock, found->changed, [&] { return found->done >= found->asked; }, timeout))
    return fail(code::EVENT_TIMEOUT, "the event was not complete after %d ms", timeout);
  return 0;
}

STANDIN_EXPORT aclError aclrtEventElapsedTime(float *ms, aclrtEvent startEvent,
                                              aclrtEvent endEvent) {
  ENTER(aclError, code::EVENT_TIMESTAMP);
  auto start = get<Event>(startEvent, Kind::Event), end = get<Event>(endEvent, Kind::Event);
  if (!start || !end || !ms) return fail(code::HANDLE, "aclrtEventElapsedTime: no event");
  if (start == end) {
    *ms = 0;
    return 0;
  }
  std::scoped_lock lock(start->mutex, end->mutex);
  if (!start->done || !end->done)
    return fail(code::EVENT_NOT_COMPLETE, "an event is not complete");
  *ms = std::chrono::duration<float, std::milli>(end->when - start->when).count();
  return 0;
}

// Capture: what would be enqueued is kept, in order, and run again by the model.

STANDIN_EXPORT aclError aclmdlRICaptureBegin(aclrtStream stream, aclmdlRICaptureMode mode) {
  ENTER(aclError, code::PARAM);
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  std::lock_guard<std::mutex> lock(target->mutex);
  if (target->capture) return fail(code::STREAM_CAPTURED, "the stream is captured already");
  target->capture = std::make_shared<Model>();
  target->capture->mode = mode;
  target->capture->origin = target->handle;
  capturing_here.push_back(target->handle);
  return 0;
}

STANDIN_EXPORT aclError aclmdlRICaptureEnd(aclrtStream stream, aclmdlRI *modelRI) {
  ENTER(aclError, code::CAPTURE_INVALID);
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  std::shared_ptr<Model> model;
  {
    std::lock_guard<std::mutex> lock(target->mutex);
    model = target->capture;
    if (!model) return fail(code::NOT_CAPTURED, "the stream is not captured");
    if (model->origin != target->handle)
      return fail(code::CAPTURE_UNMATCHED, "the capture began on another stream");
    target->capture = nullptr;
  }
  auto &here = capturing_here;
  for (auto entry = here.begin(); entry != here.end(); ++entry)
    if (*entry == target->handle) {
      here.erase(entry);
      break;
    }
  for (void *joined : model->unjoined)
    if (auto other = get<Stream>(joined, Kind::Stream)) {
      std::lock_guard<std::mutex> lock(other->mutex);
      other->capture = nullptr;
    }
  if (!model->unjoined.empty())
    return fail(code::UNJOINED, "a stream that joined the capture was not joined back");
  if (model->failed) return fail(model->failed, "the capture was made invalid by an earlier call");
  *modelRI = add(Kind::Model, model);
  return 0;
}

STANDIN_EXPORT aclError aclmdlRICaptureGetInfo(aclrtStream stream, aclmdlRICaptureStatus *status,
                                               aclmdlRI *modelRI) {
  ENTER(aclError, code::PARAM);
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  std::lock_guard<std::mutex> lock(target->mutex);
  *status = !target->capture           ? ACL_MODEL_RI_CAPTURE_STATUS_NONE
            : target->capture->failed ? ACL_MODEL_RI_CAPTURE_STATUS_INVALIDATED
                                      : ACL_MODEL_RI_CAPTURE_STATUS_ACTIVE;
  if (modelRI) *modelRI = nullptr;
  return 0;
}

STANDIN_EXPORT aclError aclmdlRIExecuteAsync(aclmdlRI modelRI, aclrtStream stream) {
  ENTER(aclError, code::EXECUTION);
  int code = 0;
  auto target = usable_stream(stream, &code);
  if (!target) return code;
  auto model = get<Model>(modelRI, Kind::Model);
  if (!model) return fail(code::HANDLE, "aclmdlRIExecuteAsync: %p is no model", modelRI);
  return submit(target, [model]() -> Outcome {
    for (const Work &work : model->works) {
      Outcome outcome = work();
      if (outcome.code) return outcome;
    }
    return {};
  });
}

STANDIN_EXPORT aclError aclmdlRIDestroy(aclmdlRI modelRI) {
  ENTER(aclError, code::HANDLE);
  if (!take(modelRI, Kind::Model)) return fail(code::HANDLE, "%p is no model", modelRI);
  return 0;
}

}  // extern "C"
