// ChildContext: what a new process knows of its starter, while it comes up and after.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <steward/process/passed_files.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::process {

struct ExceptionRecord;
class RequestBytes;

// Given to the entry of a process. Thread safety: none; owner_pidfd() may be used by any thread.
class ChildContext {
 public:
  ChildContext(std::string name, shm::UniqueFd channel, int owner_pidfd,
               std::unique_ptr<RequestBytes> request, PassedFiles passed_files = {});
  ~ChildContext();

  const std::string& name() const { return name_; }
  // Readable once the process that started this one has ended. Stays open for ever.
  int owner_pidfd() const { return owner_pidfd_; }
  // The files that came along. What is not taken from here is closed with confirm().
  PassedFiles& passed_files() { return passed_files_; }

  // Tells the starter that this process is up, with a message for it (kStatusTextBytes at most,
  // else BadCall), and waits until it has heard that. The bytes of the arguments must not be used
  // any more. A second call does nothing. Throws Closed if the starter is gone or has given this
  // process up, as whatever keeps it from starting makes it do: then nobody knows of this process,
  // and it is to end.
  void confirm(std::string_view message = {});
  bool confirmed() const { return !channel_; }

  // Tells the starter why this process cannot come up.
  void refuse(const ExceptionRecord& failure);

 private:
  bool may_go(std::string_view message) const;
  void release();

  std::string name_;
  shm::UniqueFd channel_;
  int owner_pidfd_;
  std::unique_ptr<RequestBytes> request_;
  PassedFiles passed_files_;
};

}  // namespace steward::detail::process
