// What the program `steward` does with managers beyond what programs need: names for new ones, all
// that there are, the end of one, life in the background.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/manager/manager.hpp>

namespace steward::detail::manager {

// Where a manager listens that is to be found by this name. Throws BadCall if it is no name,
// core::Failure if no directory can hold it.
std::string address_for_name(std::string_view name);

struct LocalManager {
  // What it was told to listen at; its private one if it was told nothing, or is silent.
  std::string address;
  std::string name;     // empty: it has none
  pid_t pid = 0;        // 0: it is silent, and this is not known either
  std::string silence;  // why it did not answer; empty: it did, and the following is known
  std::chrono::system_clock::time_point started;
  std::size_t objects = 0;
};
// The managers of this user on this host, by address. All are asked at once, which takes two
// seconds if one is silent, and begins no sessions. (Those in other mount namespaces are not found,
// since nobody here can reach them.)
std::vector<LocalManager> local_managers();

// Tells the manager to end, and waits until it has: of this host its process, elsewhere its port.
// False: it is still there after `patience`. Throws as Manager::shutdown().
bool stop(Manager& manager, std::chrono::milliseconds patience);

// What becomes of a process in the background: 0 and what it is to be known by, or an exit code and
// why it has ended.
struct Answer {
  int code = 0;
  std::string text;
};
// Told once. False: nobody waits for it any more.
using Tell = std::function<bool(const Answer&)>;
// Runs `work` in a process of a session of its own, without a terminal: standard input and output
// are /dev/null, standard error is the log file, if there is one. Returns what it tells. Throws
// core::Failure if it cannot be started, ends without a word, or has said none within `patience`:
// then it is ended. Only while there is one thread.
Answer run_in_background(const std::string& log_file, std::chrono::milliseconds patience,
                         const std::function<void(const Tell& tell)>& work);

}  // namespace steward::detail::manager
