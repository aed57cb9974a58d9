// FaultyNetwork: the way from a FakeLink to a real server in this process, which loses what is
// under way when it breaks: frames and replies vanish, and only then does the connection end, as
// when a network card dies.
//
// Thread safety: the public functions may be called from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <thread>

#include <steward/manager/server/listener_local.hpp>
#include <steward/shm/unique_fd.hpp>
#include <steward/tests/client/fake_link.hpp>

namespace steward::detail::test {

class FaultyNetwork {
 public:
  explicit FaultyNetwork(std::shared_ptr<server::LocalNetwork> network);
  ~FaultyNetwork();

  const std::shared_ptr<FakeLink>& link() const { return link_; }

  // From now on what is sent on this connection is lost, in one direction or both.
  void lose(bool frames, bool replies);
  // Breaks it and makes another one.
  void replace();

 private:
  using Connection = server::LocalNetwork::Connection;

  void carry(std::uint64_t number, const std::string& frame);
  void bring_back();
  void ring();

  const std::shared_ptr<server::LocalNetwork> network_;
  const shm::UniqueFd notifier_;
  std::shared_ptr<FakeLink> link_;

  std::mutex mutex_;
  std::shared_ptr<Connection> connection_;
  std::uint64_t number_ = 0;
  bool lose_frames_ = false;
  bool lose_replies_ = false;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace steward::detail::test
