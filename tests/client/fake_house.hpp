// FakeHouse: a FakeManager that lives in a directory, with a real ROUTER socket and a real side
// door, served by a thread of its own or by a process of its own.
//
// Thread safety: the public functions may be called from any thread.
#pragma once

#include <memory>
#include <string>

#include <sys/types.h>

#include <steward/tests/client/fake_manager.hpp>

namespace steward::test {

// How the door answers.
enum class Door {
  opens,
  refuses,
  refuses_unheard,  // without having read the knock, which is there
  mute,
  shows_foreign_pidfd,
};

class FakeHouse {
 public:
  explicit FakeHouse(Door door = Door::opens);
  ~FakeHouse();

  FakeManager& manager() { return manager_; }
  const std::string& directory() const { return directory_; }
  std::string address() const { return "ipc://" + directory_ + "/manager.sock"; }

  // Breaks all ZeroMQ connections; clients may come back.
  void restart_router();
  // How many have come to the side door.
  std::size_t visitors() const;
  // Hangs up on everybody who came through the side door.
  void hang_up();

 private:
  class Loop;
  FakeManager manager_;
  std::string directory_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace steward::test
