#include <steward/tests/client/faulty_network.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace steward::detail::test {

FaultyNetwork::FaultyNetwork(std::shared_ptr<server::LocalNetwork> network)
    : network_(std::move(network)),
      notifier_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      link_(std::make_shared<FakeLink>([this](std::uint64_t number, const std::string& frame) {
        carry(number, frame);
      })),
      connection_(network_->connect()),
      number_(1),
      thread_([this] { bring_back(); }) {
  link_->connect();
}

FaultyNetwork::~FaultyNetwork() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ring();
  thread_.join();
}

void FaultyNetwork::lose(bool frames, bool replies) {
  const std::lock_guard lock(mutex_);
  lose_frames_ = lose_frames_ || frames;
  lose_replies_ = lose_replies_ || replies;
}

void FaultyNetwork::replace() {
  link_->cut();
  std::shared_ptr<Connection> old;
  {
    const std::lock_guard lock(mutex_);
    old = std::exchange(connection_, network_->connect());
    ++number_;
    lose_frames_ = lose_replies_ = false;
  }
  ring();
  link_->connect();
}

void FaultyNetwork::carry(std::uint64_t number, const std::string& frame) {
  const std::lock_guard lock(mutex_);
  if (number == number_ && !lose_frames_) connection_->send(frame);
}

void FaultyNetwork::bring_back() {
  for (;;) {
    std::shared_ptr<Connection> connection;
    std::uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      connection = connection_;
      number = number_;
    }
    std::array<pollfd, 2> entries{{{notifier_.get(), POLLIN, 0}, {connection->fd(), POLLIN, 0}}};
    ::poll(entries.data(), entries.size(), -1);
    std::uint64_t count;
    [[maybe_unused]] const ssize_t size = ::read(notifier_.get(), &count, sizeof count);
    std::string frame;
    while (connection->receive(frame) == Connection::Got::frame) {
      const std::lock_guard lock(mutex_);
      if (number == number_ && !lose_replies_) link_->deliver(number, std::move(frame));
    }
  }
}

void FaultyNetwork::ring() {
  const std::uint64_t one = 1;
  if (::write(notifier_.get(), &one, sizeof one) < 0) std::abort();
}

}  // namespace steward::detail::test
