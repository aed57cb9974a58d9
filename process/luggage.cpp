#include <steward/process/luggage.hpp>

#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/state.hpp>

namespace steward::process {
namespace {

thread_local Luggage* innermost = nullptr;

}  // namespace

Luggage::Luggage(std::vector<shm::UniqueFd> arrived) : arrived_(std::move(arrived)) {}

std::size_t Luggage::add(std::atomic<int>& number) {
  if (noted_.size() == kFilesPerStart) {
    throw BadCall(fmt::format("a process is given {} open files at most", kFilesPerStart));
  }
  noted_.push_back(&number);
  return noted_.size() - 1;
}

std::vector<int> Luggage::files() const {
  std::vector<int> files;
  for (const std::atomic<int>* number : noted_) files.push_back(number->load());
  return files;
}

void Luggage::hand_over() noexcept {
  for (std::atomic<int>* number : std::exchange(noted_, {})) State::get().close_held(*number);
}

shm::UniqueFd Luggage::take(std::size_t place) {
  if (place >= arrived_.size() || !arrived_[place]) {
    throw BadCall(fmt::format("open file {} of {} is not there", place, arrived_.size()));
  }
  return std::move(arrived_[place]);
}

LuggageScope::LuggageScope(Luggage& luggage) : outer_(std::exchange(innermost, &luggage)) {}

LuggageScope::~LuggageScope() { innermost = outer_; }

Luggage& current_luggage() {
  if (innermost == nullptr) {
    throw BadCall("an open file travels only to a new process, among the arguments it is started "
                  "with");
  }
  return *innermost;
}

}  // namespace steward::process
