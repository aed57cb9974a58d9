#include <steward/process/passed_fd.hpp>

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include <steward/core/errors.hpp>
#include <steward/process/passed_files.hpp>
#include <steward/process/state.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::detail::process {

PassedFd::PassedFd(shm::UniqueFd fd) {
  if (!fd) return;
  number_ = std::make_unique<std::atomic<int>>(fd.get());
  ProcessState::get().with_held([this](HeldFiles& held) { held.try_emplace(number_.get()); });
  static_cast<void>(fd.release());
}

PassedFd& PassedFd::operator=(PassedFd&& other) noexcept {
  if (this != &other) {
    close();
    number_ = std::move(other.number_);
    given_ = other.given_;
  }
  return *this;
}

PassedFd::~PassedFd() { close(); }

void PassedFd::close() noexcept {
  if (!number_) return;
  ProcessState::get().close_held(*number_);
  number_.reset();
}

bool PassedFd::keep_from_copies() noexcept {
  bool alone = true;
  ProcessState::get().with_held([&](HeldFiles& held) {
    const auto place = held.find(number_.get());
    if (place == held.end()) return;
    place->second.in_copies = InCopies::closed;
    alone = ProcessState::get().is_this_process() && !place->second.shared;
  });
  return alone;
}

PassedFd PassedFd::opened(const std::function<int()>& open, InCopies copies) {
  shm::keep_standard_descriptors();
  PassedFd file;
  auto number = std::make_unique<std::atomic<int>>(-1);
  ProcessState::get().with_held([&](HeldFiles& held) {
    shm::UniqueFd opened(open());
    if (!opened) return;
    held.try_emplace(number.get(), HeldFile{copies});
    *number = opened.release();
    file.number_ = std::move(number);
  });
  return file;
}

PassedFd PassedFd::opened(const std::function<int()>& open) {
  return opened(open, InCopies::stays);
}

PassedFd PassedFd::opened_here_alone(const std::function<int()>& open) {
  return opened(open, InCopies::closed);
}

void PassedFd::for_each(const std::function<void(int fd, bool alone)>& use) {
  ProcessState::get().with_held([&](HeldFiles& held) {
    const bool ours = ProcessState::get().is_this_process();
    for (const auto& [number, file] : held) {
      if (file.in_copies == InCopies::stays) use(number->load(), ours && !file.shared);
    }
  });
}

std::pair<PassedFd, PassedFd> PassedFd::socket_pair(int type) {
  shm::keep_standard_descriptors();
  std::pair<PassedFd, PassedFd> ends;
  ProcessState::get().with_held([&](HeldFiles& held) {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()) != 0) {
      throw SystemError(errno, "cannot make a pair of sockets");
    }
    shm::UniqueFd first(fds[0]);
    shm::UniqueFd second(fds[1]);
    auto first_number = std::make_unique<std::atomic<int>>(first.get());
    auto second_number = std::make_unique<std::atomic<int>>(second.get());
    const auto noted = held.try_emplace(first_number.get()).first;
    try {
      held.try_emplace(second_number.get());
    } catch (...) {
      held.erase(noted);
      throw;
    }
    ends.first.number_ = std::move(first_number);
    ends.second.number_ = std::move(second_number);
    static_cast<void>(first.release());
    static_cast<void>(second.release());
  });
  return ends;
}

void PassedFd::check_packing() const {
  static_cast<void>(current_passed_files());
  if (!*this) throw BadCall("an open file is to be passed that was closed or passed already");
}

// With the place goes whether the file is shared with a copy of this process.
std::uint64_t PassedFd::pack_place() const {
  check_packing();
  bool shared = false;
  ProcessState::get().with_held([&](HeldFiles& held) { shared = held[number_.get()].shared; });
  return current_passed_files().add(*number_) << 1U | (shared ? 1U : 0U);
}

void PassedFd::unpack_place(std::uint64_t place) {
  *this = PassedFd(current_passed_files().take(place >> 1U));
  given_ = true;
  if ((place & 1U) == 0) return;
  ProcessState::get().with_held([this](HeldFiles& held) { held[number_.get()].shared = true; });
}

}  // namespace steward::detail::process
