#include <steward/tests/client/fake_link.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>

namespace steward::detail::test {

using client::Arrival;

class FakeLink::Socket final : public client::Transport {
 public:
  explicit Socket(std::shared_ptr<FakeLink> link)
      : link_(std::move(link)), fds_{{link_->notifier_.get(), POLLIN, 0}} {}

  const std::vector<pollfd>& poll_fds() const override { return fds_; }

  bool prepare_to_sleep() override {
    const std::lock_guard lock(link_->mutex_);
    link_->swallow_edge();
    return link_->frames_.empty() && link_->events_.empty();
  }
  void awake(std::span<const pollfd>) override {}

  bool send(std::string_view head, std::string_view body) override {
    std::uint64_t connection;
    {
      const std::lock_guard lock(link_->mutex_);
      link_->swallow_edge();
      if (!link_->up_ || link_->stalled_ || !(link_->seen_ || link_->early_)) return false;
      connection = link_->connection_;
    }
    link_->receiver_(connection, std::string(head) + std::string(body));
    return true;
  }

  Arrival receive(std::string_view& frame) override {
    const std::lock_guard lock(link_->mutex_);
    link_->swallow_edge();
    if (!link_->frames_.empty()) {
      frame = frame_ = std::move(link_->frames_.front());
      link_->frames_.pop_front();
      return Arrival::frame;
    }
    if (link_->events_.empty()) return Arrival::nothing;
    const Arrival event = link_->events_.front();
    link_->events_.pop_front();
    link_->seen_ = event == Arrival::connected && link_->events_.empty();
    return event;
  }

 private:
  const std::shared_ptr<FakeLink> link_;
  const std::vector<pollfd> fds_;
  std::string frame_;
};

FakeLink::FakeLink(Receiver receiver)
    : receiver_(std::move(receiver)), notifier_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

std::unique_ptr<client::Transport> FakeLink::transport() {
  return std::make_unique<Socket>(shared_from_this());
}

void FakeLink::connect() {
  const std::lock_guard lock(mutex_);
  up_ = true;
  ++connection_;
  events_.push_back(Arrival::connected);
  ring();
}

// Replies that the client's side of the connection already has are still read, as with ZeroMQ.
void FakeLink::cut() {
  const std::lock_guard lock(mutex_);
  up_ = false;
  seen_ = false;
  events_.push_back(Arrival::disconnected);
  ring();
}

void FakeLink::deliver(std::uint64_t connection, std::string frame) {
  const std::lock_guard lock(mutex_);
  if (!up_ || connection != connection_ || frame.empty()) return;
  frames_.push_back(std::move(frame));
  ring();
}

void FakeLink::deliver(std::string frame) { deliver(connection(), std::move(frame)); }

void FakeLink::take_early(bool early) {
  const std::lock_guard lock(mutex_);
  early_ = early;
}

void FakeLink::stall(bool stalled) {
  const std::lock_guard lock(mutex_);
  stalled_ = stalled;
  if (!stalled) ring();
}

std::uint64_t FakeLink::connection() const {
  const std::lock_guard lock(mutex_);
  return connection_;
}

void FakeLink::ring() {
  if (notified_) return;
  notified_ = true;
  const std::uint64_t one = 1;
  if (::write(notifier_.get(), &one, sizeof one) < 0) std::abort();
}

void FakeLink::swallow_edge() {
  if (!notified_) return;
  notified_ = false;
  std::uint64_t count;
  if (::read(notifier_.get(), &count, sizeof count) < 0) std::abort();
}

}  // namespace steward::detail::test
