// System calls that do what a test says, for races and faults that are placed. Each is as it always
// is where nothing is said.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace steward::detail::test {

// recv(2) takes so many bytes at most.
inline std::atomic<std::size_t> recv_most = ~std::size_t{0};
// recv(2) of this thread calls it once: after it has looked (MSG_PEEK), or before it takes.
inline thread_local void (*at_recv)() = nullptr;
// send(2) of one byte, as a Listener tells that somebody was accepted, loses it.
inline std::atomic<bool> words_are_lost = false;
// eventfd(2) finds no descriptor left.
inline std::atomic<bool> events_are_refused = false;
// The so many-th sendmsg(2) of this thread from now on (1: the next) finds no memory.
inline thread_local int send_without_memory = 0;
// Sockets that this thread makes from now on hold so much of what is not read; 0: as ever.
inline thread_local int receive_buffer = 0;
// What stands for "two.test": addresses of IPv4 with ports, "127.0.0.1:80".
inline std::vector<std::string> two_addresses;

// A time that stands still until somebody moves it. In memory that a test shares with its child.
struct PlacedClock {
  std::atomic<std::chrono::nanoseconds> now = std::chrono::nanoseconds(0);
  std::atomic<int> looks = 0;
};
// The steady clock of this process, if it is not null.
inline std::atomic<PlacedClock*> steady_clock = nullptr;

// Whether a thread sleeps in a system call. `task` as in /proc: "self/task/12", "34".
inline bool sleeps(const std::string& task) {
  std::ifstream file("/proc/" + task + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end, 3) == ") S";
}

}  // namespace steward::detail::test
