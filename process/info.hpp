// Who a process is: its name as people read it, its pid.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <sys/types.h>

namespace steward {

// A snapshot of one process of this program: a value, which says nothing about whether it still
// runs.
class ProcessInfo {
 public:
  ProcessInfo(std::string name, pid_t pid, bool daemon)
      : name_(std::move(name)), pid_(pid), daemon_(daemon) {}

  const std::string& name() const { return name_; }
  pid_t pid() const { return pid_; }
  bool daemon() const { return daemon_; }

  friend bool operator==(const ProcessInfo&, const ProcessInfo&) = default;

 private:
  std::string name_;
  pid_t pid_;
  bool daemon_;
};

namespace detail::process {

// What a process knows of itself from its birth on.
struct Identity {
  std::string name = "MainProcess";
  std::string numbers;  // "1:2" in the second child of the first child; empty in the main process
  bool daemon = false;
  std::optional<ProcessInfo> parent;  // the program that started it
};

}  // namespace detail::process
}  // namespace steward
