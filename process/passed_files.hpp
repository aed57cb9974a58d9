// Open files that travel beside packed bytes, to a process that is being started.
//
// In the bytes stands only the place of each file. Whoever packs sends files() along, and hands
// them over once they have arrived; whoever unpacks has received them. The codecs cannot be handed
// a parameter, so both put their passed files in charge of the thread for as long as they pack or
// unpack.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::process {

// One process is started with so many files at most.
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

// Puts `passed files` in charge of all that this thread packs and unpacks until the scope ends.
// Scopes nest.
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
