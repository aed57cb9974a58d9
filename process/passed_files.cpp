#include <steward/process/passed_files.hpp>

#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/state.hpp>

namespace steward::detail::process {
namespace {

thread_local PassedFiles* innermost = nullptr;

}  // namespace

PassedFiles::PassedFiles(std::vector<shm::UniqueFd> arrived) : arrived_(std::move(arrived)) {}

std::size_t PassedFiles::add(std::atomic<int>& number) {
  if (noted_.size() == kFilesPerStart) {
    throw BadCall(fmt::format("a process is given {} open files at most", kFilesPerStart));
  }
  noted_.push_back(&number);
  return noted_.size() - 1;
}

std::vector<int> PassedFiles::files() const {
  std::vector<int> files;
  for (const std::atomic<int>* number : noted_) files.push_back(number->load());
  return files;
}

void PassedFiles::hand_over() noexcept {
  for (std::atomic<int>* number : std::exchange(noted_, {}))
    ProcessState::get().close_held(*number);
}

shm::UniqueFd PassedFiles::take(std::size_t place) {
  if (place >= arrived_.size() || !arrived_[place]) {
    throw BadCall(fmt::format("open file {} of {} is not there", place, arrived_.size()));
  }
  return std::move(arrived_[place]);
}

PassedFilesScope::PassedFilesScope(PassedFiles& passed_files)
    : outer_(std::exchange(innermost, &passed_files)) {}

PassedFilesScope::~PassedFilesScope() { innermost = outer_; }

PassedFiles& current_passed_files() {
  if (innermost == nullptr) {
    throw BadCall("an open file travels only to a new process, among the arguments it is started "
                  "with");
  }
  return *innermost;
}

}  // namespace steward::detail::process
