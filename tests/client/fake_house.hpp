// FakeHouse: a FakeManager that lives in a directory, with a real ROUTER socket and a real
// control socket, served by a thread of its own or by a process of its own.
//
// Thread safety: the public functions may be called from any thread.
#pragma once

#include <memory>
#include <string>

#include <sys/types.h>

#include <steward/tests/client/fake_manager.hpp>

namespace steward::detail::test {

// How the control socket answers.
enum class Control {
  opens,
  refuses,
  refuses_unheard,  // without having read the connect request, which is there
  mute,
  shows_foreign_pidfd,
};

class FakeHouse {
 public:
  explicit FakeHouse(Control control = Control::opens);
  ~FakeHouse();

  FakeManager& manager() { return manager_; }
  const std::string& directory() const { return directory_; }
  std::string address() const { return "ipc://" + directory_ + "/manager.sock"; }

  // Breaks all ZeroMQ connections; clients may come back.
  void restart_router();
  // How many have come to the control socket.
  std::size_t peers() const;
  // Says something to everybody who came through the control socket, which nobody has asked for.
  void speak_unasked();
  // Hangs up on everybody who came through the control socket.
  void hang_up();
  // From now on nobody who comes to the control socket is answered.
  void hold_up();
  // Hangs up on those, and answers again.
  void send_away();

 private:
  class Loop;
  FakeManager manager_;
  std::string directory_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace steward::detail::test
