#include <steward/pipe/records.hpp>

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::pipe {
namespace {

constexpr std::size_t kHeadBytes = 2;
static_assert(Records::kBytesMost + core::StreamCipher::kSealBytes <= 0xffff);
// Of the shortest record, which has one byte in it.
constexpr std::size_t kSealedLeast = core::StreamCipher::kSealBytes + 1;

// So much memory a record is given before more of it is there than its head.
constexpr std::size_t kFirstRoom = 4U << 10U;
// What is kept for the next message is no longer than this.
constexpr std::size_t kKept = 4U << 10U;
// Of one record, before others have a look at the time.
constexpr int kRecordsAtOnce = 64;

void give_back(std::string& memory) {
  if (memory.capacity() > kKept) std::string().swap(memory);
}

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
  if (went_ || !sealed_.claim()) {
    throw Closed("Connection.send: another process has this end, too, and goes on with it");
  }
  cipher_.seal(plain, record_);
  return record_;
}

// Copies in forked processes are refused from now on, as this one is.
std::string Records::state() {
  if (went_ || !sealed_.claim() || !received_.claim()) {
    throw Closed("Connection: one over tcp with a key cannot be in two processes, and another one "
                 "has this end, or was to be started with it and failed to");
  }
  went_ = true;
  return cipher_.state();
}

int Records::may_shut_down() const {
  if (went_ || !received_.is_ours()) return -1;
  return sealed_.is_ours() ? SHUT_RDWR : SHUT_RD;
}

void Records::rest_receiving() {
  give_back(arriving_);
  give_back(plain_);
  given_ = plain_.size();
}

void Records::rest_sealing() {
  give_back(piece_);
  give_back(record_);
}

ssize_t Records::receive(int socket, void* to, std::size_t room) {
  for (int pieces = 0; given_all(); ++pieces) {
    if (pieces == kRecordsAtOnce) {
      errno = EINTR;
      return -1;
    }
    if (const ssize_t count = fill(socket); count <= 0) return count;
  }
  const std::size_t count = std::min(room, plain_.size() - given_);
  std::memcpy(to, plain_.data() + given_, count);
  given_ += count;
  return static_cast<ssize_t>(count);
}

// As recv(2): takes what is there of one record, and opens it once it is whole. In this order: what
// may fail for want of memory, then the claim, then what cannot be undone.
ssize_t Records::fill(int socket) {
  if (went_ || !received_.is_ours()) {
    errno = EBUSY;
    return -1;
  }
  if (size_ != 0 && taken_ == size_) return open_whole();
  if (const ssize_t seen = look_ahead(socket); seen <= 0) return seen;
  const std::size_t end =
      size_ == 0 ? taken_ + 1
                 : std::min(size_, std::max({kFirstRoom, 2 * taken_, arriving_.size()}));
  if (arriving_.size() < end) arriving_.resize(end);
  if (!received_.claim()) {
    errno = EBUSY;
    return -1;
  }
  const ssize_t count = ::recv(socket, arriving_.data() + taken_, end - taken_, MSG_DONTWAIT);
  if (count <= 0) return count;
  taken_ += static_cast<std::size_t>(count);
  return taken_ == size_ ? open_whole() : count;
}

// Whether there is something to claim, and how long the record is: of what another process goes on
// with not one byte may be taken.
ssize_t Records::look_ahead(int socket) {
  std::array<char, kHeadBytes> head{};
  const std::size_t known = std::min(taken_, kHeadBytes);
  std::copy_n(arriving_.begin(), known, head.begin());
  const std::size_t wanted = std::max<std::size_t>(kHeadBytes - known, 1);
  std::array<char, kHeadBytes> seen{};
  const ssize_t count = ::recv(socket, seen.data(), wanted, MSG_DONTWAIT | MSG_PEEK);
  if (count <= 0 || size_ != 0 || known + static_cast<std::size_t>(count) < kHeadBytes) {
    return count;
  }
  std::copy_n(seen.begin(), kHeadBytes - known, head.begin() + static_cast<std::ptrdiff_t>(known));
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(head[i]); };
  const std::size_t length = static_cast<std::size_t>(byte(0)) << 8U | byte(1);
  if (length < kSealedLeast || length >= kSealedLeast + kBytesMost) {
    errno = received_.claim() ? EBADMSG : EBUSY;
    return -1;
  }
  size_ = kHeadBytes + length;
  return count;
}

ssize_t Records::open_whole() {
  plain_.clear();
  given_ = 0;
  const auto sealed = std::string_view(arriving_).substr(kHeadBytes, size_ - kHeadBytes);
  if (!cipher_.open(sealed, plain_)) {
    errno = EBADMSG;
    return -1;
  }
  taken_ = size_ = 0;
  return static_cast<ssize_t>(sealed.size());
}

}  // namespace steward::detail::pipe
