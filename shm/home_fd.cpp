#include <steward/shm/home_fd.hpp>

#include <pthread.h>
#include <unistd.h>

#include <mutex>

namespace steward::detail::shm {

// All that stand for files. Leaked: they may outlive the statics of a program.
struct HomeFd::All {
  std::mutex mutex;  // held across every fork
  HomeFd* first = nullptr;

  void link(HomeFd& one) noexcept {
    one.next_ = first;
    one.previous_ = nullptr;
    if (first != nullptr) first->previous_ = &one;
    first = &one;
  }
  void unlink(HomeFd& one) noexcept {
    (one.previous_ != nullptr ? one.previous_->next_ : first) = one.next_;
    if (one.next_ != nullptr) one.next_->previous_ = one.previous_;
  }
};

HomeFd::All& HomeFd::all() {
  static All* const all = [] {
    auto* made = new All;
    ::pthread_atfork([] { HomeFd::all().mutex.lock(); }, [] { HomeFd::all().mutex.unlock(); },
                     [] {
                       All& copies = HomeFd::all();
                       for (HomeFd* each = copies.first; each != nullptr; each = each->next_) {
                         ::close(each->fd_.exchange(-1));
                       }
                       copies.first = nullptr;
                       copies.mutex.unlock();
                     });
    return made;
  }();
  return *all;
}

void HomeFd::watch_forks() { all(); }

HomeFd::~HomeFd() { close(); }

void HomeFd::open(const std::function<int()>& open) {
  All& known = all();
  const std::lock_guard hold(known.mutex);
  const int fd = open();
  if (fd < 0) return;
  fd_ = fd;
  known.link(*this);
}

void HomeFd::close() noexcept {
  if (get() < 0) return;
  All& known = all();
  const std::lock_guard hold(known.mutex);
  ::close(fd_.exchange(-1));
  known.unlink(*this);
}

}  // namespace steward::detail::shm
