// TcpHouse: a FakeManager behind a real ROUTER socket, at a tcp port or any other endpoint, with or
// without a key, served by a thread of its own.
//
// Thread safety: the public functions may be called from any thread.
#pragma once

#include <memory>
#include <string>

#include <steward/tests/client/fake_manager.hpp>

namespace steward::detail::test {

class TcpHouse {
 public:
  static constexpr const char* kAnyPort = "tcp://127.0.0.1:*";

  // Its manager says to be this one.
  explicit TcpHouse(core::Incarnation incarnation = core::random_id<core::Incarnation>(),
                    const std::string& key = {}, const std::string& endpoint = kAnyPort);
  // Hangs up on everybody.
  ~TcpHouse();

  FakeManager& manager() { return manager_; }
  const std::string& address() const { return address_; }

 private:
  class Loop;
  FakeManager manager_;
  std::string address_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace steward::detail::test
