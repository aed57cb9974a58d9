// Relays: those that run in this process. Each has a thread of its own, which ends with it.
#pragma once

#include <condition_variable>
#include <latch>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include <steward/client/relay.hpp>
#include <steward/core/clock.hpp>

namespace steward::client {

// Thread safety: any thread may call any function. Ownership: part of the State, and leaked with
// it: threads may still run at exit. A forked child has none of them, and leaves these alone.
class Relays {
 public:
  // Throws Overloaded if there is no thread for it.
  void start(std::unique_ptr<Relay> relay);

  // At the end of the process: what users have sent still leaves. Waits until all have ended.
  void finish(core::Deadline deadline);

 private:
  struct Run {
    Run(Relays& all, std::unique_ptr<Relay> relay) : all(all), relay(std::move(relay)) {}
    Relays& all;
    std::unique_ptr<Relay> relay;
    std::latch named{1};  // the thread has its name
  };

  static void* run(void* it) noexcept;
  void end(const Run& run) noexcept;

  std::mutex mutex_;
  std::condition_variable one_ended_;
  std::list<Run> running_;  // guarded by mutex_
};

}  // namespace steward::client
