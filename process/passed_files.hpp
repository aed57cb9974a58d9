// Open files that travel beside packed bytes, to a process that is being started.
//
// The bytes hold only the index of each file. The sender passes files() along and calls hand_over()
// once they have arrived; the receiver constructs its PassedFiles from what has arrived. The codecs
// cannot be handed a parameter, so each side makes its PassedFiles the current ones of its thread
// (PassedFilesScope) while it packs or unpacks.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::process {

// At most so many files go along with one start.
inline constexpr std::size_t kFilesPerStart = 256;

// Thread safety: none.
class PassedFiles {
 public:
  PassedFiles() = default;
  explicit PassedFiles(std::vector<shm::UniqueFd> arrived);

  // Notes the file of a PassedFd, whose number must stay where it is meanwhile, and gives its
  // place. Throws BadCall past the limit.
  std::size_t add(std::atomic<int>& number);
  std::vector<int> files() const;
  // Closes the files here.
  void hand_over() noexcept;

  // The file that arrived under this place. Throws BadCall if there is none or it has been taken.
  shm::UniqueFd take(std::size_t place);

 private:
  std::vector<std::atomic<int>*> noted_;
  std::vector<shm::UniqueFd> arrived_;
};

// Makes `passed_files` the current ones for all that this thread packs and unpacks until the scope
// ends. Scopes nest.
class PassedFilesScope {
 public:
  explicit PassedFilesScope(PassedFiles& passed_files);
  PassedFilesScope(const PassedFilesScope&) = delete;
  PassedFilesScope& operator=(const PassedFilesScope&) = delete;
  ~PassedFilesScope();

 private:
  PassedFiles* outer_;
};

// This thread's innermost scope. Throws BadCall outside of one: a file cannot be an element of a
// list, nor an argument of a call.
PassedFiles& current_passed_files();

}  // namespace steward::detail::process
