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
  number_ = std::make_unique<std::atomic<int>>(fd.release());
  forks_before_ = State::get().forks();
  State::get().with_held([this](HeldFiles& held) { held.emplace(number_.get(), InCopies::stays); });
}

PassedFd& PassedFd::operator=(PassedFd&& other) noexcept {
  if (this != &other) {
    close();
    number_ = std::move(other.number_);
    forks_before_ = other.forks_before_;
  }
  return *this;
}

PassedFd::~PassedFd() { close(); }

void PassedFd::close() noexcept {
  if (!number_) return;
  State::get().close_held(*number_);
  number_.reset();
}

bool PassedFd::may_have_copies() const noexcept {
  return number_ && forks_before_ != State::get().forks();
}

void PassedFd::keep_from_copies() noexcept {
  if (!number_) return;
  State::get().with_held([this](HeldFiles& held) {
    const auto place = held.find(number_.get());
    if (place != held.end()) place->second = InCopies::closed;
  });
}

PassedFd PassedFd::opened(const std::function<int()>& open, InCopies copies) {
  shm::keep_standard_descriptors();
  PassedFd file;
  auto number = std::make_unique<std::atomic<int>>(-1);
  State::get().with_held([&](HeldFiles& held) {
    shm::UniqueFd opened(open());
    if (!opened) return;
    held.emplace(number.get(), copies);
    *number = opened.release();
    file.number_ = std::move(number);
    file.forks_before_ = State::get().forks();
  });
  return file;
}

PassedFd PassedFd::opened(const std::function<int()>& open) {
  return opened(open, InCopies::stays);
}

PassedFd PassedFd::opened_here_alone(const std::function<int()>& open) {
  return opened(open, InCopies::closed);
}

std::pair<PassedFd, PassedFd> PassedFd::socket_pair(int type) {
  shm::keep_standard_descriptors();
  std::pair<PassedFd, PassedFd> ends;
  State::get().with_held([&](HeldFiles& held) {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()) != 0) {
      throw SystemError(errno, "cannot make a pair of sockets");
    }
    shm::UniqueFd first(fds[0]);
    shm::UniqueFd second(fds[1]);
    ends.first.number_ = std::make_unique<std::atomic<int>>(first.release());
    ends.second.number_ = std::make_unique<std::atomic<int>>(second.release());
    ends.first.forks_before_ = ends.second.forks_before_ = State::get().forks();
    held.emplace(ends.first.number_.get(), InCopies::stays);
    held.emplace(ends.second.number_.get(), InCopies::stays);
  });
  return ends;
}

void PassedFd::check_packing() const {
  static_cast<void>(current_passed_files());
  if (!*this) throw BadCall("an open file is to be passed that was closed or passed already");
}

std::uint64_t PassedFd::pack_place() const {
  check_packing();
  return current_passed_files().add(*number_);
}

void PassedFd::unpack_place(std::uint64_t place) {
  *this = PassedFd(current_passed_files().take(place));
  // Who gave it closes it only when it knows that this process is up.
  forks_before_ = kPassedOn;
}

}  // namespace steward::detail::process
