#include <steward/pipe/records.hpp>

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::pipe {
namespace {

constexpr std::size_t kHeadBytes = 2;
static_assert(Records::kBytesMost + core::StreamCipher::kSealBytes <= 0xffff);

// What forked copies of this process share.
void* shared_memory(std::size_t size) {
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Overloaded("Connection: no memory is left for its encryption");
  return memory;
}

}  // namespace

void Records::Unmap::operator()(Shared* shared) const { ::munmap(shared, sizeof *shared); }

Records::Records(core::StreamCipher cipher)
    : cipher_(std::move(cipher)),
      shared_(new (shared_memory(sizeof(Shared))) Shared),
      sealed_(shared_->sealed),
      received_(shared_->received) {}

std::string_view Records::seal(std::string_view head, std::string_view body) {
  std::string_view plain = body;
  if (!head.empty()) {
    piece_.assign(head).append(body);
    plain = piece_;
  }
  const std::size_t length = plain.size() + core::StreamCipher::kSealBytes;
  record_.clear();
  record_.reserve(kHeadBytes + length);
  record_ += static_cast<char>(length >> 8U & 0xffU);
  record_ += static_cast<char>(length & 0xffU);
  if (went_ || !sealed_.next()) {
    throw Closed("Connection.send: another process has this end, too, and goes on with it");
  }
  cipher_.seal(plain, record_);
  return record_;
}

// Copies in forked processes are refused from now on, as this one is.
std::string Records::state() {
  if (went_ || !sealed_.next() || !received_.next()) {
    throw Closed("Connection: one over tcp with a key cannot be in two processes, and another one "
                 "has this end, or was to be started with it and failed to");
  }
  went_ = true;
  return cipher_.state();
}

ssize_t Records::receive(int socket, void* to, std::size_t room) {
  while (given_all()) {
    if (const ssize_t count = fill(socket); count <= 0) return count;
  }
  const std::size_t count = std::min(room, plain_.size() - given_);
  std::memcpy(to, plain_.data() + given_, count);
  given_ += count;
  return static_cast<ssize_t>(count);
}

// As recv(2): takes what is there of one record, and opens it once it is whole.
ssize_t Records::fill(int socket) {
  if (went_ || (head_size_ == 0 && !received_.is_ours())) {
    errno = EBUSY;
    return -1;
  }
  const bool in_head = head_size_ < kHeadBytes;
  void* const to = in_head ? static_cast<void*>(head_ + head_size_)
                           : static_cast<void*>(sealed_piece_.data() + sealed_size_);
  const std::size_t room =
      in_head ? kHeadBytes - head_size_ : sealed_piece_.size() - sealed_size_;
  const ssize_t count = ::recv(socket, to, room, MSG_DONTWAIT);
  if (count <= 0) return count;
  if (in_head) {
    if (head_size_ == 0) received_.next();
    head_size_ += static_cast<std::size_t>(count);
    if (head_size_ < kHeadBytes) return count;
    const std::size_t length = static_cast<std::size_t>(head_[0]) << 8U | head_[1];
    constexpr std::size_t kLeast = core::StreamCipher::kSealBytes + 1;
    if (length < kLeast || length >= kLeast + kBytesMost) {
      errno = EBADMSG;
      return -1;
    }
    sealed_piece_.resize(length);
    sealed_size_ = 0;
    return count;
  }
  sealed_size_ += static_cast<std::size_t>(count);
  if (sealed_size_ < sealed_piece_.size()) return count;
  plain_.clear();
  given_ = 0;
  if (!cipher_.open(sealed_piece_, plain_)) {
    errno = EBADMSG;
    return -1;
  }
  head_size_ = 0;
  return count;
}

}  // namespace steward::detail::pipe
