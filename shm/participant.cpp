#include <steward/shm/participant.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include <steward/shm/standard_descriptors.hpp>

namespace steward::detail::shm {

Participant::Participant(QueueMemory& memory, unsigned first) : memory_(memory) {
  // Opened again: a descriptor that was passed on shares its description, and the locks on it, with
  // whoever passed it.
  keep_standard_descriptors();
  const auto path = fmt::format("/proc/self/fd/{}", memory_.segment().fd());
  locks_.open([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC); });
  if (!locks_) {
    throw NoMemory(fmt::format("shared memory cannot be opened again at {}: {}", path,
                               std::system_category().message(errno)));
  }
  take_number(first);
}

Participant::~Participant() {
  if (!locks_) return;
  try {
    recover(number_);
  } catch (...) {
    // Damaged, or no memory: the record stays dirty, and who comes next to the number tries again.
  }
}

void Participant::abandon() { locks_.close(); }

bool Participant::try_lock(unsigned number) const {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = number;
  lock.l_len = 1;
  return ::fcntl(locks_.get(), F_OFD_SETLK, &lock) == 0;
}

void Participant::unlock(unsigned number) const {
  struct flock lock {};
  lock.l_type = F_UNLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = number;
  lock.l_len = 1;
  ::fcntl(locks_.get(), F_OFD_SETLK, &lock);
}

void Participant::take_number(unsigned first) {
  for (unsigned n = first; n <= kOwnersMax; ++n) {
    if (!try_lock(n)) continue;
    memory_.make_owner(n);
    if (memory_.owner(n).dirty.load(std::memory_order_acquire) != 0) recover(n);
    memory_.owner(n).dirty.store(1, std::memory_order_release);
    auto& end = memory_.owners_end();
    Word seen = end.load(std::memory_order_relaxed);
    while (seen <= n && !end.compare_exchange_weak(seen, n + 1, std::memory_order_release)) {
    }
    number_ = n;
    return;
  }
  throw NoMemory(fmt::format("a queue has {} participants already", kOwnersMax));
}

// With the lock of the number.
void Participant::recover(unsigned number) {
  Ring<QueueMemory> ring(memory_, number);
  ring.recover(number);
  Owner& owner = memory_.owner(number);
  // What it took is gone with it, or back in the queue: nobody will report it done.
  owner.open_tasks.store(0, std::memory_order_release);
  owner.dirty.store(0, std::memory_order_release);
  memory_.wake_all();
}

void Participant::recover_dead() {
  const std::unique_lock lock(recovering_, std::try_to_lock);
  if (!lock) return;
  const Word end = std::min<Word>(memory_.owners_end().load(std::memory_order_acquire),
                                  kOwnersMax + 1);
  for (unsigned n = 1; n < end; ++n) {
    if (n == number_ || memory_.owner(n).dirty.load(std::memory_order_acquire) == 0) continue;
    if (!try_lock(n)) continue;
    try {
      // Again, with the lock: it may have been recovered, or have left, in between.
      if (memory_.owner(n).dirty.load(std::memory_order_acquire) != 0) recover(n);
    } catch (...) {
      unlock(n);  // for others to try
      throw;
    }
    unlock(n);
  }
}

bool Participant::maker_is_gone() const {
  return number_ != kMaker && memory_.owner(kMaker).dirty.load(std::memory_order_acquire) == 0;
}

bool Participant::left_alone() const {
  if (!maker_is_gone()) return false;
  const Word end = std::min<Word>(memory_.owners_end().load(std::memory_order_acquire),
                                  kOwnersMax + 1);
  for (unsigned n = 1; n < end; ++n) {
    if (n != number_ && memory_.owner(n).dirty.load(std::memory_order_acquire) != 0) return false;
  }
  return true;
}

}  // namespace steward::detail::shm
