// Clients in processes of their own, which a test can kill.
#pragma once

#include <signal.h>

#include <atomic>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include <steward/process/launch.hpp>
#include <steward/tests/server/loop/bare_client.hpp>

namespace steward::detail::test {

inline void until_killed(const process::ChildContext& context) {
  while (!shm::has_ended(context.owner_pidfd())) ::poll(nullptr, 0, 100);
}

// launch() waits for the child, which waits for the server: that needs its own thread meanwhile.
inline process::Child launch_beside(const BareClient::Pump& pump, process::Entry entry,
                                    std::string arguments) {
  process::Child child;
  std::atomic<bool> up = false;
  std::exception_ptr failure;
  std::thread launching([&] {
    try {
      child = process::launch({.entry = entry, .arguments = std::move(arguments),
                               .name = "client"});
    } catch (...) {
      failure = std::current_exception();
    }
    up = true;
  });
  const bool in_time = eventually(pump, [&] { return up.load(); });
  launching.join();
  if (failure) std::rethrow_exception(failure);
  if (!in_time) throw std::runtime_error("the child did not come up in time");
  return child;
}

inline void kill_and_wait(const process::Child& child) {
  child.signal(SIGKILL);
  if (!child.wait(core::deadline_after(kPatience))) throw std::runtime_error("it lives on");
}

}  // namespace steward::detail::test
